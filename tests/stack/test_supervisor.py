"""The supervisor, with real processes of little weight."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from stack import instance, process
from stack.settings import ROOT, load
from stack.supervisor import Component, Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from stack.instance import Instance

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]
# A child in a session of its own, as tasks are, and a parent that ignores the polite signal.
STUBBORN_CODE = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)
time.sleep(600)
"""
STUBBORN = [sys.executable, "-c", STUBBORN_CODE]


def eventually(check: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "did not come true"
        time.sleep(0.05)


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Instance]:
    data_dir = tmp_path / "data dir"
    data_dir.mkdir()
    made = instance.open_instance(load(_env_file=None, data_dir=data_dir, postgres_port=1))
    # PostgreSQL is not the matter here: as if it were up.
    yield made
    supervisor = made.supervisor()
    if supervisor:
        supervisor.kill()
    process.end(process.marked(data_dir), grace=1)


def start(made: Instance, commands: dict[str, list[str]]) -> subprocess.Popen[bytes]:
    root = str(made.layout.root)
    environment = {**os.environ, process.MARK: root}
    plan = Plan(
        data_dir=root,
        fingerprint="f",
        ports=[],
        postgres_port=1,
        postgres_password="",
        postgres_settings={},
        components=[Component(name, command, environment, root) for name, command in commands.items()],
    )
    # PostgreSQL is not the matter here; without it the supervisor has only its components.
    code = "import stack.supervisor as s; s._keep_up = lambda cluster: None; s.main()"
    running = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), process.MARK: root},
        start_new_session=True,
    )
    assert running.stdin
    running.stdin.write(plan.to_json().encode())
    running.stdin.close()
    eventually(made.supervised)
    return running


def components(made: Instance) -> dict[str, dict]:
    said = made.supervised()
    return {each["name"]: each for each in said["components"]} if said else {}


def test_it_runs_each_component_in_its_own_group_and_ends_them(stack: Instance) -> None:
    running = start(stack, {"one": SLEEPER, "two": SLEEPER})
    pids = [each["pid"] for each in components(stack).values()]
    assert len({os.getpgid(pid) for pid in pids} | {os.getpgid(running.pid)}) == 3
    running.send_signal(signal.SIGTERM)
    assert running.wait(30) == 0
    assert [pid for pid in pids if psutil.pid_exists(pid)] == []
    assert stack.supervised() is None


def test_it_restarts_what_dies_and_says_so(stack: Instance) -> None:
    start(stack, {"one": SLEEPER, "two": SLEEPER})
    before = components(stack)
    os.kill(before["one"]["pid"], signal.SIGKILL)
    eventually(lambda: components(stack)["one"]["starts"] == 2 and components(stack)["one"]["pid"])
    after = components(stack)
    assert after["one"]["pid"] != before["one"]["pid"]
    assert after["one"]["exit_code"] == -signal.SIGKILL
    assert after["two"]["pid"] == before["two"]["pid"]
    assert "ended with exit code -9" in stack.layout.log("one").read_text()


def test_what_keeps_dying_is_started_ever_more_slowly(stack: Instance) -> None:
    start(stack, {"bad": [sys.executable, "-c", "import sys; print('no such setting'); sys.exit(4)"]})
    eventually(lambda: components(stack)["bad"]["failures"] >= 3)
    lines = stack.layout.log("bad").read_text().splitlines()
    starts = [line for line in lines if line.endswith("starting")]
    assert len(starts) == components(stack)["bad"]["starts"]
    assert "no such setting" in lines
    assert components(stack)["bad"]["exit_code"] == 4


def test_a_command_that_cannot_be_started_leaves_the_others(stack: Instance) -> None:
    start(stack, {"gone": ["/nonexistent/python"], "one": SLEEPER})
    eventually(lambda: components(stack)["gone"]["failures"] >= 1)
    assert components(stack)["one"]["pid"]
    assert "cannot be started" in stack.layout.log("gone").read_text()


def test_down_leaves_nothing_even_of_the_stubborn(stack: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instance, "LEFTOVER_GRACE_SECONDS", 1.0)
    running = start(stack, {"stubborn": STUBBORN})
    eventually(lambda: len(process.marked(stack.layout.root)) == 3)
    # Killed, the supervisor cannot end what it started.
    running.kill()
    running.wait()
    assert len(process.marked(stack.layout.root)) == 2
    assert stack.stop_processes() == 2
    assert process.marked(stack.layout.root) == []


def test_secrets_are_on_no_command_line_and_in_no_file(stack: Instance) -> None:
    root = str(stack.layout.root)
    secret = "s3cr3t-of-the-component"
    environment = {**os.environ, process.MARK: root, "AIRFLOW__CORE__FERNET_KEY": secret}
    plan = Plan(root, "f", [], 1, "pg-" + secret, {}, [Component("one", SLEEPER, environment, root)])
    assert Plan.from_json(plan.to_json()) == plan
    assert secret not in repr(plan) + repr(plan.components)
    start(stack, {"one": SLEEPER})
    assert "FERNET" not in stack.layout.supervisor.read_text()


def test_a_number_that_another_process_has_by_now_is_not_ours(stack: Instance) -> None:
    own = psutil.Process()
    instance.write_json(stack.layout.supervisor, {"pid": own.pid, "started": own.create_time() - 100})
    assert stack.supervised() is None
    assert stack.supervisor() is None
    assert process.same(own.pid, own.create_time()) is not None


def test_it_ends_when_its_data_is_deleted(stack: Instance) -> None:
    running = start(stack, {"one": SLEEPER})
    pid = components(stack)["one"]["pid"]
    stack.layout.marker.unlink()
    assert running.wait(30) == 0
    assert not psutil.pid_exists(pid)


def test_the_state_file_is_valid_at_any_moment(stack: Instance) -> None:
    start(stack, {"bad": [sys.executable, "-c", "raise SystemExit(1)"]})
    for _ in range(50):
        json.loads(stack.layout.supervisor.read_text())
        time.sleep(0.02)
