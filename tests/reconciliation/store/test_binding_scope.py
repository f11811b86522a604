"""Scopes are registered once, and looked up without waiting for anybody."""

from __future__ import annotations

import psycopg
import pytest
from reconciliation.store.binding_scope import (
    BindingScope,
    register_installation,
    register_scope,
    register_target,
)


def test_a_scope_is_one_row_for_whoever_works_between_the_same_two(sync_db: psycopg.Connection) -> None:
    krayin, chatwoot = register_target(sync_db, "http://k"), register_installation(sync_db, "c")
    first, other = (register_scope(sync_db, krayin, chatwoot, account) for account in (1, 2))
    assert first == BindingScope(first.id, krayin, chatwoot, 1)
    assert first.id != other.id
    assert register_scope(sync_db, krayin, chatwoot, 1) == first


def test_a_known_scope_is_found_while_somebody_plans_in_it(
    sync_db: psycopg.Connection, sync_db_url: str
) -> None:
    krayin, chatwoot = register_target(sync_db, "http://k"), register_installation(sync_db, "c")
    scope = register_scope(sync_db, krayin, chatwoot, 1)
    with psycopg.connect(sync_db_url) as planner:
        planner.execute(
            "INSERT INTO krayin_sync.mapping (target_id, scope_id, source_kind, source_id, crm_kind)"
            " VALUES (%s, %s, 'contact', '1', 'person')",
            (krayin, scope.id),
        )
        sync_db.execute("SET lock_timeout = '1s'")
        assert register_scope(sync_db, krayin, chatwoot, 1) == scope


def test_a_mapping_row_names_no_other_krayin_than_its_scope(sync_db: psycopg.Connection) -> None:
    krayin, other = register_target(sync_db, "http://k"), register_target(sync_db, "http://other")
    scope = register_scope(sync_db, krayin, register_installation(sync_db, "c"), 1)
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        sync_db.execute(
            "INSERT INTO krayin_sync.mapping (target_id, scope_id, source_kind, source_id, crm_kind)"
            " VALUES (%s, %s, 'contact', '1', 'person')",
            (other, scope.id),
        )
