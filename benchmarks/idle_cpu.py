"""How much of a core a stack uses that has nothing to do, by component.

PYTHONPATH=plugins:. .venv/bin/python benchmarks/idle_cpu.py --set AIRFLOW__API__WORKERS=2

The stack of `make up` with the sandbox, its DAGs unpaused and on their schedules, after its first sync.
Counted is the CPU time of the processes and of all they started, as the kernel has it: it hardly depends on
what else the machine does.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import psutil

from benchmarks.common.results import keep, show
from tests.running_stack import RunningStack, running_stack


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument(
        "--settle", type=int, default=60, help="seconds after the first sync that are not counted"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="settings of Airflow"
    )
    arguments = parser.parse_args()
    os.environ.update(each.split("=", 1) for each in arguments.set)
    with tempfile.TemporaryDirectory() as folder, running_stack(Path(folder) / "data") as stack:
        time.sleep(arguments.settle)
        before, began = used(stack), time.monotonic()
        time.sleep(arguments.seconds)
        after, seconds = used(stack), time.monotonic() - began
    shares = {name: round((after[name] - before.get(name, 0.0)) / seconds, 3) for name in after}
    measured = [
        {"set": " ".join(arguments.set) or "as shipped", **shares, "all": round(sum(shares.values()), 3)}
    ]
    show(measured, "Idle: of one core")
    keep("idle_cpu", measured)


def used(stack: RunningStack) -> dict[str, float]:
    """Return the CPU seconds of each component so far, with those of its ended children."""
    said = stack.instance.supervised()
    assert said
    found: dict[str, float] = defaultdict(float)
    for component in said["components"]:
        found[component["name"]] = of_tree(component["pid"])
    server = (stack.instance.layout.postgres / "postmaster.pid").read_text().split()[0]
    found["postgres"] = of_tree(int(server))
    return found


def of_tree(number: int) -> float:
    """Return the CPU seconds of a process, of its descendants, and of all that they waited for."""
    process = psutil.Process(number)
    total = 0.0
    for each in (process, *process.children(recursive=True)):
        try:
            times = each.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


if __name__ == "__main__":
    main()
