"""An account of 205 contacts and the limits that a sync file leaves alone: what is asked about, and what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from reconciliation.admin.approval import ask
from reconciliation.run.request import RunRequest
from reconciliation.store.run_rows import RunKind

from sandbox.chatwoot import changes
from tests.reconciliation.world import ACCOUNT, on_each_krayin

if TYPE_CHECKING:
    from tests.reconciliation.world import World

PEOPLE = 205
LOST = 6
REMOVING = {"reconcile": {"repair": "repair"}, "on_source_delete": "close_lead", "on_crm_edit": "overwrite"}

pytestmark = on_each_krayin


@pytest.fixture
def account(world: World) -> World:
    """The account, brought over; the contacts' ids are 1 to 205."""
    world.settings = dict(REMOVING)
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        for number in range(1, PEOPLE + 1):
            assert number == changes.add_contact(
                connection, ACCOUNT, name=f"Ada {number}", email=f"ada{number}@example.com"
            )
    world.run()
    assert len(world.persons()) == len(world.leads()) == PEOPLE
    return world


def gone(world: World, *contacts: int) -> None:
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        for contact in contacts:
            changes.delete_contact(connection, contact)
    world.compared(repairing=None)


def told(world: World, *contacts: int) -> None:
    """Webhooks tell of contacts."""
    world.run(RunRequest(kind=RunKind.EVENTS, contact_ids=frozenset(contacts)))


def promote(world: World, first: int, last: int) -> None:
    """Change contacts, from the first to the last."""
    for contact in range(first, last + 1):
        world.change(contact, additional_attributes={"job_title": "Boss"})


def promoted(world: World) -> int:
    return sum(person["job_title"] == "Boss" for person in world.persons())


def closed(world: World) -> int:
    return sum(lead["lead_pipeline_stage_id"] == LOST for lead in world.leads())


def held(world: World) -> set[int]:
    return {int(source_id) for _, source_id, *_ in world.operations("held")}


def asked(world: World) -> dict[str, Any]:
    """What the one question that is open says of removals."""
    with psycopg.connect(world.sync_url, autocommit=True) as connection:
        question = ask(connection, "test", "a run")
    assert question is not None
    assert world.rows("SELECT count(*) FROM approval") == [(1,)]
    return {what: number for what, (number, _) in question.removals.items()}


def test_two_removals_pass_and_the_third_is_asked_about_in_whatever_lane_it_comes(account: World) -> None:
    gone(account, 1, 2)
    assert (closed(account), held(account)) == (2, set())
    (edited,) = [lead["id"] for lead in account.leads() if lead["title"] == "Ada 7"]
    account.api("PUT", f"leads/attributes/edit/{edited}", {"title": "Typed in Krayin"})
    account.change(7, name="Renamed")
    told(account, 7)
    assert held(account) == {7}
    assert "Typed in Krayin" in {lead["title"] for lead in account.leads()}
    gone(account, 3)
    assert (closed(account), held(account)) == (2, {3, 7})
    assert asked(account) == {"lead.closed": 1, "lead.overwritten": 1}


def test_three_removals_at_once_are_asked_about_and_so_is_the_change_after_fifty(account: World) -> None:
    gone(account, 1, 2, 3)
    assert (closed(account), held(account)) == (0, {1, 2, 3})
    assert asked(account) == {"lead.closed": 3}

    # A fifth of them are 41: asked is from 51 on, over all runs.
    promote(account, 11, 40)
    account.run()
    promote(account, 41, 60)
    told(account, *range(41, 61))
    assert (promoted(account), held(account)) == (50, {1, 2, 3})
    promote(account, 61, 61)
    told(account, 61)
    assert (promoted(account), held(account)) == (50, {1, 2, 3, 61})

    # Where the share is above that floor, it counts: 0.3 of 205 are 61.5.
    account.settings["max_changes_without_approval"] = {"share": 0.3}
    promote(account, 62, 72)
    account.run()
    assert (promoted(account), held(account)) == (61, {1, 2, 3, 61})
    promote(account, 73, 73)
    account.run()
    assert (promoted(account), held(account)) == (61, {1, 2, 3, 61, 73})
