"""How many calls each kind of change costs, and how long 10,000 contacts take at Krayin's shipped limit.

python benchmarks/calls.py [--number 200] [--contacts 10000]

The baseline is the call pattern of the integration this replaces, really run against the sandbox's Krayin:
for a new contact search the person by e-mail and by phone, create it, search the organization, create it
if need be, link it, search the lead, create it, read it, set its stage.

The first load is of contacts with a conversation each and messages, the leads in the stages that these have
reached: a tenth won, the rest answered or only begun. A person with its lead, and an activity, count as one
record each.

The long run is the real loader against the stand-in that enforces Krayin's real window of 60 calls in 60
seconds; only the clock is injected: where the loader would wait for its turn, the budget's clock and the
stand-in's are put forward together. Its physical limit is one call for each contact.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from krayin.rate_limiter import RateBudget
from reconciliation.crm import krayin_connection
from reconciliation.migrations import upgrade
from reconciliation.run.request import RunRequest

from benchmarks.common.chatwoot_rows import add_contacts, new_chatwoot
from benchmarks.common.results import keep, show
from benchmarks.common.straightforward import Straightforward
from sandbox.chatwoot import changes, conversations
from sandbox.krayin.testing import running_krayin
from stack.postgres import Cluster
from tests.ports import free_ports
from tests.reconciliation.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.krayin.testing import RunningKrayin

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 60
CONTACTS_A_COMPANY = 12
FOLLOW_UP, PROSPECT, WON = 2, 3, 5
ADVANCING_CLOCK = """
CREATE TABLE krayin_sync.benchmark_clock (ahead interval NOT NULL);
INSERT INTO krayin_sync.benchmark_clock VALUES ('0');
CREATE OR REPLACE FUNCTION krayin_sync.rate_budget_now() RETURNS timestamptz LANGUAGE sql VOLATILE AS
$$ SELECT clock_timestamp() + ahead FROM krayin_sync.benchmark_clock $$;
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--number", type=int, default=200, help="changes of each kind")
    parser.add_argument("--contacts", type=int, default=10_000, help="new contacts of the long run")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cluster = Cluster(folder / "postgres", free_ports(1)[0], "benchmark")
        cluster.start()
        stack.callback(cluster.stop, "immediate")
        kinds = calls_of_changes(cluster, options.number)
        show(kinds, "Calls for each change")
        loads = [
            first_load(cluster, options.number, {"version": version, "database": database})
            for version, database in (("2.1", "mariadb"), ("2.2", "mysql"))
        ]
        show(loads, "Calls of a first load with conversations, messages and stages")
        long = long_run(cluster, options.contacts)
        show([long], f"New contacts at {LIMIT} calls a minute")
    keep("calls", {"changes": kinds, "first_loads": loads, "long_run": long})


def new_world(cluster: Cluster, name: str, krayin: RunningKrayin) -> World:
    for database in (f"chatwoot_{name}", f"sync_{name}"):
        cluster.create_database(database)
    world = World(cluster.dsn(f"chatwoot_{name}"), cluster.dsn(f"sync_{name}"), krayin)
    upgrade(world.sync_url)
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        new_chatwoot(connection)
    return world


def calls_of_changes(cluster: Cluster, number: int) -> list[dict[str, Any]]:
    """Return what each kind of change costs this product, and the straightforward integration."""
    plain = straightforward_calls(number)
    ours: dict[str, float] = {}
    with running_krayin() as krayin:
        world = new_world(cluster, "changes", krayin)
        with psycopg.connect(world.chatwoot_url, autocommit=True) as chatwoot:
            contacts = [
                changes.add_contact(
                    chatwoot,
                    1,
                    name=f"Contact {one}",
                    email=f"contact{one}@example.com",
                    phone_number=f"+1415{one:07d}",
                    additional_attributes={"company_name": f"Company {one // CONTACTS_A_COMPANY}"},
                )
                for one in range(number)
            ]
            settings: dict[str, Any] = {
                "sync_to_organization": True,
                "max_changes_without_approval": {"number": 10 * number},
            }
            ours["new contact with company"] = _calls(world, settings)
            ours["nothing changed"] = _calls(world, settings)
            for contact in contacts:
                changes.update_contact(chatwoot, contact, name=f"Renamed {contact}")
            ours["changed contact (person and lead)"] = _calls(world, settings)
            settings |= {"sync_conversations": True}
            talks = [conversations.add_conversation(chatwoot, contact, 1) for contact in contacts]
            ours["conversation"] = _calls(world, settings)
            settings |= {"sync_messages": True, "sync_conversations": False}
            for talk in talks:
                conversations.add_message(chatwoot, talk, "Hello")
            ours["message"] = _calls(world, settings)
            settings |= {
                "sync_messages": False,
                "stage_progression_enabled": True,
                "stage_on_conversation_created": FOLLOW_UP,
            }
            ours["stage move"] = _calls(world, settings)
    return [
        {
            "change": kind,
            "number": number,
            "straightforward": round(plain[kind] / number, 2),
            "this": round(calls / number, 3),
            "times fewer": round(plain[kind] / calls, 1) if calls and plain[kind] else "-",
        }
        for kind, calls in ours.items()
    ]


def first_load(cluster: Cluster, number: int, krayin_is: dict[str, str]) -> dict[str, Any]:
    """Return what the first load of `number` contacts costs a Krayin of some version and database."""
    with running_krayin(**krayin_is) as krayin:
        world = new_world(cluster, f"first_{krayin_is['database']}", krayin)
        with psycopg.connect(world.chatwoot_url, autocommit=True) as chatwoot:
            for one in range(number):
                contact = changes.add_contact(
                    chatwoot, 1, name=f"Contact {one}", email=f"contact{one}@example.com"
                )
                answered, resolved = one % 2 == 0, one % 10 == 0
                talk = conversations.add_conversation(
                    chatwoot,
                    contact,
                    1,
                    status=int(resolved),
                    first_reply_created_at=datetime.now(UTC) if answered else None,
                )
                conversations.add_message(chatwoot, talk, "Hello")
        run = world.run(
            RunRequest(),
            sync_conversations=True,
            sync_messages=True,
            stage_progression_enabled=True,
            stage_on_conversation_created=FOLLOW_UP,
            stage_on_first_response=PROSPECT,
            stage_on_conversation_resolved=WON,
        )
    calls, made = run.summary["calls"], run.summary["created"]
    records = made["lead"] + made["activity"]
    return {
        **krayin_is,
        "contacts": number,
        "records": records,
        "calls": calls,
        "calls a record": round(calls / records, 3),
    }


def _calls(world: World, settings: dict[str, Any]) -> float:
    return float(world.run(RunRequest(), **settings).summary["calls"])


def straightforward_calls(number: int) -> dict[str, int]:
    """Run the pattern this product replaces and return its calls by kind of change."""
    with running_krayin() as krayin:
        plain = Straightforward(krayin.url, krayin.token)
        spent: dict[str, int] = {}

        @contextmanager
        def counting(kind: str) -> Iterator[None]:
            before = plain.calls
            yield
            spent[kind] = plain.calls - before

        who = [(f"Contact {one}", f"contact{one}@example.com", f"+1415{one:07d}") for one in range(number)]
        with counting("new contact with company"):
            ids = [
                plain.new_contact(*one, f"Company {place // CONTACTS_A_COMPANY}")
                for place, one in enumerate(who)
            ]
        # It looks at everything by updated_at, and calls nobody if nothing is newer.
        with counting("nothing changed"):
            pass
        with counting("changed contact (person and lead)"):
            for (person, lead), (name, email, phone) in zip(ids, who, strict=True):
                plain.changed_contact(person, lead, f"Renamed {name}", email, phone)
        with counting("conversation"):
            for (person, _), (_, email, _) in zip(ids, who, strict=True):
                plain.said(person, email, "Conversation #1")
        with counting("message"):
            for (person, _), (_, email, _) in zip(ids, who, strict=True):
                plain.said(person, email, "Message - Conversation #1")
        with counting("stage move"):
            for (_, lead), (name, _, _) in zip(ids, who, strict=True):
                plain.moved(lead, name, FOLLOW_UP)
        return spent


def long_run(cluster: Cluster, number: int) -> dict[str, Any]:
    """Return how long new contacts take at the shipped limit, by the clock that is put forward."""
    with running_krayin("limited") as krayin:
        world = new_world(cluster, "long", krayin)
        world.access_options = {"pace": LIMIT}
        with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
            add_contacts(connection, number)
        with psycopg.connect(world.sync_url, autocommit=True) as clock:
            clock.execute(ADVANCING_CLOCK)
            skipped = 0.0

            def skip(seconds: float) -> None:
                nonlocal skipped
                skipped += seconds
                clock.execute(
                    "UPDATE krayin_sync.benchmark_clock SET ahead = make_interval(secs => %s)", (skipped,)
                )
                krayin.application.krayin.clock.offset_seconds = skipped

            paced = krayin_connection.RateBudget
            krayin_connection.RateBudget = partial(RateBudget, sleep=skip)
            try:
                started = time.monotonic()
                run = world.run(sync_to_organization=True, default_phone_region="US")
                minutes = (skipped + time.monotonic() - started) / 60
            finally:
                krayin_connection.RateBudget = paced
        created = run.summary["created"]
        assert created["lead"] == number, created
    return {
        "contacts": number,
        "calls": run.summary["calls"],
        "refused": run.summary["refused"],
        "minutes": round(minutes, 1),
        "limit minutes": round(number / LIMIT, 1),
        "ratio": round(minutes * LIMIT / number, 3),
        "straightforward minutes": round(number * 10 / LIMIT),
    }


if __name__ == "__main__":
    main()
