"""Processes of the stack: who they are, which are left over, how they end."""

from __future__ import annotations

import contextlib
import os
import subprocess
from typing import TYPE_CHECKING

import psutil

from stack.errors import ComponentError

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterable, Mapping
    from pathlib import Path

MARK = "KRAYIN_SYNC_STACK"
"""Environment variable that every process of a stack inherits; its value is the data directory."""
GRACE_SECONDS = 20.0
"""How long the supervisor lets its components end by themselves."""


def same(pid: int, started: float) -> psutil.Process | None:
    """Return process `pid` if it is alive and began at `started` (seconds since 1970), else None.

    A number alone may belong to another process by now: it must never be signalled.
    """
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        if abs(process.create_time() - started) < 1 and process.status() != psutil.STATUS_ZOMBIE:
            return process
    return None


def marked(data_dir: Path) -> list[psutil.Process]:
    """Return the live processes of the stack in `data_dir`, this process and its parents excepted."""
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        if process.pid in own:
            continue
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == str(data_dir) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def end(processes: Iterable[psutil.Process], grace: float) -> list[psutil.Process]:
    """Ask `processes` to end, kill those alive after `grace` seconds; return the killed ones."""
    asked = list(processes)
    for process in asked:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _, alive = psutil.wait_procs(asked, timeout=grace)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=10)
    return alive


def signal_group(pid: int, number: signal.Signals) -> None:
    """Send signal `number` to the process group that `pid` leads, if it still exists."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def listener(port: int) -> str | None:
    """Return name and number of the process listening on TCP `port`, as far as we may know."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            if (
                connection.status != psutil.CONN_LISTEN
                or not connection.laddr
                or connection.laddr.port != port
            ):
                continue
            if connection.pid is None:
                break
            process = psutil.Process(connection.pid)
            command = " ".join(process.cmdline())[:160]
            return f"{process.name()} (process {connection.pid}, started as: {command})"
    return None


def run_to_end(
    component: str, command: list[str], log: Path, *, directory: Path, environment: Mapping[str, str]
) -> None:
    """Run a command with its output in `log`.

    Raises:
        ComponentError: it ended with another exit code than 0.
    """
    with log.open("w") as output:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=directory,
            check=False,
        )
    if done.returncode != 0:
        raise ComponentError(component, f"failed with exit code {done.returncode}", log)
