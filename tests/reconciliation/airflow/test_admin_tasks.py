"""The tasks behind the form of krayin_recover."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from reconciliation.admin.recovery import RECOVERY
from reconciliation.airflow import admin_tasks
from reconciliation.extract.look import FEWER, HIDDEN
from reconciliation.store.incidents import open_incident

if TYPE_CHECKING:
    from tests.reconciliation.world import World


@dataclass(frozen=True)
class DagRun:
    run_id: str = "manual__1"
    triggering_user_name: str | None = "ada"


@dataclass(frozen=True)
class Form:
    """What a person filled in."""

    values: dict[str, Any] = field(default_factory=dict)

    def context(self) -> dict[str, Any]:
        return {"params": {"sync": "test", **self.values}, "dag_run": DagRun()}


@pytest.fixture
def served(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A loaded world behind the names that the tasks look up."""
    for number in range(3):
        world.add(name=f"Customer {number}", email=f"customer{number}@example.com")
    world.run()
    monkeypatch.setattr(admin_tasks, "sync_dsn", lambda: world.sync_url)
    monkeypatch.setattr(admin_tasks, "open_sync", lambda _: world.sync())
    return world


def incident(world: World, kind: str, **of: Any) -> None:
    with psycopg.connect(world.sync_url, autocommit=True) as connection:
        open_incident(connection, kind=kind, sentence="Look.", **{"facts": {}, **of})


def closed(world: World) -> list[tuple[str, str]]:
    return world.rows("SELECT kind, closed_by FROM incident WHERE closed_at IS NOT NULL ORDER BY id")


@pytest.mark.parametrize("values", [{}, {"sync": None, "happened": "emptied on purpose"}])
def test_an_empty_form_does_nothing_and_says_so(served: World, values: dict[str, Any]) -> None:
    with pytest.raises(AirflowFailException, match="nothing was done"):
        admin_tasks.plan_recovery(Form(values).context())
    assert served.rows("SELECT 1 FROM recovery") == []


def test_a_false_alarm_closes_what_krayin_showed_and_asks_nothing(served: World) -> None:
    incident(served, "another_krayin", target_id=1)
    incident(served, FEWER, sync_name="test")
    with pytest.raises(AirflowSkipException, match="1 incident"):
        admin_tasks.plan_recovery(Form({"happened": "false alarm: it is the same Krayin"}).context())
    assert closed(served) == [("another_krayin", "ada")]


def test_a_chatwoot_that_is_right_closes_what_a_person_may_explain(served: World) -> None:
    identity = {"target_id": 1, "installation_id": 1, "account_id": 1}
    incident(served, FEWER, sync_name="test", facts={"identity": identity, "baseline": {}})
    incident(served, FEWER, sync_name="other", facts={"identity": identity, "baseline": {}})
    incident(served, HIDDEN, sync_name="test")
    with pytest.raises(AirflowSkipException, match="1 incident"):
        admin_tasks.plan_recovery(Form({"happened": "Chatwoot is right as it shows itself"}).context())
    assert closed(served) == [(FEWER, "ada")]


@pytest.mark.parametrize(("option", "state"), [("Approve", "done"), ("Decline", "declined")])
def test_a_plan_is_shown_and_its_answer_carried_out(served: World, option: str, state: str) -> None:
    plan = admin_tasks.plan_recovery(Form({"happened": "restored from a backup"}).context())
    assert "| persons | 3 | 0 | 0 | 0 |" in plan["body"]
    assert served.rows("SELECT kind FROM incident WHERE closed_at IS NULL") == [(RECOVERY,)]
    given = {"chosen_options": [option], "responded_by_user": {"id": "1", "name": "ada"}}
    admin_tasks.answer_recovery(plan, given)
    assert served.rows("SELECT state, decided_by FROM recovery") == [(state, "ada")]
    assert served.rows("SELECT 1 FROM recovery_item") == []
    assert bool(closed(served)) is (option == "Approve")
