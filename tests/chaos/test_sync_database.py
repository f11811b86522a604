"""The sync database restarts, breaks off or runs full in the middle of plans and loads."""

from __future__ import annotations

import os
import random
import sys
import threading
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest
from krayin.rate_limiter import RateBudget
from reconciliation.crm import krayin_connection
from reconciliation.errors import SyncDatabaseError
from reconciliation.migrations import upgrade
from reconciliation.model.timing import Timing
from reconciliation.run.request import RunRequest

from sandbox.chatwoot import changes, conversations
from sandbox.krayin.testing import running_krayin
from stack.postgres import Cluster
from tests.chaos.seed import SEED
from tests.ports import free_port
from tests.reconciliation.world import World
from tests.soak import SOAK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONTACTS, BREAKS = (60, 100) if SOAK else (8, 4)
QUICK = Timing(
    lease=timedelta(seconds=2),
    settle=timedelta(),
    backoff=timedelta(),
    down=timedelta(),
    patience=timedelta(seconds=5),
)
SETTINGS = {
    "sync_to_organization": True,
    "sync_messages": True,
    "stage_progression_enabled": True,
    "stage_on_conversation_created": 2,
}


@pytest.fixture(scope="module")
def own_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A PostgreSQL that nobody else uses, to be stopped and started."""
    cluster = Cluster(tmp_path_factory.mktemp("own") / "data", free_port(), "tests")
    cluster.start()
    yield cluster
    cluster.stop("immediate")


@pytest.fixture(autouse=True)
def _short_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls that were never settled hold their slots for a window."""
    monkeypatch.setattr(krayin_connection, "RateBudget", partial(RateBudget, window=1.0, call_timeout=2.0))


@pytest.fixture
def world(new_databases: Callable[[], tuple[str, str]], own_cluster: Cluster) -> Iterator[World]:
    """Contacts who wrote; the sync database lies in a cluster of its own."""
    chatwoot_url, _ = new_databases()
    name = f"sync_{os.urandom(4).hex()}"
    own_cluster.create_database(name)
    upgrade(own_cluster.dsn(name))
    with running_krayin() as krayin:
        world = World(chatwoot_url, own_cluster.dsn(name), krayin, SETTINGS)
        # The budget makes its slots in one statement, which must fit between two breaks.
        world.access_options = {"pace": 300, "options": {"sleep": lambda _: None}}
        talk(world, range(CONTACTS))
        yield world
    own_cluster.drop_database(name)


def talk(world: World, numbers: range) -> None:
    with psycopg.connect(world.chatwoot_url) as connection:
        for number in numbers:
            contact = changes.add_contact(
                connection, 1, name=f"Contact {number}", email=f"contact{number}@example.com",
                additional_attributes={"company_name": f"Company {number % 3}"},
            )  # fmt: skip
            conversation = conversations.add_conversation(connection, contact, 1)
            conversations.add_message(connection, conversation, f"Message {number}")


def run(world: World) -> dict[str, Any]:
    return dict(replace(world.sync(), timing=QUICK).run(RunRequest()).summary)


def all_is_there_once(world: World, contacts: int = CONTACTS) -> None:
    for _ in range(20):
        if run(world)["waiting"] == 0:
            break
    # What a run had staged that could not even note its end.
    world.rows("UPDATE sync_run SET started_at = started_at - interval '1 day' RETURNING 1")
    run(world)
    states = dict(world.rows("SELECT state, count(*) FROM operation GROUP BY state"))
    assert set(states) <= {"done", "superseded"}
    assert sorted(person["name"] for person in world.persons()) == sorted(
        f"Contact {number}" for number in range(contacts)
    )
    assert [int(lead["lead_pipeline_stage_id"]) for lead in world.leads()] == [2] * contacts
    assert len(world.organizations()) == 3
    said = world.api("GET", "activities?pagination=0&type=note,call,email")["data"]
    assert sorted(one["comment"].rpartition("<br>")[2] for one in said) == sorted(
        f"Message {number}" for number in range(contacts)
    )
    assert world.rows("SELECT run_id FROM staged_activity UNION SELECT run_id FROM staged_contact") == []


class AtCall(httpx.BaseTransport):
    """Does something once, when the `number`th call of `method` is about to be sent."""

    def __init__(self, method: str, number: int, do: Callable[[], object]) -> None:
        self._inner = httpx.HTTPTransport()
        self._method, self._left, self._do = method, number, do

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == self._method:
            self._left -= 1
            if self._left == 0:
                self._do()
        return self._inner.handle_request(request)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "method", "number"), [("fast", "GET", 7), ("immediate", "POST", 2)], ids=["plan", "load"]
)
def test_a_restart_ends_the_run_with_one_message_and_the_next_goes_on(
    world: World, own_cluster: Cluster, mode: Any, method: str, number: int
) -> None:
    def restart() -> None:
        own_cluster.stop(mode)
        own_cluster.start()

    world.access_options["options"]["transport"] = AtCall(method, number, restart)
    with pytest.raises(SyncDatabaseError) as failed:
        run(world)
    assert "nothing is lost, the next run goes on" in str(failed.value)
    assert "\n" not in str(failed.value)
    del world.access_options["options"]["transport"]
    assert world.rows("SELECT count(*) FROM mapping WHERE crm_kind = 'lead' AND state = 'linked'") == [
        (number - 1 if method == "POST" else 0,)
    ]
    all_is_there_once(world)


@pytest.mark.chaos
@pytest.mark.timeout(1800 if SOAK else 300)
def test_connections_that_break_at_any_moment_lose_and_repeat_nothing(
    world: World, own_cluster: Cluster
) -> None:
    sys.stdout.write(f"CHAOS_SEED={SEED}\n")
    chance = random.Random(SEED)
    stop = threading.Event()
    broken: Counter[str] = Counter()

    def breaking() -> None:
        name = psycopg.conninfo.conninfo_to_dict(world.sync_url)["dbname"]
        while not stop.wait(chance.uniform(0.05, 1.0)):
            with psycopg.connect(own_cluster.dsn(), autocommit=True) as connection:
                rows = connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
                )
                broken["connections"] += rows.rowcount

    thread = threading.Thread(target=breaking)
    thread.start()
    contacts = CONTACTS
    try:
        while broken["runs"] < BREAKS:
            try:
                if run(world)["waiting"] == 0:
                    talk(world, range(contacts, contacts + 5))
                    contacts += 5
            except SyncDatabaseError:
                broken["runs"] += 1
    finally:
        stop.set()
        thread.join()
    all_is_there_once(world, contacts)
    sys.stdout.write(f"seed {SEED}: {dict(broken)}, {contacts} contacts, all there once\n")


NO_ROOM = """
    CREATE FUNCTION krayin_sync.no_room() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
"""
TABLES = ("staged_activity", "mapping", "operation", "api_call", "rate_budget_slot")


@pytest.mark.slow
@pytest.mark.parametrize("table", TABLES)
def test_a_full_disk_ends_the_run_with_one_message_wherever_it_is_noticed(world: World, table: str) -> None:
    """As PostgreSQL says it: what needs room fails, reading goes on."""
    with psycopg.connect(world.sync_url, autocommit=True) as connection:
        connection.execute(NO_ROOM)
        connection.execute(
            f"CREATE TRIGGER no_room BEFORE INSERT OR UPDATE ON krayin_sync.{table} EXECUTE FUNCTION krayin_sync.no_room()"
        )
        with pytest.raises(SyncDatabaseError) as failed:
            run(world)
        assert "Make room on its disk" in str(failed.value)
        assert "\n" not in str(failed.value)
        connection.execute("DROP FUNCTION krayin_sync.no_room CASCADE")
    all_is_there_once(world)
