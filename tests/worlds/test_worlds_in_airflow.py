"""Lying worlds on the stack of `make up`: the connections, DAGs and tasks that users have."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from sandbox.krayin.testing import KrayinControl
from stack import connections
from stack.errors import RunFailedError
from tests.reconciliation.world import World, reading_role
from tests.running_stack import RunningStack, running_stack
from tests.soak import SOAK
from tests.worlds.laws import harm, state
from tests.worlds.lies import LIES, TABLES
from tests.worlds.scenario import Scenario, Watched

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(1800)]

SYNC = "lied_to"
# Nobody is asked: what a look gets wrong is not caught by the guard.
SETTINGS = f"""\
name: {SYNC}
schedule: null
chatwoot: {{account_id: 1}}
sync_conversations: true
sync_messages: true
on_source_delete: delete
reconcile: {{schedule: null, repair: repair}}
max_changes_without_approval: {{number: 100000, share: 1.0}}
max_removals_without_approval: {{number: 100000, share: 1.0}}
"""
PEOPLE = 16
CASES = (
    "row-security-hides-all",
    "older-dump",
    "row-security-hides-some",
    "row-security-on-messages",
    "most-contacts-missing",
    "contacts-and-talk-missing",
    "truncated",
    "refilled",
    "view-in-its-place",
    "account-gone",
    "copy-elsewhere",
    "emptied-copy-elsewhere",
)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    syncs = tmp_path_factory.mktemp("syncs")
    (syncs / f"{SYNC}.yaml").write_text(SETTINGS)
    with running_stack(
        tmp_path_factory.mktemp("worlds"),
        krayin_sync_syncs=syncs,
        sandbox_contacts=PEOPLE,
        sandbox_conversations=4,
        sandbox_messages=8,
        airflow_parallelism=2,
    ) as running:
        yield running


@pytest.fixture
def scenario(stack: RunningStack) -> Iterator[Scenario]:
    krayin: Any = KrayinControl(stack.krayin_url, stack.krayin_token)
    with reading_role(stack.chatwoot_dsn) as reader:
        world = World(stack.chatwoot_dsn, stack.sync_dsn, krayin, reader=reader)
        yield Scenario(world, Watched(), None)
    for name in (f"{kept}_{one}" for kept in ("whole", "older") for one in TABLES):
        world.chatwoot(f"DROP TABLE IF EXISTS {name}")


def connect(stack: RunningStack, scenario: Scenario) -> None:
    """Have Airflow read Chatwoot as the scenario does."""
    assert scenario.world.reader is not None
    stack.api.write_connections([connections.postgres(connections.CHATWOOT, scenario.world.reader, "")])


def day(stack: RunningStack) -> list[str]:
    """Run the sync, the sync in full and the comparison; return what those said that failed."""
    said = []
    for dag, conf in (("sync", {}), ("sync", {"full": True}), ("reconcile", {"depth": "full"})):
        try:
            stack.run(f"{SYNC}__{dag}", conf)
        except RunFailedError as failed:
            said.append(str(failed))
    return said


def newest(scenario: Scenario) -> int:
    with psycopg.connect(scenario.world.chatwoot_url) as connection:
        row = connection.execute("SELECT max(id) FROM contacts").fetchone()
    assert row is not None
    return int(row[0])


def news(scenario: Scenario, round_: str) -> None:
    """Somebody new, somebody renamed, somebody deleted."""
    last = newest(scenario)
    scenario.world.add(name=f"New {round_}", email=f"new-{round_}@example.com")
    # Who is deleted next must not be of the few changed last: after a move that would be asked about.
    for number in range(2, 8):
        scenario.world.change(number, name=f"Renamed {round_}")
    if last > PEOPLE + 1:
        scenario.delete(last)


def people(scenario: Scenario) -> set[str]:
    with psycopg.connect(scenario.world.chatwoot_url) as connection:
        rows = connection.execute(
            "SELECT lower(email) FROM contacts WHERE account_id = 1 AND email <> '' AND NOT blocked"
        ).fetchall()
    return {row[0] for row in rows}


@pytest.mark.parametrize("lie", CASES if SOAK else CASES[:2])
def test_in_a_lying_world(stack: RunningStack, scenario: Scenario, lie: str) -> None:
    world, means = scenario.world, LIES[lie]
    with psycopg.connect(world.sync_url) as connection:
        # Days later: what other cases removed counts no more for what is asked about.
        connection.execute("UPDATE krayin_sync.operation SET created_at = created_at - interval '3 days'")
    connect(stack, scenario)
    means.prepare(scenario)
    news(scenario, f"{lie}-1")
    assert day(stack) == []
    news(scenario, f"{lie}-2")
    before = state(world.krayin)
    means.begin(scenario)
    connect(stack, scenario)
    said = day(stack)
    now = state(world.krayin)
    told = [*said, *world.kinds()]

    means.end(scenario)
    connect(stack, scenario)
    assert day(stack) == []
    calm = state(world.krayin)
    assert harm(before, calm, now) == []
    assert now == calm or told, "silently skipped"
    assert world.kinds() == []
    waiting = "SELECT state, source_kind, source_id, error_class FROM operation"
    assert world.rows(f"{waiting} WHERE state IN ('planned', 'unknown', 'held')") == []
    found = Counter(email["value"].lower() for row in world.persons() for email in row["emails"])
    assert {email: found[email] for email in people(scenario)} == dict.fromkeys(people(scenario), 1)
    assert f"Renamed {lie}-2" in {row["name"] for row in world.persons()}
    assert set(Counter(lead["person"]["id"] for lead in world.leads()).values()) == {1}
