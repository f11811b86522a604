"""Companies: many contacts, one organization, one address."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from reconciliation.run.request import RunRequest

if TYPE_CHECKING:
    from tests.reconciliation.world import World

SETTINGS = {"sync_to_organization": True}


def company(name: str | None, city: str | None = None) -> dict[str, Any]:
    attributes = {"company_name": name, "company_city": city}
    return {"additional_attributes": {key: value for key, value in attributes.items() if value}}


def names(world: World) -> dict[str, str | None]:
    """The organization of each person, by the person's name."""
    return {
        row["name"]: row["organization"]["name"] if row.get("organization") else None
        for row in world.persons()
    }


def cities(world: World) -> dict[str, str | None]:
    return {row["name"]: (row["address"] or {}).get("city") for row in world.organizations()}


@pytest.mark.parametrize(("before", "after"), [("Acme", "Beta"), ("Acme, Inc.", "Beta, Sons & Co.")])
def test_a_changed_company_links_to_another_organization_and_renames_none(
    world: World, before: str, after: str
) -> None:
    contact = world.add(name="Ada", email="ada@example.com", **company(before, "Pune"))
    world.add(name="Bob", email="bob@example.com", **company(before))
    world.run(**SETTINGS)
    world.change(contact, **company(after, "Oslo"))
    world.run(**SETTINGS)
    assert names(world) == {"Ada": after, "Bob": before}
    # Nobody knows the first one's address any more, so what was written there is taken back.
    assert {name: city or None for name, city in cities(world).items()} == {before: None, after: "Oslo"}
    world.change(contact, **company(None))
    world.run(**SETTINGS)
    assert names(world) == {"Ada": None, "Bob": before}
    assert sorted(cities(world)) == sorted([before, after])
    assert world.calls(world.run(RunRequest(full=True), **SETTINGS).id) == []


@pytest.mark.parametrize("on_crm_edit", ["keep", "overwrite"])
def test_an_organization_renamed_in_krayin_stays_the_company(world: World, on_crm_edit: str) -> None:
    settings = {**SETTINGS, "on_crm_edit": on_crm_edit}
    contact = world.add(name="Ada", email="ada@example.com", **company("Acme"))
    world.run(**settings)
    world.api("PUT", "contacts/organizations/1", {"name": "Acme Corporation"})
    world.change(contact, name="Ada L.")
    forecast = world.run(RunRequest(dry_run=True), **settings)
    (sample,) = forecast.summary["sample"]
    assert set(sample["changes"]["person"]) == {"name"}
    world.run(**settings)
    assert names(world) == {"Ada L.": "Acme Corporation"}
    assert len(world.organizations()) == 1, "the rename is nobody's edit of the person"
    world.change(contact, **company("Beta"))
    world.run(**settings)
    assert names(world) == {"Ada L.": "Beta"}
    world.change(contact, **company(None))
    world.run(**settings)
    assert names(world) == {"Ada L.": None}


def test_a_person_whom_somebody_put_into_another_organization_stays_there(world: World) -> None:
    contact = world.add(name="Ada", email="ada@example.com", **company("Acme"))
    world.add(name="Bob", email="bob@example.com", **company("Beta"))
    world.run(**SETTINGS)
    (person, _) = world.persons()
    body = {"emails": person["emails"], "contact_numbers": [{"value": "", "label": "work"}]}
    world.api("PUT", "contacts/persons/1", {**body, "organization_id": 2})
    world.change(contact, **company("Gamma"))
    world.run(**SETTINGS)
    assert names(world) == {"Ada": "Beta", "Bob": "Beta"}


def test_companies_that_krayin_takes_for_one_can_be_left(world: World) -> None:
    """Its database compares names in its own way: emoji are all one."""
    world.add(name="Bob", email="bob@example.com", **company("Pizza \U0001f355"))
    contact = world.add(name="Ada", email="ada@example.com", **company("Pizza \U0001f354"))
    world.run(**SETTINGS)
    assert len(world.organizations()) == 1
    world.change(contact, **company("Beta"))
    world.run(**SETTINGS)
    assert names(world)["Ada"] == "Beta"


def test_one_spelling_is_another_to_krayin_and_the_lowest_contact_gives_the_address(world: World) -> None:
    first = world.add(name="a", email="a@example.com", **company("M\u00fcller GmbH"))
    second = world.add(name="b", email="b@example.com", **company("muller gmbh", "Second"))
    third = world.add(name="c", email="c@example.com", **company("MULLER GMBH ", "Third"))
    world.run(**SETTINGS)
    assert cities(world) == {"M\u00fcller GmbH": "Second"}
    world.change(third, **company("Muller GmbH", "Third, moved"))
    assert [call for call in world.calls(world.run(**SETTINGS).id) if "organizations" in call[1]] == []
    world.change(first, **company("Muller GmbH", "First"))
    world.run(**SETTINGS)
    assert cities(world) == {"M\u00fcller GmbH": "First"}
    for contact in (first, second):
        world.change(contact, **company("Elsewhere"))
    world.run(**SETTINGS)
    assert cities(world)["M\u00fcller GmbH"] == "Third, moved"


def test_an_organization_that_was_there_keeps_its_name_and_address(world: World) -> None:
    address = {"address": "1 Road", "city": "Typed", "state": "", "country": "IN", "postcode": ""}
    world.krayin.seed(organizations=[{"name": "ACME, inc.", "address": address}])
    contact = world.add(name="Ada", email="ada@example.com", **company("Acme, Inc.", "Pune"))
    world.run(**SETTINGS)
    world.change(contact, **company("Acme, Inc.", "Oslo"))
    world.run(**SETTINGS)
    (row,) = world.organizations()
    assert (row["name"], row["address"]) == ("ACME, inc.", address)
    assert names(world) == {"Ada": "ACME, inc."}


def test_a_person_who_was_there_keeps_the_organization_a_salesperson_chose(world: World) -> None:
    (chosen,) = world.krayin.seed(organizations=[{"name": "Chosen"}])["organizations"]
    rows = [{"value": "ada@example.com", "label": "work"}]
    world.krayin.seed(persons=[
        {"name": "Ada", "emails": rows, "contact_numbers": None, "organization_id": chosen},
    ])  # fmt: skip
    world.add(name="Ada", email="ada@example.com", **company("Acme", "Pune"))
    world.run(**SETTINGS)
    assert names(world) == {"Ada": "Chosen"}
    assert cities(world) == {"Chosen": None}


def test_several_workers_make_one_organization(world: World) -> None:
    for number in range(24):
        world.add(name=f"c{number}", email=f"c{number}@example.com", **company(f"Co {number % 2}", "Pune"))
    sync = world.sync(**SETTINGS)
    run_id = sync.plan(RunRequest())
    with ThreadPoolExecutor(3) as workers:
        list(workers.map(lambda _: world.sync(**SETTINGS).load(run_id), range(3)))
    assert cities(world) == {"Co 0": "Pune", "Co 1": "Pune"}
    assert len(world.persons()) == len(world.leads()) == 24
    assert set(names(world).values()) == {"Co 0", "Co 1"}
    assert {status for _, _, status in world.calls(run_id)} == {200}
