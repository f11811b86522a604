"""Calls without an answer: what is found in Krayin decides, and nothing is made twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from reconciliation.model.timing import Timing
from reconciliation.run.request import RunRequest

if TYPE_CHECKING:
    from reconciliation.store.run_rows import Run

    from tests.reconciliation.world import World

# A run ends with what is unresolved instead of waiting for it.
IMPATIENT = Timing(patience=timedelta(0), down=timedelta(0))
CREATE = {"method": "POST", "route": "/leads$"}


def run(world: World, request: RunRequest | None = None, **settings: Any) -> Run:
    sync = replace(world.sync(**settings), timing=IMPATIENT)
    return sync.run(request or RunRequest())


def later(world: World) -> None:
    """Let every wait be over."""
    world.rows(
        "UPDATE operation SET next_attempt_at = clock_timestamp() WHERE state IN ('planned', 'unknown') RETURNING 1"
    )


def lose(world: World, kind: str = "drop_after", **rule: Any) -> None:
    world.krayin.set_faults({"kind": kind, "count": 1, **rule})


def states(world: World) -> list[str]:
    return [state for (state,) in world.rows("SELECT state FROM operation ORDER BY id")]


def origins(world: World) -> dict[str, tuple[str, str]]:
    rows = world.rows("SELECT crm_kind, state, origin FROM mapping WHERE source_kind = 'contact'")
    return {kind: (state, origin) for kind, state, origin in rows}


@pytest.fixture
def ada(world: World) -> int:
    return world.add(
        name="Ada",
        email="ada@example.com",
        phone_number="+14155550123",
        additional_attributes={"company_name": "Engines", "company_city": "London"},
    )


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "drop_after"},
        {"kind": "error_after"},
        {"kind": "status_504", "after": True},
        {"kind": "wrong_json", "after": True},
    ],
)
def test_what_a_lost_answer_made_is_taken_over(world: World, ada: int, fault: dict[str, Any]) -> None:
    world.krayin.set_faults({**CREATE, **fault, "count": 1})
    run(world, sync_to_organization=True)
    assert "unknown" in states(world)
    assert len(world.persons()) == len(world.leads()) == 1
    later(world)
    run(world, sync_to_organization=True)
    run(world, sync_to_organization=True)
    assert set(states(world)) == {"done"}
    assert len(world.persons()) == len(world.leads()) == len(world.organizations()) == 1
    assert origins(world) == {"person": ("linked", "created"), "lead": ("linked", "created")}
    assert world.organizations()[0]["address"]["city"] == "London"


@pytest.mark.parametrize("kind", ["drop_before", "error_before", "status_502"])
def test_what_was_not_made_is_made_once(world: World, ada: int, kind: str) -> None:
    lose(world, kind, **CREATE)
    run(world)
    assert states(world) == ["unknown"]
    assert world.persons() == []
    run(world)
    assert states(world) == ["unknown"], "Krayin is given time to finish"
    later(world)
    run(world)
    assert states(world) == ["done"]
    assert len(world.persons()) == len(world.leads()) == 1


def test_a_person_without_a_lead_gets_the_lead(world: World, ada: int) -> None:
    lose(world, **CREATE)
    run(world)
    world.api("DELETE", f"leads/{world.leads()[0]['id']}")
    later(world)
    run(world)
    (person,) = world.persons()
    (lead,) = world.leads()
    assert lead["person"]["id"] == person["id"]
    assert origins(world) == {"person": ("linked", "created"), "lead": ("linked", "created")}


def test_an_organization_alone_is_used_and_not_made_again(world: World, ada: int) -> None:
    lose(world, "drop_before", **CREATE)
    run(world, sync_to_organization=True)
    world.api("POST", "contacts/organizations", {"name": "Engines"})
    later(world)
    run(world, sync_to_organization=True)
    (organization,) = world.organizations()
    assert world.persons()[0]["organization"]["id"] == organization["id"]


def test_a_lost_lead_is_found_again(world: World, ada: int) -> None:
    world.api("POST", "contacts/persons", {
        "name": "Ada", "emails": [{"value": "ada@example.com", "label": "work"}],
        "contact_numbers": [{"value": "", "label": "work"}],
    })  # fmt: skip
    lose(world, **CREATE)
    run(world)
    assert states(world) == ["unknown"]
    later(world)
    run(world)
    assert states(world) == ["done"]
    assert len(world.leads()) == 1
    assert origins(world) == {"person": ("linked", "adopted"), "lead": ("linked", "created")}


def test_what_a_salesperson_did_before_we_looked_stays(world: World, ada: int) -> None:
    lose(world, **CREATE)
    run(world)
    (person,) = world.persons()
    world.api("PUT", f"contacts/persons/{person['id']}", {
        "name": "Ada, Countess of Lovelace", "emails": person["emails"],
        "contact_numbers": [*person["contact_numbers"], {"value": "+4420", "label": "home"}], "user_id": 1,
    })  # fmt: skip
    later(world)
    run(world)
    world.change(ada, name="Ada L.", phone_number="+14155550199")
    run(world)
    (person,) = world.persons()
    assert person["name"] == "Ada, Countess of Lovelace"
    assert [row["value"] for row in person["contact_numbers"]] == ["+4420", "+14155550199"]
    assert origins(world)["person"] == ("linked", "created")


def test_a_person_who_was_there_before_is_adopted_though_the_refusal_was_lost(world: World, ada: int) -> None:
    """Not known when it was planned: Krayin refused our creation, and the refusal did not arrive."""
    sync = replace(world.sync(), timing=IMPATIENT)
    run_id = sync.plan(RunRequest())
    world.krayin.seed(persons=[{
        "name": "Ada", "emails": [{"value": "ada@example.com", "label": "work"}], "contact_numbers": [],
        "created_at": "2020-01-01 10:00:00",
    }])  # fmt: skip
    lose(world, **CREATE)
    sync.load(run_id)
    later(world)
    run(world)
    assert len(world.persons()) == len(world.leads()) == 1
    assert origins(world) == {"person": ("linked", "adopted"), "lead": ("linked", "created")}


def test_several_persons_are_left_to_a_person_to_decide(world: World, ada: int) -> None:
    lose(world, "drop_before", **CREATE)
    run(world)
    world.krayin.seed(persons=[
        {"name": "A", "emails": [{"value": "ada@example.com", "label": "work"}], "contact_numbers": []},
        {"name": "B", "emails": [], "contact_numbers": [{"value": "+14155550123", "label": "work"}]},
    ])  # fmt: skip
    later(world)
    run(world)
    ((_, _, error_class, message),) = world.operations("quarantined")
    assert error_class == "ambiguous_person"
    assert "(1, 2)" in message
    ((candidates,),) = world.rows("SELECT candidates FROM operation")
    assert [one["person"] for one in candidates] == [1, 2]
    assert world.leads() == []


def test_a_person_of_another_contact_is_not_taken_over(world: World, ada: int) -> None:
    run(world)
    other = world.add(name="Impostor", email="impostor@example.com")
    lose(world, "drop_before", **CREATE)
    run(world)
    (person,) = world.persons()
    emails = [*person["emails"], {"value": "impostor@example.com", "label": "home"}]
    world.api("PUT", f"contacts/persons/{person['id']}", {
        "name": person["name"], "emails": emails, "contact_numbers": person["contact_numbers"], "user_id": None,
    })  # fmt: skip
    for _ in range(3):
        later(world)
        run(world)
    ((_, source_id, error_class, message),) = world.operations("quarantined")
    assert (source_id, error_class) == (str(other), "person_taken")
    assert f"contact {ada} of account 1" in message
    assert len(world.persons()) == 1


def test_several_new_leads_without_our_mark_are_left_to_a_person(world: World, ada: int) -> None:
    lose(world, **CREATE)
    run(world)
    (lead,) = world.leads()
    world.api("PUT", f"leads/attributes/edit/{lead['id']}", {"description": "rewritten"})
    world.api("POST", "leads", {
        "title": "Typed", "lead_pipeline_stage_id": 1, "person_id": world.persons()[0]["id"],
    })  # fmt: skip
    later(world)
    run(world)
    ((_, _, error_class, message),) = world.operations("quarantined")
    assert error_class == "ambiguous_lead"
    assert "1, 2" in message
    assert len(world.leads()) == 2


def test_a_call_that_krayin_finishes_late_is_waited_for(world: World, ada: int) -> None:
    world.access_options = {"options": {"read_timeout": 0.5}}
    lose(world, "delay_before", seconds=1.0, **CREATE)
    quick = Timing(settle=timedelta(seconds=1.5), patience=timedelta(seconds=10))
    replace(world.sync(), timing=quick).run(RunRequest())
    assert states(world) == ["done"]
    assert len(world.persons()) == len(world.leads()) == 1


def test_a_newer_plan_waits_until_the_lost_call_is_resolved(world: World, ada: int) -> None:
    lose(world, **CREATE)
    run(world)
    world.change(ada, name="Ada Lovelace", email="countess@example.com")
    run(world, RunRequest(seconds=1))
    assert states(world) == ["unknown", "planned"]
    later(world)
    run(world)
    assert states(world) == ["done", "done"]
    (person,) = world.persons()
    assert person["name"] == "Ada Lovelace"
    assert [row["value"] for row in person["emails"]] == ["countess@example.com"]
    assert len(world.leads()) == 1


@pytest.mark.parametrize("kind", ["error_after", "drop_after"])
def test_what_a_lost_update_wrote_is_not_taken_for_a_salespersons(world: World, ada: int, kind: str) -> None:
    run(world)
    world.change(ada, name="Ada B.", phone_number="+14155550199")
    world.access_options = {"options": {"sleep": lambda _: None}}
    world.krayin.set_faults({"kind": kind, "count": 4, "method": "PUT", "route": "contacts/persons"})
    run(world)
    # An error of Krayin's own is over; what never came may still be carried out.
    assert states(world) == ["done", "planned" if kind == "error_after" else "unknown"]
    world.krayin.clear_faults()
    world.change(ada, name="Ada C.", phone_number="+14155550200", email="c@example.com")
    later(world)
    run(world)
    assert states(world) == ["done", "superseded" if kind == "error_after" else "done", "done"]
    (person,) = world.persons()
    assert person["name"] == "Ada C."
    assert [row["value"] for row in person["contact_numbers"]] == ["+14155550200"]
    assert [row["value"] for row in person["emails"]] == ["c@example.com"]


def test_an_update_carried_out_after_we_gave_up_does_not_undo_a_newer_one(world: World, ada: int) -> None:
    run(world)
    world.access_options = {"options": {"read_timeout": 0.5, "sleep": lambda _: None}}
    world.krayin.set_faults(
        {"kind": "delay_before", "seconds": 2.0, "count": 1, "method": "PUT", "route": "contacts/persons"}
    )
    settle = timedelta(seconds=4)
    world.change(ada, name="Ada B.")
    replace(world.sync(), timing=replace(IMPATIENT, settle=settle)).run(RunRequest())
    assert states(world) == ["done", "unknown"]
    world.change(ada, name="Ada C.")
    replace(world.sync(), timing=Timing(settle=settle)).run(RunRequest())
    assert states(world) == ["done", "done", "done"]
    (person,) = world.persons()
    assert person["name"] == "Ada C."


def test_a_person_deleted_meanwhile_is_not_made_again(world: World, ada: int) -> None:
    lose(world, **CREATE)
    run(world)
    (lead,), (person,) = world.leads(), world.persons()
    world.api("DELETE", f"leads/{lead['id']}")
    world.krayin.set_faults({"kind": "drop_before", "count": 1, **CREATE})
    later(world)
    run(world)
    assert origins(world)["person"] == ("linked", "created")
    world.api("DELETE", f"contacts/persons/{person['id']}")
    later(world)
    run(world)
    ((_, _, error_class, _),) = world.operations("rejected")
    assert error_class == "deleted_in_krayin"
    assert world.persons() == world.leads() == []
