"""How fast a first plan is made, and how its time and memory grow.

python benchmarks/planning.py [--sizes 10000 100000 1000000]

All contacts are new to Krayin; each has a phone, a description, a company and attributes. Measured is
the planning of a real sync (`Sync.plan`): from opening Chatwoot to the commit that ends the planning,
in a process of its own against the sandbox's Krayin. Per core is the processor time of that process;
PostgreSQL's own time is shown beside it, since a core of its own does that work at the same time at
best. Baselines of the same run: the physical limit, one COPY of the same columns out of Chatwoot; and a
full-frame diff in pandas, which reads the same columns and what is known already into two frames and
merges them, but maps, matches and writes nothing.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.common.chatwoot_rows import add_contacts, new_chatwoot
from benchmarks.common.results import keep, show
from benchmarks.common.usage import in_a_process, measured, postmaster, report
from stack.postgres import Cluster
from tests.ports import free_ports

ROOT = Path(__file__).resolve().parents[1]
SIZES = (10_000, 100_000, 1_000_000)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--task", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        name, arguments = options.task
        {"plan": plan, "copy": copy_task, "pandas": pandas_task}[name](**json.loads(arguments))
        return
    rows: list[dict[str, Any]] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cluster = Cluster(folder / "postgres", free_ports(1)[0], "benchmark", {"max_wal_size": "4GB"})
        cluster.start()
        stack.callback(cluster.stop, "immediate")
        for size in options.sizes:
            rows.append(of_size(cluster, size))
            show([rows[-1]], "")
    show(rows, "A first plan")
    keep("planning", rows)


def of_size(cluster: Cluster, size: int) -> dict[str, Any]:
    from reconciliation.migrations import upgrade  # noqa: PLC0415

    from sandbox.krayin.testing import running_krayin  # noqa: PLC0415

    for database in ("chatwoot", "sync"):
        cluster.drop_database(database)
        cluster.create_database(database)
    chatwoot, sync = cluster.dsn("chatwoot"), cluster.dsn("sync")
    upgrade(sync)
    with psycopg.connect(chatwoot, autocommit=True) as connection:
        new_chatwoot(connection)
        add_contacts(connection, size)
        connection.execute("CHECKPOINT")
    at = {"chatwoot": chatwoot, "sync": sync, "server": postmaster(cluster)}
    this = Path(__file__)
    copied = in_a_process(this, "copy", **at)
    framed = in_a_process(this, "pandas", **at)
    with running_krayin() as krayin:
        planned = in_a_process(this, "plan", **at, url=krayin.url, token=krayin.token)
    assert planned["planned"] == {"create": size}, planned
    return {
        "contacts": size,
        "seconds": round(planned["wall"], 1),
        "python_cpu": round(planned["python_cpu"], 1),
        "postgres_cpu": round(planned["postgres_cpu"], 1),
        "per_s_and_core": round(size / planned["python_cpu"]),
        "per_s_wall": round(size / planned["wall"]),
        "per_s_all_cpu": round(size / (planned["python_cpu"] + planned["postgres_cpu"])),
        "peak_mb": round(planned["peak_mb"]),
        "copy_s": round(copied["wall"], 2),
        "pandas_s": round(framed["wall"], 2),
        "pandas_mb": round(framed["peak_mb"]),
    }


def plan(chatwoot: str, sync: str, server: int, url: str, token: str) -> None:
    from reconciliation.run.request import RunRequest  # noqa: PLC0415

    from benchmarks.common.worlds import sync_of  # noqa: PLC0415

    one = sync_of(chatwoot, sync, url, token, sync_to_organization=True, default_phone_region="US")
    with measured(server) as usage:
        run_id = one.plan(RunRequest())
    with psycopg.connect(sync) as connection:
        row = connection.execute(
            "SELECT summary FROM krayin_sync.sync_run WHERE id = %s", (run_id,)
        ).fetchone()
    assert row is not None
    report(usage, planned=row[0]["planned"])


def copy_task(chatwoot: str, sync: str, server: int) -> None:  # noqa: ARG001
    from benchmarks.common.baselines import copy_out  # noqa: PLC0415

    with measured(server) as usage:
        copy_out(chatwoot)
    report(usage)


def pandas_task(chatwoot: str, sync: str, server: int) -> None:
    from benchmarks.common.baselines import pandas_diff  # noqa: PLC0415

    with measured(server) as usage:
        pandas_diff(chatwoot, sync)
    report(usage)


if __name__ == "__main__":
    main()
