"""Three syncs, two Krayins, one budget shared by two of the syncs, four workers at once.

A minute of it at a raised limit is as many calls as an hour at Krayin's own; SOAK=1 runs three.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import random
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from chatwoot.database.source import DatabaseSource
from reconciliation.run.request import RunRequest
from reconciliation.run.sync_run import Sync
from reconciliation.settings.sync_settings import SyncSettings
from reconciliation.store.run_rows import RunKind

from sandbox.chatwoot import changes
from sandbox.chatwoot.insertion import insert_row
from sandbox.krayin.testing import RunningKrayin, running_krayin
from tests.reconciliation.world import StandInAccess
from tests.soak import SOAK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.reconciliation.world import World

log = logging.getLogger(__name__)

SECONDS = 180.0 if SOAK else 15.0
LIMIT = 1_200 if SOAK else 900
WORKERS = 4
WINDOW = timedelta(seconds=60)
NOW = datetime(2026, 5, 5, tzinfo=UTC)
AT_MOST = 4_000


@dataclass(frozen=True)
class Place:
    """What a worker needs to know to run one of the syncs; plain, so that it can be handed to a process."""

    settings: dict[str, Any]
    chatwoot_url: str
    sync_url: str
    address: str
    token: str

    def sync(self) -> Sync:
        return Sync(
            settings=SyncSettings.model_validate(self.settings),
            sync_dsn=self.sync_url,
            source=DatabaseSource(self.chatwoot_url),
            krayin=StandInAccess(self.address, self.token, pace=LIMIT),
        )


def request(rng: random.Random) -> RunRequest:
    """Any of the ways in: schedule, hand, webhook, backfill."""
    kind = rng.choice(
        [RunKind.SCHEDULED, RunKind.SCHEDULED, RunKind.MANUAL, RunKind.EVENTS, RunKind.BACKFILL]
    )
    if kind is RunKind.EVENTS:
        some = frozenset(rng.sample(range(1, AT_MOST), 50))
        return RunRequest(kind=kind, contact_ids=some, seconds=3)
    if kind is RunKind.BACKFILL:
        now = datetime.now(UTC)
        return RunRequest(kind=kind, window=(now - timedelta(seconds=20), now), seconds=3)
    return RunRequest(kind=kind, full=kind is RunKind.MANUAL, seconds=3)


def work(places: list[Place], seed: int, seconds: float) -> None:
    """Run one sync after another until the time is over; a failing run fails the process."""
    rng = random.Random(seed)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        rng.choice(places).sync().run(request(rng))


@pytest.fixture
def abroad() -> Iterator[RunningKrayin]:
    with running_krayin("limited", requests_per_minute=LIMIT) as krayin:
        yield krayin


@pytest.fixture
def here() -> Iterator[RunningKrayin]:
    with running_krayin("limited", requests_per_minute=LIMIT) as krayin:
        yield krayin


class Office:
    """Two Chatwoot accounts whose contacts come and change; knows what each Krayin should show."""

    def __init__(self, url: str, seed: int) -> None:
        self.rng = random.Random(seed)
        self.connection = psycopg.connect(url, autocommit=True)
        self.other = insert_row(
            self.connection, "accounts", {"name": "Other", "locale": 0, "created_at": NOW, "updated_at": NOW}
        )
        row = self.connection.execute("SELECT min(id), max(id) FROM inboxes WHERE account_id = 1").fetchone()
        assert row is not None
        self.inboxes: tuple[int, int] = row
        self.names: dict[int, tuple[str, str]] = {}
        """Contact id: e-mail and name as they are now."""
        self.accounts: dict[int, int] = {}

    def add(self) -> None:
        account = self.rng.choice([1, 1, self.other])
        number = len(self.names)
        email, name = f"person{number}@example.com", f"Person {number}"
        contact = changes.add_contact(
            self.connection,
            account,
            inbox_id=self.rng.choice(self.inboxes) if account == 1 else None,
            name=name,
            email=email,
            additional_attributes={"company_name": f"Company {number % 17}"},
        )
        self.names[contact], self.accounts[contact] = (email, name), account

    def rename(self) -> None:
        contact = self.rng.choice(list(self.names))
        email, _ = self.names[contact]
        name = f"Renamed {self.rng.random():.9f}"
        changes.update_contact(self.connection, contact, name=name)
        self.names[contact] = email, name

    def expected(self, account: int) -> dict[str, str]:
        return {
            email: name for contact, (email, name) in self.names.items() if self.accounts[contact] == account
        }


def shown(world: World, krayin: RunningKrayin) -> list[tuple[str, str]]:
    world.krayin = krayin
    return [(row["value"], person["name"]) for person in world.persons() for row in person["emails"]]


def most_in_a_window(world: World, address: str) -> int:
    """The largest number of calls to one Krayin in any 60 seconds."""
    rows = world.rows(
        "SELECT at FROM api_call JOIN krayin_target ON krayin_target.id = target_id"
        " WHERE base_url LIKE %s ORDER BY at",
        f"{address}%",
    )
    times = [at for (at,) in rows]
    first, most = 0, 0
    for last, at in enumerate(times):
        while at - times[first] >= WINDOW:
            first += 1
        most = max(most, last - first + 1)
    return most


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_three_syncs_two_krayins_and_four_workers_make_everything_once(
    world: World, here: RunningKrayin, abroad: RunningKrayin
) -> None:
    seed = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(10**6)
    # Shown when the test fails; SEED=… repeats it.
    log.warning("SEED=%d", seed)
    office = Office(world.chatwoot_url, seed)
    common = (world.chatwoot_url, world.sync_url)
    whole = {"name": "whole", "chatwoot": {"account_id": 1}, "sync_to_organization": True}
    part = {
        "name": "part",
        "chatwoot": {"account_id": 1, "inboxes": [office.inboxes[0]]},
        "sync_to_organization": True,
    }
    other = {"name": "other", "chatwoot": {"account_id": office.other}}
    places = [
        Place(whole, *common, here.url, here.token),
        Place(part, *common, here.url, here.token),
        Place(other, *common, abroad.url, abroad.token),
    ]
    for _ in range(30):
        office.add()
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=work, args=(places, seed + number, SECONDS)) for number in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        if len(office.names) < AT_MOST // 2:
            office.add()
        office.rename()
        time.sleep(0.1)
    for worker in workers:
        worker.join(300)
    assert [worker.exitcode for worker in workers] == [0] * WORKERS

    for place in places:
        place.sync().run(RunRequest())
    for krayin, account in ((here, 1), (abroad, office.other)):
        people = shown(world, krayin)
        assert set(Counter(email for email, _ in people).values()) == {1}
        assert dict(people) == office.expected(account)
        assert len(world.leads()) == len(people)
        assert not [call for call in krayin.calls() if call["status"] == 500 and call["user_id"]], (
            "a call was refused"
        )
        busiest = most_in_a_window(world, krayin.url)
        log.warning(
            "account %d: %d people, at most %d calls in a minute of %d", account, len(people), busiest, LIMIT
        )
        assert busiest <= LIMIT
    world.krayin = here
    companies = Counter(row["name"] for row in world.organizations())
    assert set(companies.values()) == {1}
    assert dict(world.rows("SELECT state, count(*) FROM operation GROUP BY 1")).keys() <= {
        "done",
        "superseded",
    }
