"""A lead for each inbox in which a contact has conversations, and one for whoever has not written yet."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from reconciliation.admin.contact_erasure import erase
from reconciliation.drift.record_now import read_now
from reconciliation.run.request import RunRequest
from reconciliation.run.summary import lines_of
from reconciliation.web.records import record_of, scope_of

from sandbox.chatwoot.changes import delete_contact, finish_deletion, merge_contacts
from sandbox.chatwoot.conversations import add_message, change_conversation, resolve
from tests.reconciliation.drift.test_removals import CLOSES, LOST
from tests.reconciliation.load.test_unknown import CREATE, later
from tests.reconciliation.run.test_contact_scope import Chatwoot, chatwoot, compared
from tests.reconciliation.run.test_lead_targets import WHATSAPP, inbox_of, places, support
from tests.reconciliation.run.test_owner import people
from tests.reconciliation.run.test_switched_rules import approved, owner_of
from tests.reconciliation.run.test_tags import tags
from tests.reconciliation.world import EVERYTHING, World, api_world, on_each_krayin

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["chatwoot", "people"]
MAIL = "Channel::Email"
TITLE = "{{ name }}{% if inbox %} {{ inbox }}{% endif %}"
PER_INBOX = {
    **EVERYTHING,
    "templates": {"lead_title": TITLE},
    "leads": {"per": "inbox"},
    "activity_link": "both",
}
PER_CONTACT = {**PER_INBOX, "leads": {"per": "contact"}}


@contextmanager
def seen(world: World, way: str) -> Iterator[World]:
    """The world, or the same one seen through Chatwoot's API."""
    with api_world(world.chatwoot_url, world.sync_url, world.krayin) as api:
        yield api if way == "api" else world


class Inboxes:
    """A mail and a WhatsApp inbox in which contacts talk."""

    def __init__(self, chatwoot: Chatwoot) -> None:
        self.chatwoot = chatwoot
        self.mail, self.app = inbox_of(chatwoot, MAIL), inbox_of(chatwoot, WHATSAPP)

    def talk(self, contact: int, inbox: int, said: str, **columns: Any) -> int:
        self.chatwoot.inbox = inbox
        return self.chatwoot.talk(contact, said, **columns)


@pytest.fixture
def inboxes(chatwoot: Chatwoot) -> Inboxes:
    return Inboxes(chatwoot)


def stages(world: World) -> dict[str, int]:
    return {one["title"]: one["lead_pipeline_stage_id"] for one in world.leads()}


def titles(world: World) -> list[str]:
    return sorted(one["title"] for one in world.leads())


def hanging(world: World) -> dict[str, set[str]]:
    """What was said, by the title of the lead on which it hangs."""
    called = {one["id"]: one["title"] for one in world.leads()}
    database = world.krayin.application.krayin.database
    said = {
        one["id"]: one["comment"].split("<br>")[-1]
        for one in database["activities"].rows.values()
        if one["title"].startswith("Message")
    }
    found: dict[str, set[str]] = {title: set() for title in called.values()}
    for one in database["lead_activities"].rows.values():
        if one["activity_id"] in said:
            found[called[one["lead_id"]]].add(said[one["activity_id"]])
    return found


def made(world: World, run_id: int) -> int:
    return [(method, route) for method, route, _ in world.calls(run_id)].count(("POST", "leads"))


@on_each_krayin
@pytest.mark.parametrize("way", ["database", "api"])
def test_each_inbox_has_a_lead_by_its_own_rules(
    world: World, chatwoot: Chatwoot, inboxes: Inboxes, people: Mapping[str, int], way: str
) -> None:
    new, *_ = support(world)
    settings = {
        **PER_INBOX,
        "leads": {
            "per": "inbox",
            "source": {"by_channel": {"email": "Email"}},
            "stage": {"by_inbox": {inboxes.app: new}},
        },
        "owner": {"assignee": True, "inboxes": {inboxes.app: people["inbox"]}},
        "tags": {"leads": True},
    }
    ada, bo = chatwoot.contact("ada", "vip"), chatwoot.contact("bo")
    cy = chatwoot.contact("cy")
    won = inboxes.talk(ada, inboxes.mail, "by mail", assignee_id=people["agent grace"])
    open_one = inboxes.talk(ada, inboxes.app, "by app")
    change_conversation(chatwoot.connection, open_one, cached_label_list="urgent")
    inboxes.talk(bo, inboxes.app, "bo by app")
    with seen(world, way) as used:
        first = used.run(**settings)
        pipeline = places(world)[f"bo {WHATSAPP}"][2]
        assert places(world) == {
            f"ada {MAIL}": ("Email", "New Business", 1, 2),
            f"ada {WHATSAPP}": ("Web", "New Business", pipeline, new),
            f"bo {WHATSAPP}": ("Web", "New Business", pipeline, new),
            "cy": ("Web", "New Business", 1, 1),
        }
        assert (len(world.persons()), made(world, first.id), pipeline > 1) == (3, 4, True)
        assert hanging(world) == {
            f"ada {MAIL}": {"by mail"},
            f"ada {WHATSAPP}": {"by app"},
            f"bo {WHATSAPP}": {"bo by app"},
            "cy": set(),
        }
        owners = {one["title"]: owner_of(world, one["id"]) for one in world.leads()}
        assert owners == {
            f"ada {MAIL}": people["Grace"],
            f"ada {WHATSAPP}": people["inbox"],
            f"bo {WHATSAPP}": people["inbox"],
            "cy": None,
        }
        assert tags(world) == {
            f"ada {MAIL}": {"lead": ["vip"]},
            f"ada {WHATSAPP}": {"lead": ["urgent", "vip"]},
        }
        compared(used, **settings)
        assert world.calls(used.run(**settings).id) == []

        # What is resolved in one inbox moves its lead, and what is said there hangs on it.
        resolve(chatwoot.connection, won)
        add_message(chatwoot.connection, open_one, "more by app")
        chatwoot.world.change(ada)
        used.run(**settings)
        assert stages(world)[f"ada {MAIL}"] == EVERYTHING["stage_on_conversation_resolved"]
        assert stages(world)[f"ada {WHATSAPP}"] == new
        assert hanging(world)[f"ada {WHATSAPP}"] == {"by app", "more by app"}
        compared(used, **settings)

        # Who writes for the first time has a lead already; who writes elsewhere as well gets another one.
        inboxes.talk(cy, inboxes.mail, "cy by mail")
        inboxes.talk(bo, inboxes.mail, "bo by mail")
        later = used.run(**settings)
        assert made(world, later.id) == 1
        assert titles(world) == sorted(
            [f"ada {MAIL}", f"ada {WHATSAPP}", f"bo {MAIL}", f"bo {WHATSAPP}", f"cy {MAIL}"]
        )
        assert hanging(world)[f"cy {MAIL}"] == {"cy by mail"}
        assert hanging(world)[f"bo {MAIL}"] == {"bo by mail"}
        compared(used, **settings)
        assert world.calls(used.run(**settings).id) == []


@on_each_krayin
@pytest.mark.parametrize("way", ["database", "api"])
def test_a_running_sync_is_switched_there_and_back(
    world: World, chatwoot: Chatwoot, inboxes: Inboxes, way: str
) -> None:
    plain = {**PER_CONTACT, "templates": {}}
    limits = {"max_changes_without_approval": {"number": 1, "share": 0.01}}
    people = [chatwoot.contact(name) for name in ("ada", "bo", "cy", "di")]
    for contact in people[:3]:
        inboxes.talk(contact, inboxes.mail, f"{contact} by mail")
    for contact in people[:2]:
        inboxes.talk(contact, inboxes.app, f"{contact} by app")
    with seen(world, way) as used:
        used.run(**plain)
        before = {one["id"]: one["title"] for one in world.leads()}
        assert sorted(before.values()) == ["ada", "bo", "cy", "di"]

        # Three titles change, which is asked about; two leads are made, which is not.
        switched = {**PER_INBOX, **limits}
        dry = used.run(RunRequest(dry_run=True), **switched)
        assert (dry.summary["held"], dry.summary["planned_leads"]) == (3, {"create": 2})
        held = used.run(**switched)
        assert made(world, held.id) == 2
        forecast, done = approved(used, switched)
        assert made(world, done) == 0
        assert abs(forecast - len(world.calls(done))) <= 2
        assert titles(world) == sorted(
            [f"ada {MAIL}", f"ada {WHATSAPP}", f"bo {MAIL}", f"bo {WHATSAPP}", f"cy {MAIL}", "di"]
        )
        assert {one["id"] for one in world.leads() if one["title"].endswith((MAIL, "di"))} == set(before)
        compared(used, **PER_INBOX)
        assert world.calls(used.run(**PER_INBOX).id) == []
        inboxes.talk(people[0], inboxes.app, "again by app")
        used.run(**PER_INBOX)
        assert "again by app" in hanging(world)[f"ada {WHATSAPP}"]

        # Back: the first one is followed, the other ones stay as they are.
        back = used.run(**plain)
        assert (made(world, back.id), back.summary["leads_out_of_scope"]) == (0, 2)
        assert titles(world) == sorted(["ada", f"ada {WHATSAPP}", "bo", f"bo {WHATSAPP}", "cy", "di"])
        inboxes.talk(people[0], inboxes.app, "for the first")
        used.run(**plain)
        assert "for the first" in hanging(world)["ada"]
        compared(used, **plain)
        assert world.calls(used.run(**plain).id) == []

        # And there once more: nobody gets a second one.
        again = used.run(**PER_INBOX)
        assert (made(world, again.id), len(world.leads())) == (0, 6)
        compared(used, **PER_INBOX)


@on_each_krayin
def test_leads_of_contacts_that_are_merged_or_deleted_are_closed(
    world: World, chatwoot: Chatwoot, inboxes: Inboxes
) -> None:
    settings = {**PER_INBOX, **CLOSES}
    ada, bo, cy, *_ = (chatwoot.contact(name) for name in ("ada", "bo", "cy", "di", "ed", "flo", "gus"))
    for contact in (ada, bo, cy):
        inboxes.talk(contact, inboxes.mail, "by mail")
        inboxes.talk(contact, inboxes.app, "by app")
    world.run(**settings)
    assert len(world.leads()) == 10
    merge_contacts(chatwoot.connection, ada, bo)
    delete_contact(chatwoot.connection, cy)
    finish_deletion(chatwoot.connection, cy)
    world.run(**settings)
    world.compared(**settings)
    lost = {title for title, stage in stages(world).items() if stage == LOST}
    assert lost == {f"{name} {inbox}" for name in ("bo", "cy") for inbox in (MAIL, WHATSAPP)}
    world.run(**settings)
    assert len(world.leads()) == 10
    assert hanging(world)[f"ada {MAIL}"] == {"by mail"}
    world.compared(**settings)
    # What was said with a contact that is gone is reported only.
    found = world.rows("SELECT DISTINCT class, crm_kind FROM open_findings")
    assert found == [("orphan", "activity")]


@on_each_krayin
def test_who_has_no_leads_takes_over_those_of_who_was_merged_into_it(
    world: World, chatwoot: Chatwoot, inboxes: Inboxes
) -> None:
    settings = {**PER_INBOX, **CLOSES}
    bo, *_ = (chatwoot.contact(name) for name in ("bo", "cy", "di", "ed", "flo", "gus"))
    inboxes.talk(bo, inboxes.mail, "by mail")
    inboxes.talk(bo, inboxes.app, "by app")
    world.run(**settings)
    before = {one["id"] for one in world.leads()}
    # Nobody has seen this one yet.
    ada = world.add(name="ada")
    merge_contacts(chatwoot.connection, ada, bo)
    world.run(**settings)
    world.compared(**settings)
    world.run(**settings)
    assert {one["id"] for one in world.leads()} == before
    assert {f"ada {MAIL}", f"ada {WHATSAPP}"} <= set(titles(world))
    inboxes.talk(ada, inboxes.app, "again by app")
    world.run(**settings)
    assert hanging(world)[f"ada {WHATSAPP}"] == {"by app", "again by app"}
    compared(world, **settings)


def test_all_leads_of_an_erased_contact_are_erased(
    world: World, chatwoot: Chatwoot, inboxes: Inboxes
) -> None:
    ada, bo = chatwoot.contact("ada"), chatwoot.contact("bo")
    for contact in (ada, bo):
        inboxes.talk(contact, inboxes.mail, "by mail")
        inboxes.talk(contact, inboxes.app, "by app")
    world.run(**PER_INBOX)
    receipt = erase(world.sync(**PER_INBOX), ada, also_adopted=False)
    assert (receipt.kept, len(receipt.deleted["lead"]), len(receipt.deleted["person"])) == ({}, 2, 1)
    assert titles(world) == [f"bo {MAIL}", f"bo {WHATSAPP}"]
    assert world.rows("SELECT FROM mapping WHERE split_part(source_id, '/', 1) = %s", str(ada)) == []
    world.run(**PER_INBOX)
    assert len(world.leads()) == 2


@on_each_krayin
def test_leads_that_are_there_are_taken_over_each_once(
    world: World, chatwoot: Chatwoot, inboxes: Inboxes
) -> None:
    ada = chatwoot.contact("ada")
    world.api("POST", "contacts/persons", {
        "name": "Ada", "emails": [{"value": "ada@example.com", "label": "work"}],
        "contact_numbers": [{"value": "+491", "label": "work"}],
    })  # fmt: skip
    world.api("POST", "leads", {
        "title": "hers", "lead_pipeline_stage_id": 1, "person_id": world.persons()[0]["id"],
    })  # fmt: skip
    inboxes.talk(ada, inboxes.mail, "by mail")
    inboxes.talk(ada, inboxes.app, "by app")
    run = world.run(**PER_INBOX)
    assert (made(world, run.id), titles(world)) == (1, [f"ada {WHATSAPP}", "hers"])
    assert hanging(world) == {"hers": {"by mail"}, f"ada {WHATSAPP}": {"by app"}}
    # Of what was there before only blanks are filled.
    world.compared(repairing=False, **PER_INBOX)
    found = world.rows("SELECT DISTINCT source_kind, source_id, field FROM open_findings ORDER BY field")
    assert found == [("contact", str(ada), "name"), ("contact", str(ada), "title")]
    assert world.calls(world.run(**PER_INBOX).id) == []


@on_each_krayin
@pytest.mark.parametrize("fault", ["drop_before", "drop_after"])
def test_a_lead_whose_making_was_not_answered_is_made_once(
    world: World, chatwoot: Chatwoot, inboxes: Inboxes, fault: str
) -> None:
    ada = chatwoot.contact("ada")
    inboxes.talk(ada, inboxes.mail, "by mail")
    world.run(**PER_INBOX)
    inboxes.talk(ada, inboxes.app, "by app")
    world.krayin.set_faults({"kind": fault, "count": 1, **CREATE})
    world.run(**PER_INBOX)
    later(world)
    world.run(**PER_INBOX)
    world.run(**PER_INBOX)
    assert titles(world) == [f"ada {MAIL}", f"ada {WHATSAPP}"]
    assert hanging(world) == {f"ada {MAIL}": {"by mail"}, f"ada {WHATSAPP}": {"by app"}}
    compared(world, **PER_INBOX)


@on_each_krayin
def test_a_lead_that_was_won_is_followed_by_one_for_the_same_inbox(
    world: World, chatwoot: Chatwoot, inboxes: Inboxes
) -> None:
    settings = {**PER_INBOX, "new_lead_after_close": True}
    ada = chatwoot.contact("ada")
    # Krayin's closing time has whole seconds: what is said in that second counts as said after it.
    earlier = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=1)
    for conversation in (
        inboxes.talk(ada, inboxes.mail, "by mail"),
        inboxes.talk(ada, inboxes.app, "by app"),
    ):
        change_conversation(chatwoot.connection, conversation, last_activity_at=earlier)
    world.run(**settings)
    for lead in world.leads():
        world.api("PUT", f"leads/stage/edit/{lead['id']}", {"lead_pipeline_stage_id": 5})
    soon = datetime.now(UTC).replace(tzinfo=None) + timedelta(minutes=5)
    inboxes.talk(ada, inboxes.app, "again by app", last_activity_at=soon, created_at=soon)
    chatwoot.world.change(ada, last_activity_at=soon)
    run = world.run(**settings)
    assert (made(world, run.id), titles(world)) == (1, [f"ada {MAIL}", f"ada {WHATSAPP}", f"ada {WHATSAPP}"])
    compared(world, **settings)
    assert made(world, world.run(**settings).id) == 0


def test_a_lead_that_was_deleted_in_krayin_stays_so(
    world: World, chatwoot: Chatwoot, inboxes: Inboxes
) -> None:
    ada = chatwoot.contact("ada")
    inboxes.talk(ada, inboxes.mail, "by mail")
    inboxes.talk(ada, inboxes.app, "by app")
    world.run(**PER_INBOX)
    deleted = next(one["id"] for one in world.leads() if one["title"] == f"ada {WHATSAPP}")
    world.api("DELETE", f"leads/{deleted}")
    world.compared(**PER_INBOX)
    world.change(ada, name="Ada")
    inboxes.talk(ada, inboxes.app, "again by app")
    world.run(**PER_INBOX)
    assert titles(world) == [f"Ada {MAIL}"]
    again = {**PER_INBOX, "recreate_deleted": True}
    world.compared(**again)
    world.run(**again)
    assert titles(world) == [f"Ada {MAIL}", f"Ada {WHATSAPP}"]


def test_a_preview_and_the_page_of_a_contact_show_all_its_leads(
    world: World, chatwoot: Chatwoot, inboxes: Inboxes
) -> None:
    settings = {**PER_INBOX, "leads": {"per": "inbox", "source": {"by_channel": {"whatsapp": "Phone"}}}}
    ada = chatwoot.contact("ada")
    inboxes.talk(ada, inboxes.mail, "by mail")
    inboxes.talk(ada, inboxes.app, "by app")
    dry = world.run(RunRequest(dry_run=True, contact_ids=frozenset({ada})), **settings)
    (record,) = dry.summary["records"]
    (lead,) = record["leads"]
    assert (lead["inbox"], lead["fields"]["title"]) == (inboxes.app, f"ada {WHATSAPP}")
    assert lead["placed"] == {"source": "Phone"}
    assert "1 lead for further inboxes" in "\n".join(lines_of(dry))
    world.run(**settings)
    world.api("PUT", "leads/attributes/edit/2", {"title": "Hers"})
    with psycopg.connect(world.sync_url, autocommit=True) as connection:
        scope = scope_of(connection, "test")
        assert scope is not None
        now = read_now(world.sync(**settings), scope, ada)
        found = record_of(connection, "test", scope, ada, now)
    assert found is not None
    assert [(one.row["record"], one.row["inbox_id"]) for one in found.links] == [
        ("person", None),
        ("lead", inboxes.mail),
        (f"lead/{inboxes.app}", inboxes.app),
    ]
    titled = {
        one.row["record"]: {field.name: field for field in one.fields}.get("title") for one in found.links
    }
    hers = titled[f"lead/{inboxes.app}"]
    assert hers is not None
    assert (hers.chatwoot, hers.krayin) == (f"ada {WHATSAPP}", "Hers")
    assert set(now.differences) == {(f"lead/{inboxes.app}", "title")}
