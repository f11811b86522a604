"""Every planted difference is found and classified, and what can be repaired is gone after one run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from reconciliation.drift.request import ReconcileRequest
from reconciliation.drift.run import compare, repair

from sandbox.chatwoot import changes, conversations
from sandbox.chatwoot.insertion import insert_row
from sandbox.krayin.testing import running_krayin
from tests.reconciliation.differences import ACCOUNT, KINDS, Kind, Scenario
from tests.reconciliation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stack.postgres import Cluster
    from tests.reconciliation.differences import Seen

SETTINGS = {
    "sync_conversations": True,
    "sync_messages": True,
    "sync_to_organization": True,
    "stage_progression_enabled": True,
    "stage_on_conversation_created": 2,
    "stage_on_first_response": 3,
    "max_changes_without_approval": {"number": 100_000},
    "max_removals_without_approval": {"number": 100_000, "share": 1.0},
}
OVERWRITE = {"on_crm_edit": "overwrite", "recreate_deleted": True, "on_source_delete": "delete"}
KEEP = {"on_crm_edit": "keep", "recreate_deleted": False, "on_source_delete": "close_lead"}


def stays_when_kept(kind: Kind) -> frozenset[Seen]:
    """What a repair leaves where Krayin's edits are kept and what was deleted there stays deleted."""
    if kind.stays is None:
        return kind.found
    kept = {one for one in kind.found if one[3] == "theirs" or one[0] == "stale_mapping" or one[:2] == ORPHAN}
    return kind.stays | kept


ORPHAN = ("orphan", "activity")
KEPT_KINDS = tuple(kind for kind in KINDS if stays_when_kept(kind) != kind.stays or not kind.found)


@dataclass
class Planted:
    """What comparisons said of each kind: before, while repairing, and afterwards."""

    before: dict[str, set[Seen]] = field(default_factory=dict)
    reported: dict[str, set[Seen]] = field(default_factory=dict)
    after: dict[str, set[Seen]] = field(default_factory=dict)
    left: list[tuple[Any, ...]] = field(default_factory=list)


def scene_of(world: World, connection: psycopg.Connection[Any], number: int, kind: Kind) -> Scenario:
    """A contact with everything, and a second one where the kind needs two."""
    agent = insert_row(
        connection,
        "users",
        {
            "name": f"Agent {number}",
            "email": f"agent{number}@example.org",
            "uid": f"agent{number}@example.org",
            "provider": "email",
            "created_at": "2026-01-01",
            "updated_at": "2026-01-01",
        },
    )
    inbox = insert_row(
        connection,
        "inboxes",
        {
            "account_id": ACCOUNT,
            "name": f"Inbox {number}",
            "channel_type": "Channel::WebWidget",
            "channel_id": number,
            "created_at": "2026-01-01",
            "updated_at": "2026-01-01",
        },
    )
    team = insert_row(
        connection,
        "teams",
        {
            "account_id": ACCOUNT,
            "name": f"team {number}",
            "created_at": "2026-01-01",
            "updated_at": "2026-01-01",
        },
    )
    contact = changes.add_contact(
        connection,
        ACCOUNT,
        inbox_id=inbox,
        name=f"Ada {number}",
        email=f"ada{number}@example.com",
        phone_number=f"+49301234{number:04d}",
        additional_attributes={
            "company_name": f"Firm {number}",
            "company_city": "Berlin",
            "job_title": "Clerk",
            "city": "Berlin",
            "lead_value": 50,
        },
    )
    scenario = Scenario(world, connection, number, contact, inbox=inbox, agent=agent)
    if kind.two:
        scenario.bob = changes.add_contact(
            connection, ACCOUNT, inbox_id=inbox, name=f"Bob {number}", phone_number=f"+49401234{number:04d}"
        )
        conversations.add_conversation(connection, scenario.bob, inbox)
    scenario.talk = conversations.add_conversation(
        connection, contact, inbox, assignee_id=agent, team_id=team, cached_label_list="bug, vip"
    )
    (scenario.display_id,) = connection.execute(
        "SELECT display_id FROM conversations WHERE id = %s", (scenario.talk,)
    ).fetchone() or (0,)
    scenario.asked = conversations.add_message(connection, scenario.talk, "Do you sell plums?")
    scenario.said = conversations.add_message(
        connection, scenario.talk, "Yes", message_type=1, sender_type="Bot", sender_id=None
    )
    connection.execute(
        "UPDATE messages SET sender_type = 'User', sender_id = %s WHERE id = %s", (agent, scenario.said)
    )
    return scenario


def seen(world: World, scenario: Scenario) -> set[Seen]:
    """What is found at present of a scenario's records."""
    rows = world.rows(
        """
        SELECT DISTINCT class, crm_kind, field, side FROM finding
        WHERE state NOT IN ('repaired', 'resolved')
          AND (contact_id = ANY(%s)
               OR (source_kind = 'conversation' AND source_id = %s)
               OR (source_kind = 'message' AND source_id = ANY(%s))
               OR (source_kind = 'company' AND source_id = ANY(%s)))
        """,
        [one for one in (scenario.contact, scenario.bob, scenario.new) if one],
        str(scenario.display_id),
        [str(scenario.asked), str(scenario.said)],
        [f"firm {scenario.number}", f"other {scenario.number}"],
    )
    return {(row[0], row[1], row[2], row[3]) for row in rows}


@dataclass
class Stage:
    """A Chatwoot and a Krayin in which kinds are planted side by side, compared, repaired, compared again."""

    new_database: Callable[..., str]
    chatwoot_template: str
    sync_db_template: str
    postgres: Cluster

    def play(self, kinds: Sequence[Kind], settings: dict[str, Any]) -> Planted:
        chatwoot_url = self.new_database("chatwoot", self.chatwoot_template)
        sync_url = self.new_database("sync", self.sync_db_template)
        result = Planted()
        with running_krayin() as krayin, psycopg.connect(chatwoot_url, autocommit=True) as connection:
            world = World(chatwoot_url, sync_url, krayin, settings={**SETTINGS, **settings})
            scenes = {
                kind.name: scene_of(world, connection, number, kind) for number, kind in enumerate(kinds, 1)
            }
            world.run()
            sync = world.sync()
            compare(sync, ReconcileRequest(depth="full", repair=False))
            result.before = {name: seen(world, scenario) for name, scenario in scenes.items()}
            for kind in kinds:
                kind.plant(scenes[kind.name])
            compare(sync, ReconcileRequest(depth="full", repair=False))
            result.reported = {name: seen(world, scenario) for name, scenario in scenes.items()}
            repair(sync, compare(sync, ReconcileRequest(depth="full", repair=True)))
            compare(sync, ReconcileRequest(depth="full", repair=False))
            result.after = {name: seen(world, scenario) for name, scenario in scenes.items()}
            result.left = world.rows(
                "SELECT state, error_class FROM operation "
                "WHERE state NOT IN ('done', 'superseded', 'rejected') ORDER BY state"
            )
        for url in (chatwoot_url, sync_url):
            self.postgres.drop_database(str(conninfo_to_dict(url)["dbname"]))
        return result


@pytest.fixture(scope="module")
def stage(
    new_database: Callable[..., str], chatwoot_template: str, sync_db_template: str, postgres: Cluster
) -> Stage:
    return Stage(new_database, chatwoot_template, sync_db_template, postgres)


@pytest.fixture(scope="module")
def planted(stage: Stage) -> Planted:
    """All kinds, where Chatwoot's values go before Krayin's."""
    return stage.play(KINDS, OVERWRITE)


@pytest.fixture(scope="module")
def kept(stage: Stage) -> Planted:
    """The kinds that end otherwise where Krayin's values are kept."""
    return stage.play(KEPT_KINDS, KEEP)


def test_there_are_as_many_kinds_as_promised() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    assert sum(bool(kind.found) for kind in KINDS) >= 40


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_nothing_is_found_of_what_is_equal(kind: Kind, planted: Planted) -> None:
    assert planted.before[kind.name] == set()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_it_is_found_and_classified(kind: Kind, planted: Planted) -> None:
    assert planted.reported[kind.name] == kind.found


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_what_can_be_repaired_is_gone(kind: Kind, planted: Planted) -> None:
    assert planted.after[kind.name] == (kind.found if kind.stays is None else kind.stays)


def test_repairs_leave_nothing_undone(planted: Planted) -> None:
    assert planted.left == [("quarantined", "ambiguous_person"), ("unknown", None)]


@pytest.mark.parametrize("kind", KEPT_KINDS, ids=lambda kind: kind.name)
def test_what_is_kept_stays_reported(kind: Kind, kept: Planted) -> None:
    assert kept.before[kind.name] == set()
    assert kept.reported[kind.name] == kind.found
    assert kept.after[kind.name] == stays_when_kept(kind)
