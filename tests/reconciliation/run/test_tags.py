"""Labels as tags on persons and leads: given once, taken off only if they are ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from reconciliation.run.request import RunRequest

from tests.reconciliation.run.test_contact_scope import Chatwoot, chatwoot, compared
from tests.reconciliation.world import World, api_world, on_each_krayin

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["chatwoot"]
BOTH = {"persons": True, "leads": True}


def tags(world: World) -> dict[str, dict[str, list[str]]]:
    """The tags of persons and leads by title, as Krayin's database has them: its API does not show them."""
    database = world.krayin.application.krayin.database
    names = {number: row["name"] for number, row in database["tags"].rows.items()}
    found: dict[str, dict[str, list[str]]] = {}
    for kind, table, column, records in (
        ("person", "person_tags", "person_id", {one["id"]: one["name"] for one in world.persons()}),
        ("lead", "lead_tags", "lead_id", {one["id"]: one["title"] for one in world.leads()}),
    ):
        for row in database[table].rows.values():
            title = records[row[column]]
            found.setdefault(title, {}).setdefault(kind, []).append(names[row["tag_id"]])
    return {title: {kind: sorted(some) for kind, some in one.items()} for title, one in found.items()}


def of_tags(world: World, run_id: int) -> list[tuple[str, str]]:
    return [
        (method, route) for method, route, _ in world.calls(run_id) if "tags" in route and method != "GET"
    ]


CASES: list[tuple[dict[str, Any], dict[str, list[str]]]] = [
    (BOTH, {"person": ["sales", "vip"], "lead": ["sales", "vip"]}),
    ({"persons": True}, {"person": ["sales", "vip"]}),
    ({"leads": True}, {"lead": ["sales", "vip"]}),
    (
        {**BOTH, "labels": {"vip": "Very important"}},
        {"person": ["Very important"], "lead": ["Very important"]},
    ),
    ({"persons": True, "labels": {"vip": "One", "sales": "ONE"}}, {"person": ["ONE"]}),
    ({"persons": True, "labels": {"other": "One"}}, {}),
]


@on_each_krayin
@pytest.mark.parametrize(("rule", "expected"), CASES, ids=[str(rule) for rule, _ in CASES])
@pytest.mark.parametrize("way", ["database", "api"])
def test_labels_become_tags(
    world: World, chatwoot: Chatwoot, way: str, rule: Mapping[str, Any], expected: dict[str, list[str]]
) -> None:
    chatwoot.contact("ada", "vip", "sales")
    chatwoot.contact("bo")
    with api_world(world.chatwoot_url, world.sync_url, world.krayin) as api:
        used = api if way == "api" else world
        first = used.run(tags=rule)
        folded = {kind: [one.upper() for one in names] for kind, names in tags(world).get("ada", {}).items()}
        assert folded == {kind: [one.upper() for one in names] for kind, names in expected.items()}
        assert "bo" not in tags(world)
        given = sum(map(len, expected.values()))
        assert len([1 for _, route in of_tags(world, first.id) if "{id}" in route]) == given
        compared(used, tags=rule)
        assert world.calls(used.run(tags=rule).id) == []
        assert of_tags(world, used.run(RunRequest(full=True), tags=rule).id) == []


@on_each_krayin
def test_a_label_that_comes_or_goes_is_one_call_for_each_record(world: World, chatwoot: Chatwoot) -> None:
    ada = chatwoot.contact("ada", "vip")
    world.run(tags=BOTH)
    chatwoot.label(ada, "sales")
    more = world.run(tags=BOTH)
    assert tags(world) == {"ada": {"person": ["sales", "vip"], "lead": ["sales", "vip"]}}
    assert sorted(of_tags(world, more.id)) == [
        ("POST", "contacts/persons/{id}/tags"),
        ("POST", "leads/{id}/tags"),
        ("POST", "settings/tags"),
    ]
    chatwoot.unlabel(ada)
    less = world.run(tags=BOTH)
    assert tags(world) == {}
    assert {method for method, _ in of_tags(world, less.id)} == {"DELETE"}
    compared(world, tags=BOTH)


@on_each_krayin
def test_only_our_tags_are_taken_off_and_none_is_given_twice(world: World, chatwoot: Chatwoot) -> None:
    ada = chatwoot.contact("ada", "vip")
    world.run(tags={"persons": True})
    (person,) = world.persons()
    vip = world.api("GET", "settings/tags?name=vip")["data"][0]["id"]
    hers = world.api("POST", "settings/tags", {"name": "hers", "color": "#000000"})["data"]["id"]
    world.api("POST", f"contacts/persons/{person['id']}/tags", {"tag_id": hers})
    # A salesperson takes ours off: it stays off, whatever else changes.
    world.api("DELETE", f"contacts/persons/{person['id']}/tags", {"tag_id": vip})
    chatwoot.label(ada, "sales")
    world.change(ada, name="Ada L.")
    world.run(tags={"persons": True})
    assert tags(world) == {"Ada L.": {"person": ["hers", "sales"]}}
    chatwoot.unlabel(ada)
    world.run(tags={"persons": True})
    assert tags(world) == {"Ada L.": {"person": ["hers"]}}
    compared(world, tags={"persons": True})


@on_each_krayin
def test_switched_on_and_off_on_a_running_sync(world: World, chatwoot: Chatwoot) -> None:
    chatwoot.contact("ada", "vip")
    chatwoot.contact("bo")
    world.run()
    on = world.run(tags=BOTH)
    assert tags(world) == {"ada": {"person": ["vip"], "lead": ["vip"]}}
    # What is unchanged in Krayin is not written for a tag.
    assert [method for method, route, _ in world.calls(on.id) if method == "PUT"] == []
    compared(world, tags=BOTH)
    # Without the setting tags are nobody's business: they stay.
    world.run()
    assert tags(world) == {"ada": {"person": ["vip"], "lead": ["vip"]}}
    compared(world)


def test_a_label_deleted_in_chatwoot_is_found_by_the_comparison(world: World, chatwoot: Chatwoot) -> None:
    """Its contacts stay untouched: only checksums show it."""
    chatwoot.contact("ada", "vip")
    world.run(tags=BOTH)
    compared(world, tags=BOTH)
    chatwoot.connection.execute("DELETE FROM taggings")
    world.compared(repairing=True, tags=BOTH)
    world.run(tags=BOTH)
    assert tags(world) == {}


def test_a_person_without_lead_has_its_tags(world: World, chatwoot: Chatwoot) -> None:
    settings = {"tags": BOTH, "leads": {"create": "on_conversation"}}
    ada = chatwoot.contact("ada", "vip")
    world.run(**settings)
    assert tags(world) == {"ada": {"person": ["vip"]}}
    chatwoot.talk(ada, "hello")
    world.run(**settings)
    assert tags(world) == {"ada": {"person": ["vip"], "lead": ["vip"]}}
    compared(world, **settings)


def test_switching_tags_on_for_many_asks_first(world: World, chatwoot: Chatwoot) -> None:
    for number in range(6):
        chatwoot.contact(f"c{number}", "vip")
    limits = {"max_changes_without_approval": {"number": 3, "share": 0.01}}
    world.run(**limits)
    dry = world.run(RunRequest(dry_run=True), tags=BOTH, **limits)
    assert (dry.summary["held"], dry.summary["planned"]["update"]) == (6, 6)
    held = world.run(tags=BOTH, **limits)
    assert (held.summary["held"], tags(world)) == (6, {})
