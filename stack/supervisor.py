"""The one parent process of all components: starts them, restarts those that die, ends them.

Started by `up` as `python -m stack.supervisor`, with its plan as JSON on standard input: secrets in
the components' environment are thus neither on a command line nor in a file.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import IO, Any

import psutil

from stack import process
from stack.errors import StackError
from stack.instance import Layout, write_json
from stack.postgres import Cluster

STABLE_SECONDS = 60.0
LONGEST_BACKOFF_SECONDS = 60.0
LOG_LIMIT_BYTES = 50_000_000


@dataclass(frozen=True, slots=True, repr=False)
class Component:
    """One process to keep running: its name, command line, environment and working directory."""

    name: str
    command: list[str]
    environment: dict[str, str]
    directory: str


@dataclass(frozen=True, slots=True, repr=False)
class Plan:
    """What a supervisor keeps running, and a fingerprint that tells one plan from another."""

    data_dir: str
    fingerprint: str
    ports: list[int]
    postgres_port: int
    postgres_password: str
    postgres_settings: dict[str, str]
    components: list[Component]

    def to_json(self) -> str:
        """Return the plan as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Return the plan that `to_json` wrote."""
        content = json.loads(text)
        content["components"] = [Component(**each) for each in content["components"]]
        return cls(**content)


@dataclass(slots=True)
class Child:
    """A component's present process and its history."""

    component: Component
    log: Path
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    starts: int = 0
    failures: int = 0
    exit_code: int | None = None
    due: float = 0.0
    """Monotonic time before which it is not started again."""

    def start(self) -> None:
        """Start the process in a session of its own, its output appended to its log."""
        self.started = time.monotonic()
        self.starts += 1
        with self.log.open("ab") as output:
            _headline(output, "starting")
            try:
                self.process = subprocess.Popen(
                    self.component.command,
                    env=self.component.environment,
                    cwd=self.component.directory,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    # Its own group, so that ending it reaches whatever it started.
                    start_new_session=True,
                )
            except OSError as error:
                # An interpreter that is being replaced must not take the other components down.
                _headline(output, f"cannot be started: {error}")
                self._failed()

    def reap(self) -> bool:
        """Note the end of the process; tell whether it ended just now."""
        if self.process is None or self.process.poll() is None:
            return False
        self.exit_code = self.process.returncode
        # What the dead leader left behind would hold its ports and locks.
        process.signal_group(self.process.pid, signal.SIGKILL)
        if time.monotonic() - self.started > STABLE_SECONDS:
            self.failures = 0
        self._failed()
        self.process = None
        with self.log.open("ab") as output:
            _headline(output, f"ended with exit code {self.exit_code}")
        return True

    def _failed(self) -> None:
        self.failures += 1
        self.due = time.monotonic() + min(2.0 ** (self.failures - 1), LONGEST_BACKOFF_SECONDS)

    def state(self) -> dict[str, Any]:
        """Return what `up` and `status` show of this component."""
        return {
            "name": self.component.name,
            "pid": self.process.pid if self.process is not None else None,
            "starts": self.starts,
            "failures": self.failures,
            "exit_code": self.exit_code,
        }


@dataclass(slots=True)
class Supervisor:
    """Keeps the components of one plan running until told to stop."""

    plan: Plan
    stop: Event = field(default_factory=Event)
    children: list[Child] = field(default_factory=list)

    def run(self) -> None:
        """Start everything, watch it until `stop` is set, end everything."""
        layout = Layout(Path(self.plan.data_dir))
        cluster = Cluster(
            layout.postgres, self.plan.postgres_port, self.plan.postgres_password, self.plan.postgres_settings
        )
        self.children = [Child(each, layout.log(each.name)) for each in self.plan.components]
        for child in self.children:
            child.start()
        self._publish(layout)
        turn = 0
        # A deleted data directory takes the stack with it instead of leaving it to run on nothing.
        while not self.stop.wait(1.0) and layout.marker.exists():
            changed = self._revive()
            if turn % 10 == 0:
                _keep_up(cluster)
            if turn % 60 == 0:
                for child in self.children:
                    _cut(child.log)
            turn += 1
            if changed:
                self._publish(layout)
        self._end(layout)

    def _revive(self) -> bool:
        changed = False
        for child in self.children:
            changed |= child.reap()
            if child.process is None and time.monotonic() >= child.due:
                child.start()
                changed = True
        return changed

    def _publish(self, layout: Layout) -> None:
        own = psutil.Process()
        write_json(
            layout.supervisor,
            {
                "pid": own.pid,
                "started": own.create_time(),
                "fingerprint": self.plan.fingerprint,
                "ports": self.plan.ports,
                "components": [child.state() for child in self.children],
            },
        )

    def _end(self, layout: Layout) -> None:
        running = [child.process for child in self.children if child.process is not None]
        # Last started, first ended: tasks still reach the API server while they are stopped.
        for each in reversed(running):
            process.signal_group(each.pid, signal.SIGTERM)
        deadline = time.monotonic() + process.GRACE_SECONDS
        for each in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                each.wait(max(0.1, deadline - time.monotonic()))
        for each in running:
            process.signal_group(each.pid, signal.SIGKILL)
            each.wait()
        layout.supervisor.unlink(missing_ok=True)


def _keep_up(cluster: Cluster) -> None:
    if not cluster.running():
        try:
            cluster.start()
        except StackError as error:
            print(error, file=sys.stderr, flush=True)


def _cut(log: Path) -> None:
    # Written in append mode by the component, so it goes on at the start of the emptied file.
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        shutil.copyfile(log, log.with_suffix(".log.1"))
        os.truncate(log, 0)


def _headline(output: IO[bytes], text: str) -> None:
    output.write(f"--- {datetime.now(UTC).isoformat(timespec='seconds')} {text}\n".encode())
    output.flush()


def main() -> None:
    """Run the plan that stands on standard input."""
    plan = Plan.from_json(sys.stdin.read())
    # Children get the mark from the plan; a PostgreSQL started here is ended by pg_ctl, not by mark.
    os.environ.pop(process.MARK, None)
    supervisor = Supervisor(plan)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: supervisor.stop.set())
    supervisor.run()


if __name__ == "__main__":
    main()
