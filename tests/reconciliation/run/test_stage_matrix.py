"""Every combination of configured stages, conversation, reply and lead, from Chatwoot's rows to the lead in Krayin."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from reconciliation.run.request import RunRequest

from sandbox.chatwoot import changes, conversations
from tests.soak import SOAK

if TYPE_CHECKING:
    from psycopg import Connection

    from tests.reconciliation.world import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

NOON = datetime(2026, 5, 5, 12, tzinfo=UTC)
NEW, FOLLOW_UP, PROSPECT, NEGOTIATION, WON, LOST = range(1, 7)
CONFIGURED = list(product((True, False), repeat=3))
STATUS = {"open": 0, "pending": 2, "snoozed": 3, "resolved": 1, "reopened": 0}
REPLY = ("agent", "bot", "no reply")
LEAD = ("at new", "later", "won", "lost", "moved by hand", "other pipeline", "deleted", "several leads")


@dataclass(frozen=True)
class Case:
    """One combination."""

    configured: tuple[bool, bool, bool]
    status: str
    reply: str
    lead: str

    def expected(self, elsewhere: int) -> int | None:
        """The stage the contact's lead ends in, by the rules; `elsewhere` is the other pipeline's."""
        stood = {
            "at new": NEW, "later": NEGOTIATION, "won": WON, "lost": LOST, "moved by hand": FOLLOW_UP,
            "other pipeline": elsewhere, "deleted": None, "several leads": NEW,
        }[self.lead]  # fmt: skip
        if stood is None or self.lead in {"won", "lost", "moved by hand", "other pipeline"}:
            return stood
        reached = (True, self.reply == "agent", self.status == "resolved")
        stages = zip((FOLLOW_UP, PROSPECT, WON), self.configured, reached, strict=True)
        return max([stood, *(stage for stage, is_on, is_reached in stages if is_on and is_reached)])

    def settings(self) -> dict[str, Any]:
        """The settings of the sync that moves it."""
        names = (
            "stage_on_conversation_created",
            "stage_on_first_response",
            "stage_on_conversation_resolved",
        )
        chosen = zip(names, (FOLLOW_UP, PROSPECT, WON), self.configured, strict=True)
        return {"stage_progression_enabled": True} | {name: stage for name, stage, is_on in chosen if is_on}


# All with SOAK=1, else every seventh: no number of values is a multiple of seven, so each value meets most others.
CASES = [Case(*each) for each in product(CONFIGURED, STATUS, REPLY, LEAD)][:: 1 if SOAK else 7]


def converse(connection: Connection[Any], case: Case, number: int) -> int:
    """Add a contact whose conversation is as the case says."""
    contact = changes.add_contact(connection, 1, name=f"N{number}", email=f"n{number}@example.com")
    talk = conversations.add_conversation(connection, contact, 1, created_at=NOON)
    if case.reply != "no reply":
        sender = "User" if case.reply == "agent" else "AgentBot"
        later = NOON + timedelta(hours=1)
        conversations.add_message(
            connection, talk, "Hi", message_type=1, sender_type=sender, sender_id=1, created_at=later
        )
    if case.status in {"resolved", "reopened"}:
        conversations.resolve(connection, talk, NOON + timedelta(hours=2))
    if case.status != "resolved":
        conversations.change_conversation(connection, talk, status=STATUS[case.status])
    return contact


def lead_ids(world: World) -> dict[int, int]:
    """The lead of each contact."""
    rows = world.rows(
        "SELECT source_id::int, crm_id::int FROM mapping WHERE crm_kind = 'lead' AND source_kind = 'contact'"
    )
    return dict(rows)


def test_every_combination_ends_where_the_rules_say(world: World) -> None:
    world.settings["max_changes_without_approval"] = {"number": 100_000}
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        cases = {converse(connection, case, number): case for number, case in enumerate(CASES)}
    later = frozenset(contact for contact, case in cases.items() if case.lead == "later")
    # These were made where they are: nobody moved them.
    world.run(RunRequest(contact_ids=later), lead_pipeline_stage_id=NEGOTIATION)
    world.run(RunRequest(contact_ids=frozenset(cases) - later))
    leads = lead_ids(world)
    database = world.krayin.application.krayin.database
    pipeline = world.api(
        "POST",
        "settings/pipelines",
        {
            "name": "Partners",
            "rotten_days": 30,
            "stages": {
                "stage_1": {"code": "new", "name": "New", "probability": 100, "sort_order": 1},
                "stage_2": {"code": "won", "name": "Won", "probability": 100, "sort_order": 2},
                "stage_3": {"code": "lost", "name": "Lost", "probability": 0, "sort_order": 3},
            },
        },
    )["data"]
    elsewhere = min(stage["id"] for stage in pipeline["stages"])
    by_hand = {"won": WON, "lost": LOST, "moved by hand": FOLLOW_UP}
    others = {}
    for contact, case in cases.items():
        lead = leads[contact]
        if case.lead in by_hand:
            database["leads"].update(lead, {"lead_pipeline_stage_id": by_hand[case.lead]})
        elif case.lead == "other pipeline":
            database["leads"].update(
                lead, {"lead_pipeline_id": pipeline["id"], "lead_pipeline_stage_id": elsewhere}
            )
        elif case.lead == "deleted":
            world.api("DELETE", f"leads/{lead}")
        elif case.lead == "several leads":
            person = database["leads"].get(lead)["person_id"]
            others[contact] = database["leads"].insert(
                {**database["leads"].get(lead), "id": None, "person_id": person}
            )["id"]

    for configured in CONFIGURED:
        ours = frozenset(contact for contact, case in cases.items() if case.configured == configured)
        settings = Case(configured, "open", "agent", "at new").settings()
        world.run(RunRequest(contact_ids=ours & later), lead_pipeline_stage_id=NEGOTIATION, **settings)
        run = world.run(RunRequest(contact_ids=ours - later), **settings)
        assert run.summary["quarantined"] == 0
    shown = {lead["id"]: lead["lead_pipeline_stage_id"] for lead in world.leads()}
    actual = {case: shown.get(leads[contact]) for contact, case in cases.items()}
    assert actual == {case: case.expected(elsewhere) for case in cases.values()}
    assert {shown[lead] for lead in others.values()} == {NEW}
    # Nothing is left to be moved.
    for configured in CONFIGURED:
        ours = frozenset(contact for contact, case in cases.items() if case.configured == configured)
        settings = Case(configured, "open", "agent", "at new").settings()
        again = world.run(RunRequest(contact_ids=ours - later), **settings)
        assert again.summary["writes"] == 0
