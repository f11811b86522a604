from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from sandbox.chatwoot.schema import create_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg import Connection


@pytest.fixture
def empty(database_url: str) -> Iterator[Connection[Any]]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        create_schema(connection)
        yield connection


def one(connection: Connection[Any], query: str) -> Any:
    row = connection.execute(query).fetchone()  # type: ignore[arg-type]
    assert row
    return row[0]


def test_creating_twice_changes_nothing(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        assert create_schema(connection) is True
        assert create_schema(connection) is False
        assert one(connection, "SELECT version FROM schema_migrations") == "20260611184600"


@pytest.mark.parametrize(
    ("table", "column", "kind"),
    [
        ("contacts", "id", "integer"),
        ("contacts", "updated_at", "timestamp without time zone"),
        ("contact_inboxes", "id", "bigint"),
        ("contact_inboxes", "updated_at", "timestamp(6) without time zone"),
        ("conversations", "waiting_since", "timestamp(6) without time zone"),
        ("messages", "content_attributes", "json"),
        ("messages", "external_source_ids", "jsonb"),
        ("conversations", "uuid", "uuid"),
        ("accounts", "domain", "character varying(100)"),
    ],
)
def test_columns_have_chatwoot_s_types(empty: Connection[Any], table: str, column: str, kind: str) -> None:
    row = empty.execute(
        """
        SELECT format_type(atttypid, atttypmod) FROM pg_attribute
        WHERE attrelid = %s::regclass AND attname = %s
        """,
        (table, column),
    ).fetchone()
    assert row == (kind,)


def test_display_ids_count_per_account(empty: Connection[Any]) -> None:
    now = datetime.now(UTC)
    for name in ("one", "two"):
        empty.execute(
            "INSERT INTO accounts (name, created_at, updated_at) VALUES (%s, %s, %s)", (name, now, now)
        )
    given = [
        empty.execute(
            """
            INSERT INTO conversations (account_id, inbox_id, display_id, created_at, updated_at)
            VALUES (%s, 1, 99, %s, %s) RETURNING display_id
            """,
            (account, now, now),
        ).fetchone()
        for account in (1, 1, 2)
    ]
    assert given == [(1,), (2,), (1,)]


def test_one_e_mail_per_account(empty: Connection[Any]) -> None:
    insert = "INSERT INTO contacts (account_id, email, created_at, updated_at) VALUES (%s, 'a@example.com', now(), now())"
    empty.execute(insert, (1,))
    empty.execute(insert, (2,))
    with pytest.raises(psycopg.errors.UniqueViolation):
        empty.execute(insert, (1,))


def test_the_search_index_is_a_trigram_index(empty: Connection[Any]) -> None:
    definition = one(
        empty,
        "SELECT indexdef FROM pg_indexes WHERE indexname = 'index_contacts_on_name_email_phone_number_identifier'",
    )
    assert "USING gin (name gin_trgm_ops" in definition
