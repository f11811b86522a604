"""`make up` for real: PostgreSQL, Airflow, the sandbox; minutes, not seconds."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING
from unittest.mock import create_autospec

import httpx
import psutil
import psycopg
import pytest

from stack import process
from stack.errors import StackError
from stack.instance import Instance
from stack.progress import Progress
from stack.settings import ROOT
from stack.up import _migrate_sync, up
from tests.ports import free_ports
from tests.running_stack import RunningStack, running_stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(900)]

CONTACTS = 12


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    data_dir = tmp_path_factory.mktemp("stack") / "with space"
    with running_stack(
        data_dir,
        sandbox_contacts=CONTACTS,
        sandbox_conversations=4,
        sandbox_messages=8,
        airflow_parallelism=2,
    ) as running:
        yield running
    assert process.marked(data_dir) == []
    assert not running.instance.cluster.running()
    for port in (running.instance.settings.airflow_port, running.instance.settings.postgres_port):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))


def eventually(check: Callable[[], object], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "did not come true"
        time.sleep(0.5)


def pids(stack: RunningStack) -> dict[str, int]:
    said = stack.instance.supervised()
    assert said
    return {each["name"]: each["pid"] for each in said["components"]}


def command_line(*arguments: str, **environment: object) -> subprocess.CompletedProcess[str]:
    """Run the command line as the Makefile does, with nothing of this process's own settings."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-m", "stack", *arguments],
        cwd=ROOT,
        env={**inherited, **{name: str(value) for name, value in environment.items()}},
        stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def test_every_part_of_airflow_is_healthy(stack: RunningStack) -> None:
    assert set(stack.api.health().values()) == {"healthy"}
    assert stack.api.import_errors() == []
    # What the health checks of docker-compose.yaml look for.
    said = stack.api.client.get("/api/v2/monitor/health").text
    assert all(f'"{part}":{{"status":"healthy"' in said for part in ("dag_processor", "triggerer"))
    assert httpx.get(stack.url, follow_redirects=True).status_code == 200


def test_the_sandbox_is_synced(stack: RunningStack) -> None:
    paused = stack.api.paused()
    assert paused["krayin_setup"] is False
    assert paused["sandbox__sync"] is False
    with psycopg.connect(stack.sync_dsn) as connection:
        row = connection.execute(
            "SELECT state, (summary ->> 'read')::int FROM krayin_sync.sync_run WHERE sync_name = 'sandbox' AND kind IN ('manual', 'scheduled') ORDER BY id LIMIT 1"
        ).fetchone()
    assert row == ("done", CONTACTS)
    assert f"contacts read       {CONTACTS}" in stack.printed


def test_progress_and_steps_were_shown(stack: RunningStack) -> None:
    for step in (
        "Starting PostgreSQL",
        "Preparing the databases",
        "Waiting until Airflow is healthy",
        "First sync",
    ):
        assert f"✓ {step}" in stack.printed


def started_by_hand(stack: RunningStack) -> int:
    """How many runs of any DAG were triggered; what the clock starts is left out."""
    query = {"run_type": "manual", "limit": 1}
    return int(stack.api._call("GET", "/api/v2/dags/~/dagRuns", params=query)["total_entries"])


def test_a_second_up_changes_nothing(stack: RunningStack) -> None:
    before, runs = pids(stack), started_by_hand(stack)
    stack.output.truncate(0)
    up(stack.instance.settings, Progress(stack_console(stack)))
    assert started_by_hand(stack) == runs > 0
    assert "Already running." in stack.printed
    assert pids(stack) == before


def test_a_component_that_dies_comes_back(stack: RunningStack) -> None:
    before = pids(stack)
    os.kill(before["triggerer"], signal.SIGKILL)
    eventually(lambda: pids(stack)["triggerer"] not in {None, before["triggerer"]})
    after = pids(stack)
    assert {name for name in after if after[name] != before[name]} == {"triggerer"}
    eventually(lambda: set(stack.api.health().values()) == {"healthy"})


def test_up_takes_over_after_the_supervisor_was_killed(stack: RunningStack) -> None:
    before = pids(stack)
    supervisor = stack.instance.supervisor()
    assert supervisor
    supervisor.kill()
    supervisor.wait(10)
    assert stack.instance.supervised() is None
    up(stack.instance.settings, Progress(stack_console(stack)))
    assert not [pid for pid in before.values() if psutil.pid_exists(pid)]
    eventually(lambda: set(stack.api.health().values()) == {"healthy"})


def test_a_port_in_use_is_named_and_nothing_is_started(stack: RunningStack, tmp_path: Path) -> None:
    taken = stack.instance.settings.airflow_port
    postgres, krayin = free_ports(2)
    done = command_line(
        "up", DATA_DIR=tmp_path, AIRFLOW_PORT=taken, POSTGRES_PORT=postgres, KRAYIN_SANDBOX_PORT=krayin
    )
    assert done.returncode == 1
    assert f"Port {taken}, needed for Airflow's UI, is taken by" in done.stderr
    assert f"(process {pids(stack)['api-server']}" in done.stderr
    assert f"AIRFLOW_PORT={taken + 1} make up" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "postgres").exists()


def test_a_sync_database_of_another_version_is_named(sync_db_url: str) -> None:
    with psycopg.connect(sync_db_url) as connection:
        connection.execute("UPDATE krayin_sync.alembic_version SET version_num = '0017'")
    instance = create_autospec(Instance)
    instance.dsn.return_value = sync_db_url
    with pytest.raises(StackError, match=r"revision 0017\. Nothing was changed"):
        _migrate_sync(instance)


def test_a_wrong_token_is_named_and_nothing_is_started(stack: RunningStack, tmp_path: Path) -> None:
    airflow, postgres = free_ports(2)
    done = command_line(
        "up",
        DATA_DIR=tmp_path,
        KRAYIN_SYNC_SYNCS=tmp_path / "syncs",
        AIRFLOW_PORT=airflow,
        POSTGRES_PORT=postgres,
        CHATWOOT_DATABASE_URL=stack.chatwoot_dsn,
        CHATWOOT_ACCOUNT_ID=1,
        KRAYIN_API_URL=stack.krayin_url,
        KRAYIN_API_TOKEN="1|wrong",
    )
    assert done.returncode == 1
    assert "KRAYIN_API_TOKEN" in done.stderr
    assert "1|wrong" not in done.stdout + done.stderr
    assert stack.instance.keys.postgres not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "postgres").exists()
    assert not (tmp_path / "syncs").exists()


def test_given_systems_are_used_and_nothing_of_the_sandbox(stack: RunningStack, tmp_path: Path) -> None:
    real = {
        "chatwoot_database_url": stack.chatwoot_dsn,
        "chatwoot_account_id": 1,
        "krayin_api_url": stack.krayin_url,
        "krayin_api_token": stack.krayin_token,
    }
    syncs = tmp_path / "syncs"
    with running_stack(
        tmp_path / "data",
        real=real,
        krayin_sync_syncs=syncs,
        krayin_requests_per_minute=600,
        first_sync="forecast",
        airflow_parallelism=2,
    ) as other:
        assert [file.name for file in syncs.iterdir()] == ["chatwoot.yaml"]
        assert "account_id: 1" in (syncs / "chatwoot.yaml").read_text()
        assert set(pids(other)) == {"api-server", "scheduler", "dag-processor", "triggerer"}
        assert "sandbox__sync" not in other.api.paused()
        assert "of sync chatwoot (backfill, dry: nothing was sent): done" in other.printed
        assert f"contacts read       {CONTACTS}" in other.printed
        assert "To start: make up FIRST_SYNC=load" in other.printed
        assert other.api.paused()["chatwoot__sync"]
        with psycopg.connect(other.sync_dsn) as connection:
            sent = "SELECT count(*) FILTER (WHERE method <> 'GET') FROM krayin_sync.api_call"
            assert connection.execute(sent).fetchone() == (0,)
        loading = other.instance.settings.model_copy(update={"first_sync": "load"})
        up(loading, Progress(stack_console(other)))
        assert not any(paused for dag, paused in other.api.paused().items() if dag.startswith("chatwoot__"))
        with psycopg.connect(other.sync_dsn) as connection:
            done = connection.execute(
                "SELECT (summary ->> 'read')::int FROM krayin_sync.sync_run"
                " WHERE kind IN ('manual', 'scheduled') AND NOT dry_run AND state = 'done' ORDER BY id"
            ).fetchone()
        assert done == (CONTACTS,)
        with psycopg.connect(other.instance.dsn("postgres")) as connection:
            found = connection.execute("SELECT datname FROM pg_database WHERE NOT datistemplate").fetchall()
        assert {name for (name,) in found} == {"postgres", "airflow", "krayin_sync"}
    assert process.marked(tmp_path / "data") == []


def test_status_and_logs_tell_what_runs(stack: RunningStack) -> None:
    settings = stack.instance.settings
    ports = {
        "DATA_DIR": settings.data_dir,
        "AIRFLOW_PORT": settings.airflow_port,
        "POSTGRES_PORT": settings.postgres_port,
        "KRAYIN_SANDBOX_PORT": settings.krayin_sandbox_port,
    }
    status = command_line("status", **ports)
    assert status.returncode == 0
    assert "scheduler healthy" in status.stdout
    assert stack.url in status.stdout
    logs = command_line("logs", "--lines", "3", **ports)
    shown = set(re.findall(r"^==> .*/([a-z-]+)\.log <==$", logs.stdout, re.MULTILINE))
    assert {"api-server", "scheduler", "dag-processor", "triggerer", "server"} <= shown
    refused = command_line("reset", **ports)
    assert refused.returncode == 1
    assert "CONFIRM=yes make reset" in refused.stderr
    assert settings.data_dir.exists()


def stack_console(stack: RunningStack) -> object:
    from rich.console import Console

    return Console(file=stack.output, width=160)


def test_a_comparison_finds_krayin_as_it_should_be_and_leaves_a_report(stack: RunningStack) -> None:
    dag_run = stack.run("sandbox__reconcile", {"depth": "full"}, seconds=400)
    with psycopg.connect(stack.sync_dsn) as connection:
        # The nightly comparison may come as well, and leaves a report of its own.
        found = connection.execute(
            "SELECT reconciliation.counts, sync_run.id FROM krayin_sync.reconciliation"
            " JOIN krayin_sync.sync_run ON sync_run.id = run_id WHERE dag_run_id = %s",
            (dag_run,),
        ).fetchone()
        assert found
        files = connection.execute(
            "SELECT name FROM krayin_sync.report_file WHERE run_id = %s", (found[1],)
        ).fetchall()
        findings = connection.execute("SELECT class, field FROM krayin_sync.finding").fetchall()
    assert found[0]["in_scope"] == found[0]["in_sync"] > 0, findings
    # The sample has names longer than Krayin takes.
    assert {kind for kind, _ in findings} <= {"truncated"}
    assert {name for (name,) in files} == {
        "findings.csv",
        "findings.parquet",
        "findings.xlsx",
        "report.html",
    }
    report = f"/krayin-sync/reports/{found[1]}/report.html"
    for path in (report, "/krayin-sync/"):
        assert httpx.get(stack.url + path).status_code in {303, 401}
        answer = stack.api.client.get(path)
        assert answer.status_code == 200
        assert "sandbox" in answer.text


def test_a_contact_is_found_and_what_is_decided_stands_in_the_audit_log(stack: RunningStack) -> None:
    with psycopg.connect(stack.sync_dsn) as connection:
        row = connection.execute(
            "SELECT source_id, last_sent ->> 'name' FROM krayin_sync.mapping"
            " WHERE crm_kind = 'person' AND state = 'linked' ORDER BY id LIMIT 1"
        ).fetchone()
    assert row is not None
    contact, name = row
    stack.api.paused()  # signs in
    client, ours = stack.api.client, {"Sec-Fetch-Site": "same-origin"}
    found = client.post("/krayin-sync/find", data={"text": name}, headers=ours)
    assert (found.status_code, f"records/sandbox/{contact}" in found.text) == (200, True)
    assert name in client.get(f"/krayin-sync/records/sandbox/{contact}").text
    given = {"operations": ["1"], "answer": "replay"}
    assert client.post("/krayin-sync/work/sandbox", data=given, headers=ours).status_code == 303
    logged = client.get("/api/v2/eventLogs", params={"event": "krayin_sync.decide"}).json()["event_logs"]
    assert [(one["owner"], one["extra"]) for one in logged] == [("admin", "replay, operations 1")]
    assert client.post("/krayin-sync/work/sandbox", data=given).status_code == 403
