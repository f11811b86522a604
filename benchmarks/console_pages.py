"""How long the pages of the console take on a sync database that has grown large.

python benchmarks/console_pages.py [--bindings 1000000] [--calls 10000000] [--findings 100000] [--rounds 30]

Half of the bindings are persons, half leads; each contact was planned twice, and a tenth
of the plans waits. Every page is asked for by a
user who may see values, in the application itself, so that the time is the server's alone; each round takes
another contact. The plans of statements that took longer than 50 milliseconds go to
`results/console_pages.plans`.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
from reconciliation.migrations import upgrade
from reconciliation.settings.sync_files import load_syncs
from reconciliation.web.page_context import PageContext
from reconciliation.web.status_app import create_app

from benchmarks.common.results import FOLDER, keep, show
from stack.postgres import Cluster
from tests.ports import free_port
from tests.reconciliation.web.test_status_app import DAGS, User

if TYPE_CHECKING:
    from collections.abc import Iterator

SLOW_MS = 50
GROW = Path(__file__).with_suffix(".sql")
OURS = {"Sec-Fetch-Site": "same-origin"}


def grow(url: str, **numbers: int) -> None:
    """Fill a fresh sync database."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET search_path = krayin_sync")
        connection.execute("SET session_replication_role = replica")
        for statement in GROW.read_text(encoding="utf-8").split(";\n"):
            began = time.monotonic()
            connection.execute(statement, numbers, prepare=False)  # type: ignore[call-overload]
            print(f"{time.monotonic() - began:7.1f} s  {' '.join(statement.split())[:60]}", flush=True)


def pages(contact: int) -> Iterator[tuple[str, str, str, dict[str, str]]]:
    """Yield what is asked for: its name, method, address and form."""
    yield "overview", "GET", "", {}
    yield "sync", "GET", "syncs/test", {}
    yield "runs", "GET", "runs/test", {}
    yield "find by part of a phone", "POST", "find", {"text": f"{1_000_000 + contact}"[1:]}
    yield "find by name", "POST", "find", {"text": f"Person {contact}"}
    yield "find by id", "POST", "find", {"text": str(contact)}
    yield "record", "GET", f"records/test/{contact}", {}
    yield "work", "GET", "work", {}
    yield "work, later page", "GET", "work?before=300&reason=ambiguous_person", {}
    yield "decisions", "GET", "decisions/test", {}
    yield "differences", "GET", "differences/test", {}
    yield "differences, filtered", "GET", "differences/test?class=changed&field=name&side=theirs", {}
    yield "differences, new", "GET", "differences/test?change=new", {}
    yield "differences, gone", "GET", "differences/test?change=gone", {}
    yield "differences, none found", "GET", "differences/test?class=missing", {}
    yield "comparisons", "GET", "comparisons/test", {}
    yield "comparisons, later page", "GET", "comparisons/test?before=100", {}


async def measure(url: str, folder: Path, bindings: int, rounds: int) -> list[dict[str, Any]]:
    """Return for each page how long it took."""
    (folder / "test.yaml").write_text("name: test\nchatwoot: {account_id: 1}\n", encoding="utf-8")

    async def signed_in() -> User:
        return User("ada")

    def nothing(*_: Any) -> str:
        return ""

    context = PageContext(
        signed_in=signed_in,
        readable=lambda _: DAGS,
        login=lambda _: None,
        may_start=lambda *_: True,
        start=nothing,
        question=lambda _: None,
        answer=lambda *_: None,
        audit=nothing,
        syncs=lambda: load_syncs(folder),
        open_sync=nothing,  # type: ignore[arg-type]
        sync_dsn=lambda: url,
    )
    took: dict[str, list[float]] = {}
    sizes: dict[str, int] = {}
    app = httpx.ASGITransport(create_app(context))
    async with httpx.AsyncClient(transport=app, base_url="http://console", headers=OURS) as client:
        for number in range(rounds + 1):
            for name, method, address, form in pages(1 + number * 7919 % (bindings // 2)):
                began = time.perf_counter()
                answer = await client.request(method, f"/{address}", data=form or None)
                assert answer.status_code == 200, (name, answer.text[:300])
                # The first round compiles the templates.
                if number:
                    took.setdefault(name, []).append(1000 * (time.perf_counter() - began))
                    sizes[name] = len(answer.content)
    return [
        {
            "page": name,
            "median_ms": round(statistics.median(times)),
            "p95_ms": round(statistics.quantiles(times, n=20)[-1]),
            "kB": round(sizes[name] / 1000),
        }
        for name, times in took.items()
    ]


def main() -> None:
    """Measure and keep."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bindings", type=int, default=1_000_000)
    parser.add_argument("--calls", type=int, default=10_000_000)
    parser.add_argument("--findings", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=30)
    options = vars(parser.parse_args())
    rounds = options.pop("rounds")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        explain = {
            "session_preload_libraries": "auto_explain",
            "auto_explain.log_min_duration": str(SLOW_MS),
            "auto_explain.log_analyze": "on",
            "auto_explain.log_timing": "off",
        }
        settings = {"max_wal_size": "8GB", "shared_buffers": "512MB", **explain}
        cluster = Cluster(folder / "sync", free_port(), "benchmark", settings)
        cluster.start()
        stack.callback(cluster.stop, "immediate")
        cluster.create_database("sync")
        upgrade(cluster.dsn("sync"))
        grow(cluster.dsn("sync"), **options)
        offset = cluster.log.stat().st_size
        rows = asyncio.run(measure(cluster.dsn("sync"), folder, options["bindings"], rounds))
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / "console_pages.plans").write_bytes(cluster.log.read_bytes()[offset:])
    show(rows, "{bindings:,} bindings, {calls:,} calls, {findings:,} findings".format(**options))
    keep("console_pages", rows)


if __name__ == "__main__":
    main()
