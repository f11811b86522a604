"""What a sync did, for people."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.types.json import Jsonb
from reconciliation.migrations import upgrade
from reconciliation.run.summary import lines_of

from stack import summary

FIRST, SECOND = 1, 2
TOLD = {
    "read": 12,
    "created": {"person": 10, "lead": 10, "organization": 0},
    "updated": {"person": 1},
    "adopted": {},
    "skipped": {"no e-mail or phone": 1},
    "quarantined": 1,
    "failed": 0,
    "calls": 14,
    "forecast_calls": 13,
    "elapsed_seconds": 21.4,
}

UNDER_WAY = {
    "read": 12,
    "forecast_seconds": 900,
    "remaining_seconds": 320,
    "done": 40,
    "waiting": 60,
    "calls": 44,
}


@pytest.fixture
def sync_database(database_url: str) -> str:
    upgrade(database_url)
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO krayin_sync.sync_run (sync_name, dag_run_id, kind, dry_run, state, finished_at, summary)"
            " VALUES ('shop', 'first', 'manual', false, 'done', now(), %s),"
            " ('shop', 'second', 'manual', false, 'loading', NULL, %s),"
            " ('shop', 'check', 'setup', true, 'done', now(), '{}'),"
            " ('office', 'only', 'manual', false, 'done', now(), %s)",
            (Jsonb(TOLD), Jsonb(UNDER_WAY), Jsonb(TOLD)),
        )
    return database_url


def shown(url: str, sync: str = "shop") -> list[int]:
    return [run.id for run in summary.shown_runs(url, sync)]


def test_the_last_sync_and_the_run_that_works(sync_database: str) -> None:
    assert shown(sync_database) == [FIRST, SECOND]
    *_, run = summary.shown_runs(sync_database, "shop")
    assert lines_of(run)[0] == (
        "Run 2 of sync shop (manual): loading, 40 of 100 records, about 5 min 20 s left"
    )
    with psycopg.connect(sync_database) as connection:
        # What died an hour ago works no more, nor does what another run of its kind followed.
        connection.execute(
            "UPDATE krayin_sync.sync_run SET started_at = now() - interval '2 hours' WHERE dag_run_id = 'second'"
        )
    assert shown(sync_database) == [FIRST]
    assert shown(sync_database, "other") == []


def test_a_load_is_shown_though_settings_were_checked_since(sync_database: str) -> None:
    with psycopg.connect(sync_database) as connection:
        for state in ("done", "planning"):
            connection.execute(
                "INSERT INTO krayin_sync.sync_run (sync_name, kind, dry_run, state, finished_at)"
                " VALUES ('shop', 'setup', true, %s, CASE %s WHEN 'done' THEN now() END)",
                (state, state),
            )
    assert shown(sync_database) == [FIRST, SECOND]


@pytest.mark.parametrize("kind", ["backfill", "reconcile"])
def test_what_works_is_called_what_it_is(sync_database: str, kind: str) -> None:
    with psycopg.connect(sync_database) as connection:
        connection.execute(
            "INSERT INTO krayin_sync.sync_run (sync_name, dag_run_id, kind, dry_run, state)"
            " VALUES ('shop', 'other', %s, false, 'planning')",
            (kind,),
        )
    assert [run.kind for run in summary.shown_runs(sync_database, "shop")] == ["manual", kind]


def test_how_far_a_run_is(sync_database: str) -> None:
    with psycopg.connect(sync_database) as connection:
        connection.execute("INSERT INTO krayin_sync.krayin_target (base_url) VALUES ('http://k')")
        connection.execute("INSERT INTO krayin_sync.chatwoot_installation (identity) VALUES ('c')")
        connection.execute(
            "INSERT INTO krayin_sync.scope (target_id, installation_id, account_id) VALUES (1, 1, 1)"
        )
        for number, state in enumerate(["planned", "in_flight", "unknown", "done", "quarantined"]):
            connection.execute(
                "INSERT INTO krayin_sync.operation (run_id, sync_name, lane, target_id, scope_id,"
                " source_kind, source_id, payload, source_read_at, forecast_calls, state)"
                " VALUES (2, 'shop', 1, 1, 1, 'contact', %s, '{}', now(), 1, %s)",
                (str(number), state),
            )
    assert summary.work(sync_database, "shop", "second") == summary.Work(settled=2, left=3)
    assert str(summary.work(sync_database, "shop", "second")) == "2 of 5 records"
    assert summary.work(sync_database, "shop", "first") == summary.Work(0, 0)
    assert summary.work(sync_database, "shop", "third") is None
