"""The daily SQL checks: silent on a sync at work, and each finds what it is there for."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest
from reconciliation.airflow.dag_defaults import longest_gap
from reconciliation.run.request import RunRequest
from statements import statement

if TYPE_CHECKING:
    from tests.reconciliation.world import World

# What breaks each invariant; constraints that forbid it today are dropped first.
BREAKS = {
    "linked_without_record": (
        "ALTER TABLE mapping DROP CONSTRAINT mapping_check",
        "UPDATE mapping SET crm_id = NULL WHERE id = (SELECT min(id) FROM mapping WHERE state = 'linked')",
    ),
    "record_of_two_contacts": (
        (
            "UPDATE mapping SET former_crm_ids = ARRAY[(SELECT crm_id FROM mapping WHERE crm_kind = 'lead'"
            " AND source_id = '1')] WHERE crm_kind = 'lead' AND source_id = '2'"
        ),
    ),
    "leases_left": (
        (
            "UPDATE operation SET worker = 'dead', lease_until = now() - interval '2 hours'"
            " WHERE id = (SELECT min(id) FROM operation)"
        ),
    ),
    "plans_of_one_record": (
        "DROP INDEX operation_planned",
        "UPDATE operation SET state = 'planned', source_id = '1', next_attempt_at = 'infinity'",
    ),
    "held_without_question": (
        "UPDATE operation SET state = 'held' WHERE id = (SELECT min(id) FROM operation)",
    ),
    "planned_without_operation": (
        "UPDATE mapping SET state = 'pending', crm_id = NULL WHERE crm_kind = 'person' AND source_id = '1'",
        "DELETE FROM operation WHERE source_id = '1'",
    ),
    "erased_contacts_back": (
        (
            "INSERT INTO erasure (sync_name, scope_id, contact_hash, finished_at)"
            " SELECT 'test', scope.id, contact_hash(scope, '1'), now() FROM scope"
        ),
    ),
}


def violations(connection: psycopg.Connection) -> dict[str, int]:
    found = {}
    for name in BREAKS:
        row = connection.execute(statement(f"quality/{name}")).fetchone()
        assert row is not None
        found[name] = int(row[0])
    return found


def test_each_check_is_silent_until_its_invariant_is_broken(world: World) -> None:
    for name in ("Ada", "Bob", "Cleo"):
        world.add(name=name, email=f"{name.lower()}@example.com")
    world.run()
    world.change(1, name="Ada Again")
    world.run(RunRequest())
    with psycopg.connect(world.sync_url, autocommit=True) as connection:
        connection.execute("SET search_path = krayin_sync")
        assert violations(connection) == dict.fromkeys(BREAKS, 0)
        for name, breaking in BREAKS.items():
            with connection.transaction(force_rollback=True):
                for change in breaking:
                    connection.execute(change)
                found = violations(connection)
                assert found[name] > 0, name
        assert violations(connection) == dict.fromkeys(BREAKS, 0)


def test_a_sync_that_reads_no_more_is_noticed(sync_db: psycopg.Connection) -> None:
    def is_read(seconds: float) -> bool:
        asked = {"sync_name": "s", "oldest_seconds": seconds}
        row = sync_db.execute(statement("quality/watermark_moves"), asked).fetchone()
        assert row is not None
        return bool(row[0])

    assert is_read(1), "before the first load there is nothing to be late with"
    sync_db.execute("SET search_path = krayin_sync")
    sync_db.execute("INSERT INTO krayin_target (base_url) VALUES ('http://k')")
    sync_db.execute("INSERT INTO chatwoot_installation (identity) VALUES ('c')")
    sync_db.execute("INSERT INTO scope (target_id, installation_id, account_id) VALUES (1, 1, 1)")
    sync_db.execute("INSERT INTO sync_run (sync_name, kind) VALUES ('s', 'scheduled')")
    sync_db.execute(
        "INSERT INTO watermark (sync_name, stream, scope_id, position, settings_hash,"
        " run_id, moved_at) VALUES ('s', 'contacts', 1, '{}', '', 1, now() - interval '1 hour')"
    )
    assert is_read(4000)
    assert not is_read(3000)


@pytest.mark.parametrize(
    ("schedule", "gap"),
    [
        ("*/10 * * * *", timedelta(minutes=10)),
        ("@hourly", timedelta(hours=1)),
        ("0 8-18 * * 1-5", timedelta(hours=62)),
        ("30 2 * * *", timedelta(days=1)),
    ],
)
def test_the_longest_gap_of_a_schedule(schedule: str, gap: timedelta) -> None:
    assert longest_gap(schedule) == gap
