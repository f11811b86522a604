"""Incidents: one row while something lasts, and who is stopped by it."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors
from reconciliation.errors import IncidentOpenError
from reconciliation.store.binding_scope import register_target
from reconciliation.store.incidents import (
    SOURCE_KINDS,
    close_incidents,
    open_incident,
    open_incidents,
    require_no_incident,
)


@pytest.fixture
def targets(sync_db: psycopg.Connection) -> tuple[int, int]:
    return (
        register_target(sync_db, "https://one.example/api/v1"),
        register_target(sync_db, "https://two.example/api/v1"),
    )


def test_what_lasts_is_one_row_with_what_was_seen_last(
    sync_db: psycopg.Connection, targets: tuple[int, int]
) -> None:
    first = open_incident(sync_db, kind="k", sentence="Two gone.", facts={"gone": 2}, target_id=targets[0])
    again = open_incident(sync_db, kind="k", sentence="Three gone.", facts={"gone": 3}, target_id=targets[0])
    other = open_incident(sync_db, kind="k", sentence="One gone.", facts={}, target_id=targets[1])
    assert first == again != other
    incident, _ = open_incidents(sync_db)
    assert (incident.sentence, incident.facts) == ("Three gone.", {"gone": 3})
    assert incident.last_seen_at > incident.opened_at


def test_what_ended_and_comes_back_is_another_incident(sync_db: psycopg.Connection) -> None:
    first = open_incident(sync_db, kind="k", sentence="Gone.", facts={}, sync_name="shop")
    close_incidents(sync_db, incident_id=first, by="ada", why="it was me")
    close_incidents(sync_db, incident_id=first, by="bob", why="too late")
    assert open_incidents(sync_db) == []
    assert open_incident(sync_db, kind="k", sentence="Gone.", facts={}, sync_name="shop") != first
    rows = sync_db.execute("SELECT closed_by, closed_why FROM krayin_sync.incidents ORDER BY incident_id")
    assert rows.fetchall() == [("ada", "it was me"), (None, None)]


def test_those_that_end_by_themselves_are_closed_by_kind_and_exact_owner(
    sync_db: psycopg.Connection, targets: tuple[int, int]
) -> None:
    open_incident(sync_db, kind="k", sentence="A.", facts={}, sync_name="shop")
    open_incident(sync_db, kind="other", sentence="B.", facts={}, sync_name="shop")
    open_incident(sync_db, kind="k", sentence="C.", facts={}, sync_name="mill")
    open_incident(sync_db, kind="k", sentence="D.", facts={}, target_id=targets[0])
    close_incidents(sync_db, kind="k", sync_name="shop", by="run 2", why="over")
    assert [one.sentence for one in open_incidents(sync_db)] == ["B.", "C.", "D."]


def test_a_sync_is_stopped_by_its_own_and_by_its_krayins(
    sync_db: psycopg.Connection, targets: tuple[int, int]
) -> None:
    require_no_incident(sync_db, sync_name="shop", target_id=targets[0])
    open_incident(sync_db, kind="krayin_restored", sentence="Set back.", facts={}, target_id=targets[0])
    open_incident(sync_db, kind="k", sentence="Mine.", facts={}, sync_name="mill")
    with pytest.raises(IncidentOpenError, match=r"Incident \d+: Set back\.") as stopped:
        require_no_incident(sync_db, sync_name="shop", target_id=targets[0])
    assert (stopped.value.kind, stopped.value.sentence) == ("krayin_restored", "Set back.")
    with pytest.raises(IncidentOpenError, match="Mine"):
        require_no_incident(sync_db, sync_name="mill", target_id=targets[1])
    require_no_incident(sync_db, sync_name="shop", target_id=targets[1])


def test_what_every_look_at_chatwoot_judges_anew_keeps_nobody_from_looking(
    sync_db: psycopg.Connection, targets: tuple[int, int]
) -> None:
    open_incident(sync_db, kind=f"{SOURCE_KINDS}fewer", sentence="Few.", facts={}, sync_name="shop")
    require_no_incident(sync_db, sync_name="shop", target_id=targets[0])


def test_an_incident_concerns_somebody(sync_db: psycopg.Connection) -> None:
    with pytest.raises(errors.CheckViolation):
        open_incident(sync_db, kind="k", sentence="Nobody's.", facts={})
