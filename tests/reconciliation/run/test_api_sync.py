"""A sync from Chatwoot's API leaves the same records in Krayin as one from its database."""

from __future__ import annotations

import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from chatwoot.errors import ChatwootApiUnreachable
from psycopg.conninfo import conninfo_to_dict
from reconciliation.drift.request import ReconcileRequest
from reconciliation.drift.run import compare, repair
from reconciliation.errors import IncidentOpenError, InstallationChangedError
from reconciliation.extract.look import FEWER, OTHER
from reconciliation.run.request import RunRequest
from reconciliation.store.run_rows import RunKind

from sandbox.chatwoot import changes, conversations
from sandbox.chatwoot.sample import Sample, fill
from sandbox.chatwoot.schema import create_schema
from sandbox.chatwoot_api.errors import AnsweredError
from sandbox.krayin.testing import running_krayin
from tests.reconciliation.world import World, api_world
from tests.soak import SOAK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandbox.krayin.testing import RunningKrayin
    from stack.postgres import Cluster
    from tests.reconciliation.world import ApiWorld

SIZES = (5_000, 3_000, 20_000) if SOAK else (200, 120, 800)
EVERYTHING_ON = {
    "sync_conversations": True,
    "sync_messages": True,
    "sync_to_organization": True,
    "stage_progression_enabled": True,
    "stage_on_conversation_created": 2,
    "stage_on_first_response": 3,
    "stage_on_conversation_resolved": 4,
    "chatwoot": {"account_id": 1, "url": "https://chat.example.com"},
}
# When a row was written, and its number: nothing that was read from Chatwoot.
_OWN = {"id", "created_at", "updated_at", "unique_id"}


@pytest.fixture
def sample_url(new_database: Callable[..., str], postgres: Cluster) -> Iterator[str]:
    """A Chatwoot database with a sample of SIZES."""
    url = new_database("chatwoot")
    with psycopg.connect(url, autocommit=True) as connection:
        create_schema(connection)
        fill(connection, Sample(*SIZES))
        with_files = connection.execute(
            "SELECT id FROM messages WHERE account_id = 1 AND message_type = 0 ORDER BY id LIMIT 20"
        ).fetchall()
        for row in with_files:
            conversations.add_attachment(connection, row[0], "Offer 1.pdf", "application/pdf", 2_048)
        resolved = connection.execute(
            "SELECT id, last_activity_at + interval '1 hour' FROM conversations WHERE status = 1 LIMIT 20"
        ).fetchall()
        for conversation_id, at in resolved:
            conversations.resolve(connection, conversation_id, at)
    yield url
    postgres.drop_database(str(conninfo_to_dict(url)["dbname"]))


def contents(krayin: RunningKrayin) -> dict[str, Counter[tuple[Any, ...]]]:
    """All that a sync wrote, without the numbers the records happened to get."""
    found = krayin.records()
    names = {
        ("persons", row["id"]): f"person {row['emails']} {row['contact_numbers']}" for row in found["persons"]
    }
    names |= {("organizations", row["id"]): f"organization {row['name']}" for row in found["organizations"]}
    names |= {("leads", row["id"]): f"lead of {names['persons', row['person_id']]}" for row in found["leads"]}
    linked: dict[int, list[str]] = {}
    for table, kind in (("person_activities", "person_id"), ("lead_activities", "lead_id")):
        for row in found[table]:
            owner = names[f"{kind.removesuffix('_id')}s", row[kind]]
            linked.setdefault(row["activity_id"], []).append(owner)
    references = {"person_id": "persons", "organization_id": "organizations", "lead_id": "leads"}

    def plain(row: dict[str, Any]) -> dict[str, Any]:
        return {
            name: names.get((references[name], value), value) if name in references else value
            for name, value in row.items()
            if name not in _OWN
        }

    def tell(row: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(sorted((name, str(value)) for name, value in row.items()))

    values = [
        {**plain(row), "entity_id": names[row["entity_type"], row["entity_id"]]}
        for row in found["attribute_values"]
        if (row["entity_type"], row["entity_id"]) in names
        # The keys by which Krayin tells persons apart hold the organization's number.
        and row["attribute_id"] not in {one["id"] for one in found["attributes"] if one["code"] in references}
    ]
    activities = [{**plain(row), "on": sorted(linked.get(row["id"], []))} for row in found["activities"]]
    written = {
        "persons": [plain(row) for row in found["persons"]],
        "leads": [plain(row) for row in found["leads"]],
        "organizations": [plain(row) for row in found["organizations"]],
        "activities": [row for row in activities if row["additional"] and '"chatwoot"' in row["additional"]],
        "values": values,
    }
    return {table: Counter(map(tell, rows)) for table, rows in written.items()}


@pytest.mark.slow
@pytest.mark.timeout(7_200 if SOAK else 300)
def test_a_full_sync_from_the_api_leaves_what_one_from_the_database_leaves(
    sample_url: str, sync_db_url: str, new_database: Callable[..., str], sync_db_template: str
) -> None:
    with running_krayin() as krayin:
        run = World(sample_url, sync_db_url, krayin, EVERYTHING_ON).run()
        assert run.summary["failed"] == run.summary["waiting"] == 0
        from_database = contents(krayin)
    with (
        running_krayin() as krayin,
        api_world(sample_url, new_database("sync", sync_db_template), krayin, **EVERYTHING_ON) as world,
    ):
        run = world.run()
        assert run.summary["failed"] == run.summary["waiting"] == 0
        from_api = contents(krayin)
        assert world.chatwoot_api is not None
        calls = len(world.chatwoot_api.calls())
        again = world.run(RunRequest(full=True))
        assert again.summary["planned"] == again.summary["activities_planned"] == {}
        assert again.summary["writes"] == 0

    sys.stdout.write(
        f"{calls} calls of Chatwoot's API: { {name: rows.total() for name, rows in from_api.items()} }\n"
    )
    for table, rows in from_database.items():
        assert rows, table
        assert from_api[table] - rows == Counter(), table
        assert rows - from_api[table] == Counter(), table
    assert sum(from_api["persons"].values()) > SIZES[0] * 0.8
    assert sum(from_api["activities"].values()) > (SIZES[1] + SIZES[2] / 2) * 0.8


@pytest.fixture
def by_api(world: World) -> Iterator[ApiWorld]:
    """The empty world, read through the API."""
    keys = {"chatwoot": {"account_id": 1, "source": "api"}}
    with api_world(world.chatwoot_url, world.sync_url, world.krayin, **keys) as made:
        yield made


def test_a_next_run_asks_for_what_is_new_and_an_edit_comes_by_its_webhook(by_api: ApiWorld) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=2)
    ids = [
        by_api.add(email=f"c{number}@example.com", name=f"C {number}", created_at=long_ago)
        for number in range(50)
    ]
    assert by_api.run().summary["created"] == {"person": 50, "lead": 50}
    assert by_api.chatwoot_api is not None
    before = len(by_api.chatwoot_api.calls("/contacts?"))

    new = by_api.add(email="new@example.com", name="New")
    by_api.change(ids[3], name="Renamed")
    run = by_api.run()
    assert (run.summary["read"], run.summary["created"]) == (1, {"person": 1, "lead": 1})
    assert len(by_api.chatwoot_api.calls("/contacts?")) - before == 2
    assert by_api.run().summary["planned"] == {}

    told = by_api.run(RunRequest(kind=RunKind.EVENTS, contact_ids=frozenset({ids[3], new})))
    assert (told.summary["read"], told.summary["updated"]) == (2, {"person": 1, "lead": 1})
    assert "Renamed" in {row["name"] for row in by_api.persons()}


def test_a_reading_that_breaks_off_leaves_nothing_half_taken(by_api: ApiWorld) -> None:
    ids = [by_api.add(email=f"c{number}@example.com") for number in range(60)]
    assert by_api.chatwoot_api is not None
    seen: list[str] = []

    def fail(name: str) -> None:
        seen.append(name)
        if "/contacts?" in name and len(seen) > 4:
            raise AnsweredError(503, {})

    with by_api.chatwoot_api.meanwhile(fail), pytest.raises(ChatwootApiUnreachable, match="503"):
        by_api.run()
    assert by_api.rows("SELECT count(*) FROM watermark") == [(0,)]
    assert by_api.persons() == []
    run = by_api.run()
    assert run.summary["created"] == {"person": len(ids), "lead": len(ids)}
    assert by_api.rows("SELECT count(*) FROM watermark WHERE stream = 'contacts'") == [(1,)]


def test_moving_from_the_database_to_the_api_takes_nobody_for_new(by_api: ApiWorld) -> None:
    contact = by_api.add(email="a@example.com")
    with psycopg.connect(by_api.chatwoot_url, autocommit=True) as connection:
        inbox = connection.execute("SELECT min(id) FROM inboxes WHERE account_id = 1").fetchone()
        assert inbox is not None
        talk = conversations.add_conversation(connection, contact, inbox[0])
        conversations.add_message(connection, talk, "Hello")
    World(by_api.chatwoot_url, by_api.sync_url, by_api.krayin).run(
        sync_conversations=True, sync_messages=True
    )
    known = by_api.installation
    by_api.installation = None
    with pytest.raises(InstallationChangedError) as caught:
        by_api.run()
    assert f"installation: {known}" in str(caught.value)
    assert by_api.rows("SELECT count(*) FROM operation") == [(3,)]

    by_api.installation = known
    run = by_api.run(sync_conversations=True, sync_messages=True)
    assert (run.summary["read"], run.summary["unchanged"], run.summary["writes"]) == (1, 1, 0)
    assert run.summary["activities_unchanged"] == {"conversation": 1, "message": 1}


def test_a_comparison_over_the_api_finds_and_mends_what_no_list_tells(by_api: ApiWorld) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=2)
    ids = [
        by_api.add(email=f"c{number}@example.com", name=f"C {number}", created_at=long_ago)
        for number in range(20)
    ]
    mending = {"reconcile": {"repair": "repair"}}
    by_api.run()
    by_api.change(ids[3], name="Renamed")
    with psycopg.connect(by_api.chatwoot_url, autocommit=True) as connection:
        changes.delete_contact(connection, ids[7])
    assert by_api.run().summary["planned"] == {}

    sync = by_api.sync(**mending)
    repair(sync, compare(sync, ReconcileRequest(depth="full")))
    assert [row["name"] for row in by_api.persons()].count("Renamed") == 1
    found = by_api.rows("SELECT class, contact_id FROM finding WHERE class = 'orphan'")
    assert {contact for _, contact in found} == {ids[7]}
    sync = by_api.sync(**mending)
    again = compare(sync, ReconcileRequest(depth="full"))
    repair(sync, again)
    assert [call for call in by_api.calls(again) if call[0] != "GET"] == []


def open_kinds(world: World) -> list[str]:
    return [row[0] for row in world.rows("SELECT kind FROM incident WHERE closed_at IS NULL ORDER BY id")]


def test_an_api_that_shows_less_is_doubted_and_its_truth_caught_up_with(by_api: ApiWorld) -> None:
    ids = [by_api.add(email=f"a{number}@example.com", name=f"A {number}") for number in range(40)]
    by_api.run()
    before = by_api.rows("SELECT position FROM watermark")
    with psycopg.connect(by_api.chatwoot_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE aside AS SELECT * FROM contacts WHERE id % 2 = 0")
        connection.execute("DELETE FROM contacts WHERE id IN (SELECT id FROM aside)")
        changes.update_contact(connection, ids[0], name="Ada", last_activity_at=datetime.now(UTC))
    by_api.run()
    assert (open_kinds(by_api), by_api.rows("SELECT position FROM watermark")) == ([FEWER], before)
    sync = by_api.sync(on_source_delete="delete")
    repair(sync, compare(sync, ReconcileRequest(depth="full", repair=True)))
    assert (open_kinds(by_api), len(by_api.persons())) == ([FEWER], 40)
    assert by_api.rows("SELECT count(*) FROM mapping WHERE state = 'orphaned'") == [(0,)]
    with psycopg.connect(by_api.chatwoot_url, autocommit=True) as connection:
        connection.execute("INSERT INTO contacts SELECT * FROM aside")
    by_api.run()
    assert open_kinds(by_api) == []
    assert by_api.rows("SELECT position FROM watermark") != before


def test_an_api_without_the_contacts_that_were_known_plans_nothing(by_api: ApiWorld) -> None:
    for number in range(5):
        by_api.add(email=f"a{number}@example.com")
    by_api.run()
    with psycopg.connect(by_api.chatwoot_url, autocommit=True) as connection:
        connection.execute("TRUNCATE contacts CASCADE")
    with pytest.raises(IncidentOpenError, match="none of 5 known contacts looked at is there"):
        by_api.run()
    assert open_kinds(by_api) == [OTHER]


def test_a_token_that_became_an_agents_is_doubted(by_api: ApiWorld) -> None:
    by_api.add(email="a@example.com")
    by_api.token = "own-token"
    with psycopg.connect(by_api.chatwoot_url, autocommit=True) as connection:
        role = (
            "UPDATE account_users SET role = %s WHERE user_id ="
            " (SELECT owner_id FROM access_tokens WHERE token = 'own-token')"
        )
        connection.execute(
            "INSERT INTO access_tokens (owner_type, owner_id, token, created_at, updated_at)"
            " SELECT 'User', min(user_id), 'own-token', now(), now() FROM account_users WHERE role = 1"
        )
        by_api.run()
        connection.execute(role, [0])
        by_api.run()
        ((sentence,),) = by_api.rows("SELECT sentence FROM incident WHERE closed_at IS NULL")
        assert "the access token is an agent's" in sentence
        connection.execute(role, [1])
        by_api.run()
    assert open_kinds(by_api) == []
