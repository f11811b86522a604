"""A contact that has the address of one that is gone takes over its records, in the run that reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from reconciliation.run.request import RunRequest

from sandbox.chatwoot import changes
from tests.reconciliation.run.test_activity_run import ada_with_a_talk, writes
from tests.reconciliation.world import api_world, on_each_krayin

if TYPE_CHECKING:
    from tests.reconciliation.world import World

ADA = {"name": "Ada", "email": "ada@example.com"}
pytestmark = on_each_krayin


def delete(world: World, contact_id: int) -> None:
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        changes.delete_contact(connection, contact_id)


def merge(world: World, survivor: int, loser: int) -> None:
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        changes.merge_contacts(connection, survivor, loser)


def owners(world: World) -> list[tuple[Any, ...]]:
    """Whose the persons and leads in Krayin are."""
    return world.rows(
        "SELECT crm_kind, crm_id, source_id::int FROM mapping "
        "WHERE crm_kind IN ('person', 'lead') AND state = 'linked' ORDER BY crm_id, crm_kind"
    )


def differences(world: World) -> list[tuple[Any, ...]]:
    world.compared(repairing=False)
    return world.rows("SELECT class, crm_kind, field, source_id FROM finding WHERE ended_at IS NULL")


@pytest.mark.parametrize("noticed", [False, True], ids=["at once", "after a comparison"])
def test_who_writes_again_after_a_deletion_has_the_records(world: World, noticed: bool) -> None:
    first = world.add(**ADA)
    world.run()
    (lead,) = world.leads()
    world.krayin.edit(leads=[{"id": lead["id"], "title": "Big deal"}])
    delete(world, first)
    if noticed:
        assert [one[0] for one in differences(world)] == ["orphan"]
    again = world.add(name="Ada Brandt", email="Ada@example.com")
    run = world.run()
    assert owners(world) == [("lead", lead["id"], again), ("person", 1, again)]
    (person,), (now,) = world.persons(), world.leads()
    assert (person["name"], now["id"], now["title"]) == ("Ada Brandt", lead["id"], "Big deal")
    assert "POST leads" not in writes(world, run.id)
    assert world.operations("quarantined") == []
    # What the salesperson wrote is told and kept.
    assert differences(world) == [("changed", "lead", "title", str(again))]
    assert writes(world, world.run(RunRequest(full=True)).id) == []


def test_from_the_api_it_is_the_same(world: World) -> None:
    keys = {"chatwoot": {"account_id": 1, "source": "api"}}
    with api_world(world.chatwoot_url, world.sync_url, world.krayin, **keys) as by_api:
        first = by_api.add(**ADA)
        by_api.run()
        delete(by_api, first)
        again = by_api.add(**ADA)
        by_api.run()
        assert owners(by_api) == [("lead", 1, again), ("person", 1, again)]


def test_a_dry_run_hands_nothing_over(world: World) -> None:
    first = world.add(**ADA)
    world.run()
    delete(world, first)
    world.add(**ADA)
    run = world.run(RunRequest(dry_run=True))
    assert run.summary["planned"].get("quarantine", 0) == 0
    assert owners(world) == [("lead", 1, first), ("person", 1, first)]


def test_a_survivor_without_records_has_them_before_the_next_comparison(world: World) -> None:
    loser = world.add(**ADA)
    world.run()
    survivor = world.add(name="Ada L.", phone_number="+493012345")
    merge(world, survivor, loser)
    world.run()
    assert owners(world) == [("lead", 1, survivor), ("person", 1, survivor)]
    assert differences(world) == []


def test_what_went_to_a_third_contact_is_not_taken_from_it(world: World) -> None:
    loser, _ = ada_with_a_talk(world)
    survivor = world.add(name="Bob", email="bob@example.com")
    world.run()
    merge(world, survivor, loser)
    stranger = world.add(**ADA)
    world.run()
    assert ("person", 1, stranger) not in owners(world)
    assert [one[1:3] for one in world.operations("quarantined")] == [(str(stranger), "person_taken")]


def test_who_waits_for_the_person_of_a_contact_that_is_there_has_it_when_that_one_goes(world: World) -> None:
    first = world.add(**ADA)
    world.run()
    world.change(first, email="ada@work.example")
    # A salesperson kept the old address too.
    both = [{"value": value, "label": "work"} for value in ("ada@example.com", "ada@work.example")]
    world.run()
    (person,) = world.persons()
    kept = {"name": "Ada", "contact_numbers": person["contact_numbers"], "user_id": None}
    world.api("PUT", "contacts/persons/1", {**kept, "emails": both})
    second = world.add(name="Ada B.", email="ada@example.com")
    world.run()
    assert [one[1:3] for one in world.operations("quarantined")] == [(str(second), "person_taken")]
    world.run()
    assert ("person", 1, first) in owners(world)
    delete(world, first)
    world.run()
    assert world.operations("quarantined") == []
    assert owners(world) == [("lead", 1, second), ("person", 1, second)]


def test_of_two_who_claim_it_neither_has_it(world: World) -> None:
    first = world.add(name="Ada", email="ada@example.com", phone_number="+493012345")
    world.run()
    delete(world, first)
    claimants = [world.add(**ADA), world.add(name="Ada", phone_number="+493012345")]
    world.run()
    assert owners(world) == [("lead", 1, first), ("person", 1, first)]
    assert [int(one[1]) for one in world.operations("quarantined")] == claimants


def test_who_is_restored_has_records_of_its_own(world: World) -> None:
    first = world.add(**ADA)
    world.run()
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT * FROM contacts")
    delete(world, first)
    second = world.add(**ADA)
    world.run()
    world.chatwoot("UPDATE kept SET email = 'ada@home.example', updated_at = now()")
    world.chatwoot("INSERT INTO contacts SELECT * FROM kept; DROP TABLE kept")
    world.run()
    assert ("person", 1, second) in owners(world)
    assert ("person", 2, first) in owners(world)
    assert world.operations("quarantined") == []
    assert differences(world) == []


def test_a_contact_that_was_split_leaves_the_person_with_who_kept_the_address(world: World) -> None:
    first = world.add(name="Ada", email="ada@example.com", phone_number="+493012345")
    world.run()
    world.change(first, phone_number=None)
    second = world.add(name="Bob", phone_number="+493012345")
    world.run()
    assert [owner for kind, _, owner in owners(world) if kind == "person"] == [first, second]
    phones = [row["contact_numbers"][0]["value"] for row in world.persons()]
    assert [one == "+493012345" for one in phones] == [False, True]
