"""A running sync gets other rules: what is forecast, asked, done and left alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from reconciliation.admin.approval import answer, ask
from reconciliation.model.contact import HAS_ONE
from reconciliation.run.request import RunRequest

from tests.reconciliation.run.test_contact_scope import Chatwoot, chatwoot
from tests.reconciliation.run.test_owner import people
from tests.reconciliation.run.test_tags import BOTH, of_tags, tags
from tests.reconciliation.world import EVERYTHING, World, on_each_krayin
from tests.soak import SOAK

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["chatwoot", "people"]
CONTACTS = 1_000 if SOAK else 100
SWITCHED = {"leads": {"create": "on_conversation"}, "owner": {"assignee": True}, "tags": BOTH}
UNASKED = {
    "max_changes_without_approval": {"number": 100_000},
    "max_removals_without_approval": {"number": 100_000, "share": 1.0},
}
HISTORIES = 60 if SOAK else 25
SEEDS = range(20 if SOAK else 1)


@on_each_krayin
@pytest.mark.slow
@pytest.mark.timeout(1800 if SOAK else 300)
def test_a_running_sync_is_switched_to_other_rules(
    world: World, chatwoot: Chatwoot, people: Mapping[str, int]
) -> None:
    """Forecast, question, answer and end state; what salespeople did stays, and nobody has a second lead."""
    labelled, talking = CONTACTS // 2, CONTACTS // 3
    contacts = [
        chatwoot.contact(f"c{number:04}", *(["vip"] if number % 2 else [])) for number in range(CONTACTS)
    ]
    for number in contacts[:talking]:
        chatwoot.talk(number, "hello", assignee_id=people["agent grace"])
    world.run(**EVERYTHING)
    hers = world.api("POST", "settings/tags", {"name": "hers", "color": "#000000"})["data"]["id"]
    touched = list(zip(world.persons(), world.leads(), strict=True))[1 : CONTACTS // 10]
    for person, lead in touched:
        world.api("POST", f"contacts/persons/{person['id']}/tags", {"tag_id": hers})
        world.api("PUT", f"leads/attributes/edit/{lead['id']}", {"title": "Hers", "user_id": people["team"]})
    world.run(**EVERYTHING)

    limits = {"max_changes_without_approval": {"number": 10, "share": 0.01}}
    switched = {**EVERYTHING, **SWITCHED, **limits}
    dry = world.run(RunRequest(dry_run=True), **switched)
    assert (dry.summary["held"], dry.summary["planned"]["update"]) == (labelled, labelled)
    by_rule = {"leads.create: on_conversation": talking, HAS_ONE: CONTACTS - talking}
    assert dry.summary["decided"]["lead"] == by_rule
    held = world.run(**switched)
    assert held.summary["held"] == labelled
    assert [method for method, *_ in world.calls(held.id) if method != "GET"] == []
    assert set(tags(world)) == {person["name"] for person, _ in touched}

    forecast, done = approved(world, switched)
    # Only tags are written: one for each person and lead with the label, one to make it.
    assert len(of_tags(world, done)) == 2 * labelled + 1
    assert {method for method, route, _ in world.calls(done) if "tags" not in route} <= {"GET"}
    assert abs(forecast - len(world.calls(done))) <= 0.05 * forecast + 3
    assert (len(world.persons()), len(world.leads())) == (CONTACTS, CONTACTS)
    shown, owned = tags(world), Counter(owner_of(world, lead["id"]) for lead in world.leads())
    assert shown["c0001"]["person"] == ["hers", "vip"]
    assert shown["c0003"]["person"] == ["hers", "vip"]
    assert "c0000" not in shown
    assert [one["title"] for one in world.leads()].count("Hers") == len(touched)
    assert owned == {None: CONTACTS - len(touched), people["team"]: len(touched)}

    # From now on the new rules hold for whoever is new.
    now = {**EVERYTHING, **SWITCHED}
    new = chatwoot.contact("new")
    world.run(**now)
    assert (len(world.persons()), len(world.leads())) == (CONTACTS + 1, CONTACTS)
    chatwoot.talk(new, "hello", assignee_id=people["agent grace"])
    world.run(**now)
    assert len(world.leads()) == CONTACTS + 1
    assert owner_of(world, world.leads()[-1]["id"]) == people["Grace"]
    assert world.calls(world.run(**now).id) == []


def approved(world: World, settings: Mapping[str, Any]) -> tuple[int, int]:
    """Say yes to what waits, carry it out, and return how many calls were said to be needed, and the run."""
    with psycopg.connect(world.sync_url, autocommit=True) as connection:
        question = ask(connection, "test", "approval")
        assert question is not None
        answer(connection, question.approval_id, approved=True, decided_by="ann")
    return question.calls, world.run(**settings).id


def owner_of(world: World, lead_id: int) -> int | None:
    owner: int | None = world.stored("leads", lead_id)["user_id"]
    return owner


# --- who edited what, and when ------------------------------------------------------------------


@dataclass
class History:
    """A contact and its records, with what was done to them, and what they should be by now.

    `edits` are what is done before the rules are switched, and after.
    """

    contact: int
    name: str
    edits: tuple[frozenset[str], frozenset[str]]
    is_labelled: bool = False
    title: str = ""
    is_titled_by_her: bool = False
    sent: tuple[str, bool] = ("", False)
    owned: frozenset[str] = frozenset()
    has_hers: bool = False
    has_ours: bool = False

    def edit(self, made: frozenset[str], when: str) -> None:
        """Note the edits of a moment."""
        if "agent renames" in made:
            self.name = f"{self.name}-{when}"
        if "agent labels" in made:
            self.is_labelled = not self.is_labelled
        if "she retitles" in made:
            self.title, self.is_titled_by_her = f"Hers-{self.contact}-{when}", True
        if "she tags" in made:
            self.has_hers = True
        if "she takes our tag off" in made:
            self.has_ours = False
        self.owned |= {one for one in made if one.endswith("owner")}

    def run(self, policy: str, *, tagging: bool) -> None:
        """Note what a run makes of it."""
        wanted = self.name, tagging and self.is_labelled
        if wanted != self.sent:
            if policy == "overwrite" or not self.is_titled_by_her:
                self.title, self.is_titled_by_her = self.name, False
            if wanted[1] != self.sent[1]:
                self.has_ours = wanted[1]
        self.sent = wanted


EDITS = (
    "agent renames",
    "agent labels",
    "she retitles",
    "she tags",
    "she takes our tag off",
    "she changes the person's owner",
    "she changes the lead's owner",
)


@on_each_krayin
@pytest.mark.slow
@pytest.mark.parametrize("policy", ["keep", "overwrite"])
@pytest.mark.parametrize("seed", SEEDS)
def test_whoever_edited_what_and_when_a_switch_keeps_what_is_theirs(
    world: World, chatwoot: Chatwoot, people: Mapping[str, int], policy: str, seed: int
) -> None:
    random = Random(seed)
    histories: list[History] = []
    for number in range(HISTORIES):
        before, after = (frozenset(one for one in EDITS if random.random() < 0.3) for _ in range(2))
        name = f"n{number:02}"
        contact = chatwoot.contact(name)
        histories.append(History(contact, name, (before, after), title=name, sent=(name, False)))
        if random.random() < 0.5:
            chatwoot.talk(contact, "hello", assignee_id=people["agent grace"])
    old = {**EVERYTHING, **UNASKED, "on_crm_edit": policy}
    new = {**old, **SWITCHED}
    world.run(**old)
    world.api("POST", "settings/tags", {"name": "hers", "color": "#000000"})
    records = {
        one.contact: (person["id"], lead["id"])
        for one, person, lead in zip(histories, world.persons(), world.leads(), strict=True)
    }

    def edited(moment: int) -> None:
        for one in histories:
            one.edit(one.edits[moment], "ab"[moment])
            make(world, chatwoot, people, one, one.edits[moment], records[one.contact])

    edited(0)
    for settings, moment in ((old, None), (new, 1), (new, None)):
        world.run(**settings)
        for one in histories:
            one.run(policy, tagging=settings is new)
        if moment is not None:
            edited(moment)

    persons = {one["id"]: one for one in world.persons()}
    leads = {one["id"]: one for one in world.leads()}
    assert (len(persons), len(leads)) == (HISTORIES, HISTORIES)
    given = given_tags(world)
    for one in histories:
        person, lead = records[one.contact]
        owners = [world.stored("persons", person)["user_id"], world.stored("leads", lead)["user_id"]]
        expected = [
            people["team"] if f"she changes the {kind}'s owner" in one.owned else None
            for kind in ("person", "lead")
        ]
        names = {name for name, has in (("hers", one.has_hers), ("vip", one.has_ours)) if has}
        assert persons[person]["name"] == one.name, one
        assert leads[lead]["title"] == one.title, one
        assert owners == expected, one
        assert given.get(person, set()) == names, one
    assert world.calls(world.run(**new).id) == []
    assert world.operations("quarantined") == world.operations("rejected") == []


def make(
    world: World,
    chatwoot: Chatwoot,
    people: Mapping[str, int],
    one: History,
    edits: frozenset[str],
    records: tuple[int, int],
) -> None:
    """Do what is edited in one moment, on both sides."""
    person, lead = records
    team, ours = people["team"], {name: number for number, name in tag_names(world).items()}
    if "agent renames" in edits:
        world.change(one.contact, name=one.name)
    if "agent labels" in edits:
        if one.is_labelled:
            chatwoot.label(one.contact, "vip")
        else:
            chatwoot.unlabel(one.contact)
    if "she retitles" in edits:
        world.api("PUT", f"leads/attributes/edit/{lead}", {"title": one.title})
    if "she tags" in edits:
        world.api("POST", f"contacts/persons/{person}/tags", {"tag_id": ours["hers"]})
    if "she takes our tag off" in edits and "vip" in ours:
        world.api("DELETE", f"contacts/persons/{person}/tags", {"tag_id": ours["vip"]})
    if "she changes the person's owner" in edits:
        shown = world.api("GET", f"contacts/persons/{person}")["data"]
        kept = {key: shown[key] for key in ("name", "emails")}
        blank = [{"value": "", "label": "work"}]
        world.api("PUT", f"contacts/persons/{person}", {**kept, "contact_numbers": blank, "user_id": team})
    if "she changes the lead's owner" in edits:
        world.api("PUT", f"leads/attributes/edit/{lead}", {"user_id": team})


def given_tags(world: World) -> dict[int, set[str]]:
    """The names of the tags on each person that has any."""
    names, found = tag_names(world), dict[int, set[str]]()
    for row in world.krayin.application.krayin.database["person_tags"].rows.values():
        found.setdefault(row["person_id"], set()).add(names[row["tag_id"]])
    return found


def tag_names(world: World) -> dict[int, str]:
    rows = world.krayin.application.krayin.database["tags"].rows
    return {number: row["name"] for number, row in rows.items()}
