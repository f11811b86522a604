"""Runs a workload in four processes at once while workers are killed and Krayin misbehaves."""

from __future__ import annotations

import math
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from reconciliation.store.decisions import ReplayRequest, replay

from tests.chaos.worker import DONE, LEFT, POINTS, READ_TIMEOUT, STOPPED, Job, work
from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.chaos.served import Served

WORKERS = 4
FOLLOW_UP, PROSPECT, WON = 2, 3, 5
SETTINGS = {
    "name": "test",
    "chatwoot": {"account_id": 1},
    "sync_to_organization": True,
    "sync_conversations": True,
    "sync_messages": True,
    "activity_link": "both",
    "stage_progression_enabled": True,
    "stage_on_conversation_created": FOLLOW_UP,
    "stage_on_first_response": PROSPECT,
    "stage_on_conversation_resolved": WON,
    # Nobody is there to approve.
    "max_changes_without_approval": {"number": 1_000_000},
}
# Each worker's load ends after this, so that new changes are planned.
SECONDS = 20.0


def faults(share: float) -> list[dict[str, Any]]:
    """Return rules that meet about `share` of the calls between them."""
    slow = READ_TIMEOUT + 0.7
    kinds: list[dict[str, Any]] = [
        {"kind": "drop_before"},
        {"kind": "drop_after"},
        {"kind": "delay_before", "seconds": slow},
        {"kind": "delay_after", "seconds": slow},
        {"kind": "delay_after", "seconds": 0.2},
        {"kind": "error_before"},
        {"kind": "error_after"},
        {"kind": "status_502"},
        {"kind": "status_503"},
        {"kind": "status_504", "after": True},
        {"kind": "wrong_json"},
        {"kind": "wrong_json", "after": True},
    ]
    return [{**kind, "probability": share / len(kinds)} for kind in kinds]


@dataclass(frozen=True)
class _Worker:
    job: Job
    started: float
    kill_at: float | None


@dataclass
class Chaos:
    """One world under attack; all decisions come from `seed`."""

    chatwoot_url: str
    sync_url: str
    krayin: Served
    folder: Path
    seed: int
    share: float = 0.0
    kills_wanted: int = 0
    each_point: int = 0
    restarts_wanted: int = 0
    killed: Counter[str] = field(default_factory=Counter)
    ended: Counter[int] = field(default_factory=Counter)
    restarts: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    _running: dict[Any, _Worker] = field(default_factory=dict)

    def __post_init__(self) -> None:
        os.environ["PYTHONPATH"] = f"{ROOT}:{ROOT / 'plugins'}"
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["tests.chaos.worker"])
        self._chance = random.Random(self.seed)

    @property
    def log(self) -> Path:
        return self.folder / "workers.log"

    @property
    def deaths(self) -> Counter[str]:
        """Kills at named points by what was being done there."""
        path = self.folder / "deaths"
        return Counter(path.read_text().splitlines()) if path.exists() else Counter()

    @property
    def satisfied(self) -> bool:
        """Whether everything that should happen has happened."""
        return (
            self.killed["random"] >= self.kills_wanted
            and all(self.killed[point] >= self.each_point for point in POINTS)
            and self.restarts >= self.restarts_wanted
        )

    def disturb(self) -> None:
        """Switch the faults on."""
        if self.share:
            self.krayin.set_faults(faults(self.share), self._chance.randrange(2**31))
            self.krayin.trouble(
                page_before=self.share / 12, page_after=self.share / 12, seed=self._chance.randrange(2**31)
            )

    def drain(self, deadline: float, meanwhile: Callable[[], None] | None = None) -> None:
        """Run four workers at a time until one that began after `meanwhile` finds everything done."""
        began = time.monotonic()
        changes_at = began + self._chance.uniform(0.5, 4.0)
        trouble_at = began + self._chance.uniform(0.5, 3.0)
        done = False
        while not done or self._running:
            now = time.monotonic()
            if meanwhile is not None and now > changes_at:
                meanwhile()
                meanwhile, began = None, time.monotonic()
            assert now < deadline, f"not done in time; see {self.log}"
            while not done and len(self._running) < WORKERS:
                self._start(now)
            if not done and self.share and now > trouble_at:
                self._trouble()
                trouble_at = time.monotonic() + self._chance.uniform(2.0, 6.0)
            done |= self._reap(now, began if meanwhile is None else math.inf)
            time.sleep(0.02)

    def _start(self, now: float) -> None:
        point = None
        kill_at = None
        wanted = [point for point in POINTS if self.killed[point] < self.each_point]
        if wanted and self._chance.random() < 0.6:
            point = self._chance.choice(wanted)
        elif self.killed["random"] < self.kills_wanted and self._chance.random() < 0.8:
            kill_at = now + self._chance.uniform(0.2, 3.0)
        job = Job(
            self.chatwoot_url, self.sync_url, self.krayin.url, self.krayin.token, SETTINGS, str(self.log),
            str(self.folder / "deaths"), SECONDS,
            point=point, nth=self._chance.randint(1, 6), seed=self._chance.randrange(2**31),
        )  # fmt: skip
        process = self._context.Process(target=work, args=(job,), daemon=True)
        process.start()
        self._running[process] = _Worker(job, now, kill_at)

    def _trouble(self) -> None:
        if self.restarts < self.restarts_wanted and self._chance.random() < 0.3:
            self.krayin.kill()
            time.sleep(self._chance.uniform(0.0, 1.0))
            self.krayin.start()
            self.restarts += 1
            self.disturb()
        else:
            form = self._chance.choice(("429", "500", "announced 500"))
            self.krayin.trouble(refuse=form, seconds=self._chance.uniform(0.2, 1.0))
            self.refusals[form] += 1

    def _reap(self, now: float, began: float) -> bool:
        done = False
        for process, worker in list(self._running.items()):
            if worker.kill_at is not None and now >= worker.kill_at and process.is_alive():
                process.kill()
            if process.is_alive():
                continue
            process.join()
            del self._running[process]
            if process.exitcode == -signal.SIGKILL:
                self.killed[worker.job.point or "random"] += 1
            else:
                assert process.exitcode in {DONE, LEFT, STOPPED}, f"a worker crashed; see {self.log}"
                self.ended[process.exitcode or 0] += 1
                done |= process.exitcode == DONE and worker.started >= began and not self.marks()
            process.close()
        return done

    def marks(self) -> int:
        """Activities still to be marked done or not."""
        with psycopg.connect(self.sync_url) as connection:
            row = connection.execute("SELECT count(*) FROM krayin_sync.activity_mark").fetchone()
            return int(row[0]) if row else 0

    def operations(self) -> Counter[str]:
        """Operations by state."""
        with psycopg.connect(self.sync_url) as connection:
            rows = connection.execute("SELECT state, count(*) FROM krayin_sync.operation GROUP BY state")
            return Counter(dict(rows.fetchall()))

    def mapping(self) -> dict[str, Counter[str]]:
        """What each Chatwoot record is mapped to, ids aside, with what counts as sent."""
        with psycopg.connect(self.sync_url) as connection:
            rows = connection.execute(
                "SELECT source_kind, source_id, crm_kind, state,"
                # Whether Krayin made an organization with a person is told by its time, which a lost answer hides.
                " CASE WHEN crm_kind <> 'organization' THEN origin END, source_hash = acked_hash,"
                # Ids of what it hangs on.
                " last_sent - 'person' - 'lead', pending_write FROM krayin_sync.mapping"
            ).fetchall()
        return {"mapping": Counter(str(row) for row in rows)}

    def leaks(self, words: Sequence[str]) -> list[str]:
        """Where one of `words` stands: in the log of workers, or in the sync database outside payloads."""
        found = [f"{self.log.name}: {word}" for word in words if word in self.log.read_text(errors="replace")]
        with psycopg.connect(self.sync_url) as connection:
            connection.execute("SET search_path = krayin_sync")
            tables = connection.execute(
                "SELECT table_name FROM information_schema.tables"
                " WHERE table_schema = 'krayin_sync' AND table_type = 'BASE TABLE'"
            ).fetchall()
            for (table,) in tables:
                for word in words:
                    query = sql.SQL(
                        "SELECT count(*) FROM {} AS t WHERE position({} in (to_jsonb(t) - 'payload')::text) > 0"
                    ).format(sql.Identifier(table), word)
                    row = connection.execute(query).fetchone()
                    if row and row[0]:
                        found.append(f"{row[0]} rows of {table}: {word}")
        return found

    def a_day_passes(self) -> None:
        """Let runs that died be old enough for what they left to be taken away."""
        with psycopg.connect(self.sync_url) as connection:
            connection.execute("UPDATE krayin_sync.sync_run SET started_at = started_at - interval '1 day'")

    def payloads(self) -> str:
        """All that operations keep of what is to be written."""
        with psycopg.connect(self.sync_url) as connection:
            rows = connection.execute("SELECT payload::text FROM krayin_sync.operation").fetchall()
            return "\n".join(row[0] for row in rows)

    def replay(self) -> int:
        """Plan again what is quarantined, as a person would after an outage; return how much that was."""
        with psycopg.connect(self.sync_url, autocommit=True) as connection:
            return replay(connection, ReplayRequest(str(SETTINGS["name"]), everything=True), by="ada").planned

    def quarantine(self) -> list[tuple[Any, ...]]:
        """What a person should look at."""
        with psycopg.connect(self.sync_url) as connection:
            return connection.execute(
                "SELECT id, source_kind, source_id, step, error_class, error_message FROM krayin_sync.operation"
                " WHERE state = 'quarantined' ORDER BY id"
            ).fetchall()
