"""What whole runs cost in calls, and how much of Krayin's shipped limit they use.

python benchmarks/whole_runs.py [--contacts 1000] [--paced 150]

Everything is real but Krayin, which is the sandbox's stand-in over a socket. The base of the calls
is what a straightforward integration makes for one new contact with a company: search the person by
e-mail and by phone, create it, search the organization, create it, link it, search the lead, create
it, read it, set its stage. The base of the pace is the limit itself: 60 calls in any 60 seconds.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from reconciliation.migrations import upgrade
from reconciliation.run import RunRequest
from rich.console import Console
from rich.table import Table

from sandbox.chatwoot import changes
from sandbox.chatwoot.sample import Sample, fill
from sandbox.chatwoot.schema import create_schema
from sandbox.krayin.testing import running_krayin
from stack.postgres import Cluster
from stack.testing import free_ports
from tests.reconciliation.world import World

if TYPE_CHECKING:
    from reconciliation.runs import Run

ROOT = Path(__file__).resolve().parents[1]
STRAIGHTFORWARD_CALLS = 10
LIMIT = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--contacts", type=int, default=1000, help="new contacts of the unpaced runs")
    parser.add_argument("--paced", type=int, default=150, help="new contacts of the run at 60 calls a minute")
    arguments = parser.parse_args()
    console = Console()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cluster = Cluster(folder / "postgres", free_ports(1)[0], "benchmark")
        cluster.start()
        stack.callback(cluster.stop, "immediate")
        rows = calls_of_runs(cluster, arguments.contacts)
        pace = pace_of_run(cluster, arguments.paced)
    table = Table("run", "contacts", "calls", "writes", "per contact", "straightforward", "ratio")
    for row in rows:
        table.add_row(*(str(row[name]) for name in row))
    console.print(table)
    console.print(
        f"{pace['contacts']} contacts at {LIMIT} a minute: {pace['calls']} calls, {pace['refused']} refused, "
        f"{pace['share']:.1%} of the limit after the first minute"
    )
    results = ROOT / "benchmarks" / "results"
    results.mkdir(exist_ok=True)
    (results / "whole_runs.json").write_text(json.dumps({"calls": rows, "pace": pace}, indent=2))


def new_world(cluster: Cluster, name: str, stack: ExitStack, **options: Any) -> World:
    """Return an empty Chatwoot, an empty sync database and a fresh stand-in."""
    for database in (f"chatwoot_{name}", f"sync_{name}"):
        cluster.create_database(database)
    chatwoot, sync = cluster.dsn(f"chatwoot_{name}"), cluster.dsn(f"sync_{name}")
    upgrade(sync)
    with psycopg.connect(chatwoot, autocommit=True) as connection:
        create_schema(connection)
        fill(connection, Sample(contacts=0, conversations=0, messages=0, accounts=1))
    return World(chatwoot, sync, stack.enter_context(running_krayin(**options)))


def add_contacts(world: World, number: int, companies: int = 100) -> list[int]:
    """Add contacts with e-mail, phone and company; every fourth company has an address."""
    with psycopg.connect(world.chatwoot_url) as connection:
        return [
            changes.add_contact(
                connection,
                1,
                name=f"Contact {one}",
                email=f"contact{one}@example.com",
                phone_number=f"+1415{one:07d}",
                additional_attributes={"company_name": f"Company {one % companies}"}
                | ({"company_city": "Pune"} if one % companies % 4 == 0 else {}),
            )
            for one in range(number)
        ]


def calls_of_runs(cluster: Cluster, number: int) -> list[dict[str, Any]]:
    """Return what a first run, a second one and one after changes cost."""
    with ExitStack() as stack:
        world = new_world(cluster, "calls", stack)
        contacts = add_contacts(world, number)
        rows = [_row("new", number, world.run(sync_to_organization=True), STRAIGHTFORWARD_CALLS)]
        persons = Counter(row["value"] for person in world.persons() for row in person["emails"])
        assert len(persons) == number == sum(persons.values()), "a duplicate or a lost contact"
        rows.append(_row("again", number, world.run(RunRequest(full=True), sync_to_organization=True), 0))
        changed = contacts[: number // 10]
        for contact in changed:
            world.change(contact, name=f"Renamed {contact}")
        rows.append(_row("renamed", len(changed), world.run(sync_to_organization=True), 4))
        return rows


def _row(name: str, contacts: int, run: Run, straightforward: int) -> dict[str, Any]:
    calls = run.summary["calls"]
    per_contact = calls / contacts
    return {
        "run": name,
        "contacts": contacts,
        "calls": calls,
        "writes": run.summary["writes"],
        "per_contact": round(per_contact, 3),
        "straightforward": straightforward * contacts,
        "ratio": round(straightforward / per_contact, 1) if per_contact else "-",
    }


def pace_of_run(cluster: Cluster, number: int) -> dict[str, Any]:
    """Return how much of the limit a run uses after its first minute, against the real window."""
    with ExitStack() as stack:
        world = new_world(cluster, "pace", stack, instance="limited")
        world.access_options = {"pace": LIMIT}
        add_contacts(world, number)
        run = world.run()
        at = [row[0] for row in world.rows("SELECT at FROM api_call WHERE run_id = %s ORDER BY at", run.id)]
        steady = [one for one in at if (one - at[0]).total_seconds() >= 60]
        seconds = (steady[-1] - steady[0]).total_seconds()
        return {
            "contacts": number,
            "calls": len(at),
            "refused": run.summary["refused"],
            "share": (len(steady) - 1) / seconds * 60 / LIMIT,
        }


if __name__ == "__main__":
    main()
