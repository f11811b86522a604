"""Which contacts get a lead beside their person, and what becomes of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from reconciliation.run.request import RunRequest

from sandbox.chatwoot.changes import delete_contact
from tests.reconciliation.run.test_contact_scope import Chatwoot, chatwoot, compared, names, said
from tests.reconciliation.world import EVERYTHING, World, api_world, on_each_krayin

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["chatwoot"]
CREATION = ("POST", "contacts/persons")


def leads(world: World) -> list[tuple[str, int]]:
    """Title and stage of each lead."""
    return [(one["title"], one["lead_pipeline_stage_id"]) for one in world.leads()]


def writes(world: World, run_id: int) -> Sequence[tuple[str, str]]:
    return [(method, route) for method, route, _ in world.calls(run_id) if method != "GET"]


RULES: list[tuple[dict[str, Any], list[str]]] = [
    ({"create": "always"}, ["ada", "bo", "cy"]),
    ({"create": "on_conversation"}, ["ada", "bo"]),
    ({"create": "never"}, []),
    ({"where": {"labels": {"any": ["vip"]}}}, ["ada", "cy"]),
    ({"where": {"labels": {"any": ["vip"]}}, "create": "on_conversation"}, ["ada"]),
    ({"where": {"channels": {"any": ["line"]}}}, []),
]


@on_each_krayin
@pytest.mark.parametrize(("rule", "expected"), RULES, ids=[str(rule) for rule, _ in RULES])
def test_persons_come_over_with_and_without_leads(
    world: World, chatwoot: Chatwoot, rule: dict[str, Any], expected: list[str]
) -> None:
    settings = {**EVERYTHING, "leads": rule}
    for name, labels, talks in (("ada", ["vip"], True), ("bo", [], True), ("cy", ["vip"], False)):
        number = chatwoot.contact(name, *labels)
        world.change(number, additional_attributes={"company_name": "Acme"})
        if talks:
            chatwoot.talk(number, f"from {name}")
    first = world.run(**settings)
    assert names(world) == ["ada", "bo", "cy"]
    # A lead of a contact who talked is made in the stage that its conversation reached.
    assert leads(world) == [(name, 2 if name != "cy" else 1) for name in expected]
    assert said(world) == ["from ada", "from bo"]
    assert {one["organization"]["name"] for one in world.persons()} == {"Acme"}
    made = [route for method, route in writes(world, first.id) if route in {"leads", "contacts/persons"}]
    assert sorted(made) == ["contacts/persons"] * (3 - len(expected)) + ["leads"] * len(expected)
    assert abs(first.summary["forecast_calls"] - first.summary["calls"]) <= 1

    compared(world, **settings)
    assert world.calls(world.run(**settings).id) == []
    assert world.calls(world.run(RunRequest(full=True), **settings).id) == []
    (row,) = world.rows("SELECT records, linked, pending, coverage FROM coverage WHERE crm_kind = 'person'")
    assert row == (3, 3, 0, 1)
    assert world.rows("SELECT sum(pending) FROM coverage") == [(0,)]


@on_each_krayin
@pytest.mark.parametrize("link", ["person", "lead", "both"])
def test_a_first_conversation_makes_the_lead_in_its_stage(
    world: World, chatwoot: Chatwoot, link: str
) -> None:
    settings = {**EVERYTHING, "leads": {"create": "on_conversation"}, "activity_link": link}
    ada = chatwoot.contact("ada")
    world.run(**settings)
    assert (names(world), leads(world)) == (["ada"], [])
    chatwoot.talk(ada, "hello")
    world.run(**settings)
    assert (names(world), leads(world), said(world)) == (["ada"], [("ada", 2)], ["hello"])
    compared(world, **settings)
    assert world.calls(world.run(**settings).id) == []


@on_each_krayin
def test_without_leads_activities_hang_on_persons_whatever_they_should(
    world: World, chatwoot: Chatwoot
) -> None:
    settings = {**EVERYTHING, "leads": {"create": "never"}, "activity_link": "lead"}
    chatwoot.talk(chatwoot.contact("ada"), "hello")
    world.run(**settings)
    assert (leads(world), said(world)) == ([], ["hello"])
    (person,) = world.persons()
    assert len(world.api("GET", f"contacts/persons/{person['id']}/activities")["data"]) >= 2
    compared(world, **settings)


@on_each_krayin
def test_whoever_has_a_lead_keeps_it_and_gets_no_second_one(world: World, chatwoot: Chatwoot) -> None:
    ada, bo = chatwoot.contact("ada"), chatwoot.contact("bo")
    chatwoot.talk(ada, "hello")
    world.run(**EVERYTHING)
    for rule in ({"create": "never"}, {"create": "on_conversation"}, {"create": "always"}):
        settings = {**EVERYTHING, "leads": rule}
        changed = world.run(**settings)
        assert writes(world, changed.id) == []
        compared(world, **settings)
    world.change(bo, name="Bo B.")
    world.run(**EVERYTHING, leads={"create": "never"})
    assert [title for title, _ in leads(world)] == ["ada", "Bo B."]
    compared(world, **EVERYTHING, leads={"create": "never"})


@on_each_krayin
def test_leads_that_are_wanted_later_are_made_once(world: World, chatwoot: Chatwoot) -> None:
    never = {**EVERYTHING, "leads": {"create": "never"}}
    ada = chatwoot.contact("ada")
    chatwoot.contact("bo")
    chatwoot.talk(ada, "hello")
    world.run(**never)
    # A salesperson made one by hand; it is taken over as ever.
    (person, _) = world.persons()
    world.api(
        "POST",
        "leads",
        {"title": "ada", "lead_pipeline_stage_id": 1, "person": {"id": person["id"]}, "lead_value": 1},
    )
    compared(world, **never)
    world.run(**EVERYTHING)
    assert leads(world) == [("ada", 2), ("bo", 1)]
    compared(world, **EVERYTHING)
    assert world.calls(world.run(**EVERYTHING).id) == []


@on_each_krayin
def test_a_lead_deleted_in_krayin_does_not_come_back_by_a_rule(world: World, chatwoot: Chatwoot) -> None:
    settings = {**EVERYTHING, "leads": {"create": "never"}}
    ada = chatwoot.contact("ada")
    world.run(**EVERYTHING)
    (lead,) = world.leads()
    world.api("DELETE", f"leads/{lead['id']}")
    world.change(ada, name="Ada L.")
    world.run(**settings)
    world.compared(repairing=True, recreate_deleted=True, **settings)
    assert (names(world), leads(world)) == (["Ada L."], [])


@on_each_krayin
def test_a_person_of_a_lost_answer_is_found_again(world: World, chatwoot: Chatwoot) -> None:
    settings = {**EVERYTHING, "leads": {"create": "never"}}
    chatwoot.contact("ada")
    run = world.sync(**settings).plan(RunRequest())
    # As if the call was made, and its answer lost with the worker.
    world.rows(
        "UPDATE operation SET step = 'create_contact', sent_at = clock_timestamp(), attempts = 1 RETURNING id"
    )
    world.api("POST", "contacts/persons", {
        "name": "ada", "emails": [{"value": "ada@example.com", "label": "work"}],
        "contact_numbers": [{"value": "", "label": "work"}],
    })  # fmt: skip
    world.sync(**settings).load(run)
    assert names(world) == ["ada"]
    assert world.rows("SELECT origin FROM mapping WHERE crm_kind = 'person'") == [("created",)]
    compared(world, **settings)


def test_the_api_makes_the_same_leads(world: World, chatwoot: Chatwoot) -> None:
    settings = {**EVERYTHING, "leads": {"where": {"labels": {"any": ["vip"]}}, "create": "on_conversation"}}
    ada, bo = chatwoot.contact("ada", "vip"), chatwoot.contact("bo", "vip")
    chatwoot.talk(ada, "hello")
    with api_world(world.chatwoot_url, world.sync_url, world.krayin) as api:
        api.run(**settings)
        assert (names(api), leads(api)) == (["ada", "bo"], [("ada", 2)])
        compared(api, **settings)
        chatwoot.talk(bo, "hello")
        with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
            connection.execute("UPDATE contacts SET last_activity_at = now() WHERE id = %s", (bo,))
        api.run(**settings)
        assert leads(api) == [("ada", 2), ("bo", 2)]
        compared(api, **settings)
        assert api.calls(api.run(**settings).id) == []


@on_each_krayin
@pytest.mark.parametrize(("policy", "left"), [("close_lead", ["ada"]), ("delete", [])])
def test_a_contact_without_lead_that_is_deleted_goes_as_the_setting_says(
    world: World, chatwoot: Chatwoot, policy: str, left: list[str]
) -> None:
    settings = {"leads": {"create": "never"}, "on_source_delete": policy}
    ada = chatwoot.contact("ada")
    chatwoot.contact("bo")
    world.run(**settings)
    delete_contact(chatwoot.connection, ada)
    world.compared(repairing=True, max_removals_without_approval={"number": 10, "share": 1.0}, **settings)
    assert names(world) == [*left, "bo"]
    assert world.operations("quarantined") == []
