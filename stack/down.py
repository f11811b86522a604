"""Ends a stack, so that no process of it is left."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import psutil

from stack import process
from stack.errors import MachineError
from stack.supervisor import GRACE_SECONDS

if TYPE_CHECKING:
    from stack.instance import Instance
    from stack.progress import Progress

LEFTOVER_GRACE_SECONDS = 10.0


def stop_processes(instance: Instance) -> int:
    """End the supervisor, its components and whatever they left; return how many were left over."""
    supervisor = instance.supervisor()
    if supervisor is not None:
        supervisor.send_signal(signal.SIGTERM)
        _, alive = psutil.wait_procs([supervisor], timeout=GRACE_SECONDS + 15)
        for each in alive:
            each.kill()
    left = process.marked(instance.layout.root)
    process.end(left, grace=LEFTOVER_GRACE_SECONDS)
    instance.layout.supervisor.unlink(missing_ok=True)
    return len(left)


def down(instance: Instance, progress: Progress) -> None:
    """Stop everything of `instance`, PostgreSQL last; its data stays.

    Raises:
        MachineError: a process could not be ended.
    """
    with progress.step("Stopping Airflow"):
        left = stop_processes(instance)
    if left:
        progress.say(f"  {left} process(es) without a parent were stopped as well.")
    with progress.step("Stopping PostgreSQL"):
        instance.cluster.stop()
    remaining = [f"{each.pid} {each.name()}" for each in process.marked(instance.layout.root)]
    if instance.cluster.running():
        remaining.append("PostgreSQL")
    if remaining:
        raise MachineError(f"Still running: {', '.join(remaining)}. Run `make down` again.")
