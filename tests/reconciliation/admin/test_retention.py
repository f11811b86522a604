"""What is old and over goes, in batches; what is open, recent or pointed to stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from reconciliation.admin.retention import Retention, load_retention, retain
from reconciliation.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

STATES = (
    "planned", "in_flight", "done", "unknown", "rejected", "quarantined", "superseded", "held", "declined",
)  # fmt: skip


@pytest.fixture
def old(sync_db: psycopg.Connection) -> psycopg.Connection:
    """A sync database full of things that are 400 days old, each also in a version of today."""
    sync_db.execute("SET search_path = krayin_sync")
    sync_db.execute("INSERT INTO krayin_target (base_url) VALUES ('http://k')")
    sync_db.execute("INSERT INTO chatwoot_installation (identity) VALUES ('c')")
    sync_db.execute("INSERT INTO scope (target_id, installation_id, account_id) VALUES (1, 1, 1)")
    for age in ("400 days", "0 days"):
        sync_db.execute(
            "INSERT INTO sync_run (sync_name, kind, state, started_at, finished_at)"
            f" SELECT 's', 'scheduled', 'done', now() - '{age}'::interval, now() - '{age}'::interval"
            " FROM generate_series(1, 3)"
        )
        sync_db.execute(
            "INSERT INTO approval (sync_name, state, created_at, decided_at)"
            f" SELECT 's', state, now() - '{age}'::interval, now() - '{age}'::interval"
            " FROM unnest('{open,approved,declined,withdrawn}'::text[]) AS state"
        )
        for number, state in enumerate(STATES):
            over = state in {"done", "rejected", "quarantined", "superseded", "declined"}
            sync_db.execute(
                "INSERT INTO operation (run_id, sync_name, lane, target_id, scope_id, source_kind,"
                " source_id, payload, source_read_at, natural_keys, forecast_calls, state, worker, lease_until,"
                " created_at, finished_at, approval_id)"
                " VALUES (%s, 's', 1, 1, 1, 'contact', %s, '{\"person\": {}}', now(), '{email:x}', 1, %s, %s, %s,"
                " now() - %s::interval, CASE WHEN %s THEN now() - %s::interval END,"
                " (SELECT min(id) FROM approval WHERE state = 'open' AND %s = 'held'))",
                (
                    2 if age != "0 days" else 5,
                    f"{number}-{age}",
                    state,
                    "w" if state == "in_flight" else None,
                    "2000-01-01" if state == "in_flight" else None,
                    age,
                    over,
                    age,
                    state,
                ),
            )
        sync_db.execute(
            "INSERT INTO inbox_event (sync_name, event, entities, signed, content_hash, body, received_at, processed_at)"
            f" VALUES ('s', 'e', '{{}}', true, '1{age}', 'body', now() - '{age}'::interval, now() - '{age}'::interval),"
            f" ('s', 'e', '{{}}', true, '2{age}', 'body', now() - '{age}'::interval, NULL)"
        )
        sync_db.execute(
            "INSERT INTO api_call (at, target_id, run_id, method, route, milliseconds, outcome)"
            f" VALUES (now() - '{age}'::interval, 1, {3 if age != '0 days' else 6}, 'GET', 'x', 1, 'ok')"
        )
    return sync_db


def count(connection: psycopg.Connection, query: str) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("size", [1, 1000])
def test_what_is_old_and_over_goes(old: psycopg.Connection, size: int) -> None:
    done = retain(old, Retention(), size)
    states = old.execute(
        "SELECT state FROM operation WHERE created_at < now() - interval '300 days'"
    ).fetchall()
    assert {row[0] for row in states} == {"planned", "in_flight", "unknown", "quarantined", "held"}
    assert count(old, "SELECT count(*) FROM operation WHERE created_at > now() - interval '1 day'") == len(
        STATES
    )
    assert count(old, "SELECT count(*) FROM operation WHERE payload = '{}'") == 0
    assert count(old, "SELECT count(*) FROM inbox_event") == 3
    assert count(old, "SELECT count(*) FROM inbox_event WHERE processed_at IS NULL") == 2
    assert count(old, "SELECT count(*) FROM api_call") == 1
    assert count(old, "SELECT count(*) FROM approval") == 5
    # The second still has operations that wait, the others nothing.
    assert count(old, "SELECT count(*) FROM sync_run WHERE started_at < now() - interval '300 days'") == 1
    assert done["operations"] == 4
    assert done["webhooks"] == done["calls"] == 1
    assert done["approvals"] == 3
    assert done["runs"] == 2
    assert set(retain(old, Retention(), size).values()) == {0}


def test_contents_go_before_rows(old: psycopg.Connection) -> None:
    retain(old, Retention(payloads=30, operations=1000))
    rows = old.execute(
        "SELECT state, payload = '{}', natural_keys = '{}' FROM operation"
        " WHERE created_at < now() - interval '300 days' ORDER BY 1"
    ).fetchall()
    assert {row[0] for row in rows if row[1]} == {"done", "rejected", "superseded"}
    assert all(row[1] == row[2] for row in rows)


def test_an_incident_stays_while_it_is_open(sync_db: psycopg.Connection) -> None:
    sync_db.execute(
        "INSERT INTO krayin_sync.incident (kind, sync_name, sentence, opened_at, closed_at)"
        " VALUES ('open', 's', 'a', now() - interval '900 days', NULL),"
        " ('over', 's', 'b', now() - interval '900 days', now() - interval '400 days')"
    )
    assert retain(sync_db, Retention())["incidents"] == 1
    assert count(sync_db, "SELECT count(*) FROM krayin_sync.incident WHERE kind = 'open'") == 1


def test_the_last_run_of_a_sync_stays_however_old(sync_db: psycopg.Connection) -> None:
    sync_db.execute(
        "INSERT INTO krayin_sync.sync_run (sync_name, kind, state, started_at)"
        " SELECT 's', 'scheduled', 'done', now() - interval '900 days' FROM generate_series(1, 2)"
    )
    retain(sync_db, Retention())
    assert count(sync_db, "SELECT count(*) FROM krayin_sync.sync_run") == 1


def test_the_file_says_what_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "retention.yaml"
    monkeypatch.setenv("KRAYIN_SYNC_RETENTION", str(path))
    assert load_retention() == Retention()
    path.write_text("calls: 5\n")
    assert load_retention() == Retention(calls=5)
    path.write_text("calls: no\nrubbish: 1\n")
    with pytest.raises(SettingsError, match=r"(?s)calls.*rubbish"):
        load_retention()
    path.write_text("payloads: 200\n")
    with pytest.raises(SettingsError, match="payloads must not be kept longer"):
        load_retention()
