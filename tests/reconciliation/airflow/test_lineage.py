"""What OpenLineage is told of a sync: real events of the provider, written to a file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from airflow.sdk import DAG
from psycopg.conninfo import conninfo_to_dict
from reconciliation.airflow.operators import sync_task

from tests.reconciliation import data_world
from tests.wheel.build import UV

if TYPE_CHECKING:
    from tests.reconciliation.world import World

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the provider, as the group `lineage` of pyproject.toml says; else the test is skipped."""
    folder = tmp_path_factory.mktemp("openlineage")
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["lineage"]
    # Beside what is installed, which has all that it needs.
    command = [
        UV,
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--python",
        sys.executable,
        "--target",
        folder,
        *wanted,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"the OpenLineage provider cannot be installed: {done.stderr.strip().splitlines()[-1]}")
    return folder


def airflow(arguments: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False, timeout=400,
        cwd=environment["AIRFLOW_HOME"],
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.fixture
def home(tmp_path: Path, world: World) -> dict[str, str]:
    """An Airflow that has what the world's sync needs; its environment."""
    world.settings |= data_world.EVERYTHING
    keys = {"name": "test", "chatwoot": {"account_id": 1}, "schedule": None, **world.settings}
    (tmp_path / "syncs").mkdir()
    (tmp_path / "syncs" / "test.yaml").write_text(yaml.safe_dump(keys))
    host = world.krayin.url.removeprefix("http://")
    krayin = {"conn_type": "krayin", "host": f"http://{host}", "password": world.krayin.token}
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}",
        "KRAYIN_SYNC_SYNCS": str(tmp_path / "syncs"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW_CONN_SYNC_DB": world.sync_url,
        "AIRFLOW_CONN_CHATWOOT_DEFAULT": world.chatwoot_url,
        "AIRFLOW_CONN_KRAYIN_DEFAULT": json.dumps(krayin),
    }
    airflow(["-m", "airflow", "db", "migrate"], environment)
    return environment


def run(dag_id: str, environment: dict[str, str]) -> str:
    script = str(Path(__file__).with_name("lineage_run.py"))
    return airflow([script, str(ROOT / "dags"), dag_id], environment)


def told(file: Path, task: str) -> dict[str, Any]:
    """The event with which a task ended."""
    events = [json.loads(line) for line in file.read_text().splitlines()]
    (one,) = [each for each in events if each["eventType"] == "COMPLETE" and each["job"]["name"] == task]
    return one


def rows(datasets: list[dict[str, Any]], kind: str) -> dict[str, int | None]:
    """Rows by dataset, None where they are not counted; the servers' addresses in short."""
    facets = {"input": ("inputFacets", "inputStatistics"), "output": ("outputFacets", "outputStatistics")}
    outer, inner = facets[kind]
    return {
        f"{one['namespace'].split(':')[0]} {one['name'].partition('.')[2] or one['name']}": one.get(outer, {})
        .get(inner, {})
        .get("rowCount")
        for one in datasets
    }


@pytest.mark.airflow
@pytest.mark.timeout(900)
def test_a_sync_tells_what_it_read_and_wrote(
    world: World, home: dict[str, str], provider: Path, tmp_path: Path
) -> None:
    contacts = data_world.add_contacts(world)
    file = tmp_path / "events.json"
    home["PYTHONPATH"] += f":{provider}"
    transport = {"type": "file", "log_file_path": str(file), "append": True}
    home["AIRFLOW__OPENLINEAGE__TRANSPORT"] = json.dumps(transport)
    run("test__sync", home)
    run("test__reconcile", home)

    plan = told(file, "test__sync.plan")
    read = rows(plan["inputs"], "input")
    tables = {"contacts", "contact_inboxes", "taggings", "conversations", "messages", "attachments"}
    assert read == {f"postgres public.{table}": None for table in tables} | {
        "postgres public.contacts": len(contacts)
    }
    planned, found = world.rows("SELECT (SELECT count(*) FROM operation), (SELECT count(*) FROM finding)")[0]
    assert rows(plan["outputs"], "output") == {"postgres krayin_sync.operation": planned}
    assert conninfo_to_dict(world.chatwoot_url)["dbname"] == plan["inputs"][0]["name"].partition(".")[0]

    load = told(file, "test__sync.load")
    assert rows(load["inputs"], "input") == {"postgres krayin_sync.operation": None}
    assert load["outputs"][0]["namespace"] == world.krayin.url
    records = world.krayin.records("persons", "leads", "organizations", "activities")
    # Two persons were there and are taken over, two stay what they are.
    assert rows(load["outputs"], "output") == {
        "http persons": len(records["persons"]) - 4,
        "http leads": len(records["leads"]),
        "http organizations": len(records["organizations"]),
        "http activities": len([row for row in records["activities"] if row["type"] != "system"]),
        "postgres krayin_sync.mapping": None,
    }

    compared = told(file, "test__reconcile.compare")
    assert set(rows(compared["inputs"], "input")) == {*read, *(f"http {table}" for table in records)}
    assert rows(compared["outputs"], "output") == {
        "postgres krayin_sync.operation": 0,
        "postgres krayin_sync.finding": found,
    }
    text = file.read_text()
    for secret in (world.krayin.token, str(conninfo_to_dict(world.sync_url)["password"]), "p3@example.com"):
        assert secret not in text


def test_without_the_provider_a_task_is_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "airflow.providers.openlineage.conf", None)
    with DAG("test", schedule=None):
        task = sync_task("test", "plan", task_id="one")(lambda: 7)()
    assert task.operator.execute({}) == 7
    assert task.operator.lineage is None
    assert task.operator.operator_name == "@task"


def test_what_goes_wrong_in_telling_does_not_fail_the_work(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(
        sys.modules, "airflow.providers.openlineage.conf", SimpleNamespace(is_disabled=lambda: False)
    )
    monkeypatch.setitem(sys.modules, "reconciliation.airflow.lineage", None)
    with DAG("test", schedule=None):
        task = sync_task("test", "sync", task_id="one")(lambda: {"run": 3})()
    assert task.operator.execute({}) == {"run": 3}
    assert "OpenLineage is not told of run 3" in caplog.text
