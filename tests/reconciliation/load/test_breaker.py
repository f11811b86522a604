"""When Krayin is down, refuses the token or the sync database fails, a run ends early and the next goes on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest
from krayin.errors import KrayinError
from krayin.rate_limiter import RateBudget
from reconciliation.crm import krayin_connection
from reconciliation.errors import RunStoppedError, SyncDatabaseError
from reconciliation.load.loader import BREAKER
from reconciliation.model.timing import Timing
from reconciliation.run.request import RunRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciliation.run.sync_run import Sync

    from tests.reconciliation.world import World

CONTACTS = 12
QUICK = Timing(
    lease=timedelta(seconds=1),
    settle=timedelta(),
    backoff=timedelta(),
    down=timedelta(),
    patience=timedelta(seconds=5),
)


@pytest.fixture(autouse=True)
def _short_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a refusal everybody waits for the end of the limiter's window."""
    monkeypatch.setattr(krayin_connection, "RateBudget", partial(RateBudget, window=1.0))


@pytest.fixture
def planned(world: World) -> tuple[Sync, int]:
    """A sync with a dozen contacts planned, and the run's id."""
    for number in range(CONTACTS):
        world.add(name=f"Contact {number}", email=f"contact{number}@example.com")
    world.access_options = {"options": {"sleep": lambda _: None}}
    sync = replace(world.sync(), timing=QUICK)
    return sync, sync.plan(RunRequest())


def counts(world: World) -> dict[str, int]:
    return dict(world.rows("SELECT state, count(*) FROM operation GROUP BY state"))


def all_is_there_once(world: World) -> None:
    assert counts(world) == {"done": CONTACTS}
    emails = [row["value"] for person in world.persons() for row in person["emails"]]
    assert sorted(emails) == sorted(f"contact{number}@example.com" for number in range(CONTACTS))
    assert len(world.leads()) == CONTACTS


def test_a_krayin_that_is_down_stops_the_run_with_one_message(
    world: World, planned: tuple[Sync, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    sync, run_id = planned
    address = world.krayin.url
    # The run opens Krayin with what it knows of it; then nobody listens any more.
    monkeypatch.setattr(type(sync.krayin), "client", _at("http://127.0.0.1:9/api/v1"))
    with pytest.raises(RunStoppedError) as stopped:
        sync.load(run_id)
    assert "the connection was refused" in str(stopped.value)
    assert f"{CONTACTS} planned operation(s) are kept" in str(stopped.value)
    assert counts(world) == {"planned": CONTACTS}
    ((state, message),) = world.rows("SELECT state, message FROM sync_run WHERE id = %s", run_id)
    assert (state, message) == ("stopped", str(stopped.value))
    (tried,) = world.rows("SELECT count(DISTINCT operation_id) FROM api_call WHERE outcome = 'NotSent'")
    assert tried == (BREAKER,)

    monkeypatch.setattr(type(sync.krayin), "client", _at(f"{address}/api/v1"))
    sync.run(RunRequest())
    all_is_there_once(world)


def _at(base_url: str) -> Callable[..., Any]:
    from krayin.client import KrayinClient

    def client(self: Any, limiter: Any, on_call: Any) -> KrayinClient:
        return KrayinClient(base_url, self.token, limiter=limiter, on_call=on_call, **self.options)

    return client


class AtWrite(httpx.BaseTransport):
    """Does something when the call that creates record `number` is about to be sent."""

    def __init__(self, number: int, do: Callable[[], object]) -> None:
        self._inner = httpx.HTTPTransport()
        self._left = number
        self._do = do

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            self._left -= 1
            if self._left == 0:
                self._do()
        return self._inner.handle_request(request)


@pytest.mark.parametrize("instance", ["unlimited", "unlimited-debug"])
def test_a_token_that_dies_during_the_run_stops_it_and_loses_nothing(
    world: World, planned: tuple[Sync, int], instance: str
) -> None:
    """A login of any program as the same user deletes all of the user's tokens."""
    _, run_id = planned
    world.krayin.configure(instance=instance)
    tokens: list[str] = []

    def log_in_elsewhere() -> None:
        credentials = {"email": "admin@example.com", "password": "admin123", "device_name": "other"}
        tokens.append(world.api("POST", "login", credentials)["token"])

    world.access_options["options"]["transport"] = AtWrite(4, log_in_elsewhere)
    with pytest.raises(RunStoppedError) as stopped:
        replace(world.sync(), timing=QUICK).load(run_id)
    assert "token" in str(stopped.value)
    left = CONTACTS - 3
    assert stopped.value.waiting == left
    assert counts(world) == {"done": 3, "planned": left}
    assert world.krayin.token not in str(stopped.value)

    del world.access_options["options"]["transport"]
    with pytest.raises((KrayinError, RunStoppedError), match="token"):
        replace(world.sync(), timing=QUICK).run(RunRequest(full=True))
    world.krayin.token = tokens[0]
    replace(world.sync(), timing=QUICK).run(RunRequest())
    all_is_there_once(world)


def test_a_page_instead_of_krayin_stops_the_run_and_sets_nothing_aside(
    world: World, planned: tuple[Sync, int]
) -> None:
    sync, run_id = planned
    world.krayin.set_faults({"kind": "status_503", "method": "POST"})
    for _ in range(3):
        with pytest.raises(RunStoppedError, match="503"):
            sync.load(run_id)
        resolve_now(world)
    assert "quarantined" not in counts(world)
    world.krayin.clear_faults()
    sync.run(RunRequest())
    all_is_there_once(world)


def resolve_now(world: World) -> None:
    world.rows("UPDATE operation SET next_attempt_at = clock_timestamp() WHERE state = 'unknown' RETURNING 1")


@pytest.mark.parametrize("number", [1, 5])
def test_a_sync_database_that_breaks_off_ends_the_run_cleanly_and_the_next_goes_on(
    world: World, planned: tuple[Sync, int], number: int
) -> None:
    """The connection is lost while a call is under way: its answer cannot be recorded."""
    _, run_id = planned

    def restart() -> None:
        world.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    world.access_options["options"]["transport"] = AtWrite(number, restart)
    with pytest.raises(SyncDatabaseError, match="the next run goes on"):
        replace(world.sync(), timing=QUICK).load(run_id)
    assert counts(world)["in_flight"] == 1
    assert len(world.leads()) == number

    del world.access_options["options"]["transport"]
    replace(world.sync(), timing=QUICK).run(RunRequest())
    all_is_there_once(world)


def test_a_full_disk_ends_the_run_cleanly_and_the_next_goes_on(
    world: World, planned: tuple[Sync, int]
) -> None:
    """As PostgreSQL says it: writing fails, reading goes on."""
    sync, run_id = planned
    change_schema(
        world,
        """
        CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
        CREATE TRIGGER no_room BEFORE UPDATE OF acked_hash ON mapping FOR EACH ROW EXECUTE FUNCTION no_room();
    """,
    )
    with pytest.raises(SyncDatabaseError, match="Make room on its disk"):
        sync.load(run_id)
    assert counts(world)["in_flight"] == 1
    change_schema(world, "DROP TRIGGER no_room ON mapping")
    sync.run(RunRequest())
    all_is_there_once(world)


def change_schema(world: World, statements: str) -> None:
    with psycopg.connect(world.sync_url, autocommit=True) as connection:
        connection.execute("SET search_path = krayin_sync")
        connection.execute(statements)


def test_a_run_whose_loading_was_tried_again_tells_all_that_it_did(
    world: World, planned: tuple[Sync, int]
) -> None:
    sync, run_id = planned
    world.krayin.set_faults({"kind": "status_503", "skip": 5})
    with pytest.raises(RunStoppedError):
        sync.load(run_id)
    ((before,),) = world.rows("SELECT summary FROM sync_run")
    assert 0 < before["created"]["person"] < CONTACTS
    world.krayin.clear_faults()
    run = sync.load(run_id)
    all_is_there_once(world)
    assert run.summary["created"] == {"lead": CONTACTS, "person": CONTACTS}
    assert (run.summary["done"], run.summary["waiting"]) == (CONTACTS, 0)
