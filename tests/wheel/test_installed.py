"""The wheel in an Airflow one has: installed beside it, DAGs copied or as a bundle, a sync, a webhook.

With the sandbox's Chatwoot and the stand-in for Krayin, a real PostgreSQL, and `airflow standalone`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest

from sandbox.chatwoot import changes, webhooks
from sandbox.chatwoot.sample import Sample, fill
from sandbox.chatwoot.schema import create_schema
from sandbox.krayin.testing import RunningKrayin, running_krayin
from stack.api import AirflowApi
from stack.settings import ROOT
from tests.ports import free_port
from tests.soak import SOAK
from tests.wheel.build import environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not SOAK, reason="installs two Airflows: make soak"),
]
CONSTRAINTS = (
    "https://raw.githubusercontent.com/apache/airflow/constraints-{version}/constraints-{python}.txt"
)
# With the pydantic of November 2026 the API server of 3.2.2 does not start.
OF_ITS_TIME = {"3.2.2": "2026-07-01"}
SECRET = "of the webhook"
SYNC = "name: shop\nschedule: null\nreconcile: {schedule: null}\nchatwoot: {account_id: 1}\n"
BUNDLES = [
    {"name": "krayin-sync", "classpath": "reconciliation.airflow.dag_bundle.InstalledDags", "kwargs": {}}
]


@dataclass(frozen=True, slots=True)
class Installed:
    """A running Airflow with one sync: a signed-in session, its Chatwoot's URL, its Krayin."""

    api: AirflowApi
    chatwoot: str
    krayin: RunningKrayin


def eventually(met: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, f"not so after {seconds:.0f} s"
        time.sleep(0.5)


def constraints(version: str) -> list[str]:
    """Return the option for Airflow's own constraints; where they cannot be had, for packages of its time."""
    url = CONSTRAINTS.format(version=version, python="{}.{}".format(*sys.version_info))
    try:
        if httpx.get(url, timeout=20).status_code == 200:
            return ["--constraint", url]
    except httpx.TransportError:
        pass
    return ["--exclude-newer", OF_ITS_TIME[version]] if version in OF_ITS_TIME else []


@pytest.fixture(scope="module", params=["3.3.2 copied", "3.2.2 copied", "3.3.2 bundle"])
def airflow(
    request: pytest.FixtureRequest,
    wheel: Path,
    new_database: Callable[[str], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installed]:
    version, _, how = request.param.partition(" ")
    folder = tmp_path_factory.mktemp("installed")
    python = environment(folder / "venv", f"apache-airflow=={version}", wheel, *constraints(version))
    chatwoot, home, port = new_database("chatwoot"), folder / "home", free_port()
    with psycopg.connect(chatwoot) as connection:
        create_schema(connection)
        fill(connection, Sample(30, 10, 40))
    (home / "include" / "syncs").mkdir(parents=True)
    (home / "include" / "syncs" / "shop.yaml").write_text(SYNC)
    if how == "copied":
        shutil.copytree(ROOT / "dags", home / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    (home / "passwords.json").write_text('{"admin": "admin"}')
    with running_krayin() as krayin:
        variables = {
            "PATH": f"{python.parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "4",
            # The first task waits until the API server has built its API for tasks: long on a busy machine.
            "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "120",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": new_database("airflow").replace(
                "postgresql:", "postgresql+psycopg2:"
            ),
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW_CONN_SYNC_DB": new_database("sync"),
            "AIRFLOW_CONN_CHATWOOT_DEFAULT": chatwoot,
            "AIRFLOW_CONN_KRAYIN_DEFAULT": json.dumps(
                {"conn_type": "krayin", "host": krayin.url, "password": krayin.token}
            ),
            "AIRFLOW_CONN_CHATWOOT_WEBHOOK_SHOP": json.dumps({"conn_type": "generic", "password": SECRET}),
            **(
                {"AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(BUNDLES)}
                if how == "bundle"
                else {}
            ),
        }
        with (folder / "airflow.log").open("wb") as log:
            process = subprocess.Popen(
                [python.parent / "airflow", "standalone"],
                env=variables, cwd=folder, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
            try:
                with AirflowApi(f"http://127.0.0.1:{port}", "admin", "admin") as api:
                    eventually(lambda: bool(api.health()), 900)
                    yield Installed(api, chatwoot, krayin)
            finally:
                os.killpg(process.pid, signal.SIGTERM)
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)


def test_the_sandbox_is_synced_and_a_webhook_arrives(airflow: Installed) -> None:
    api = airflow.api
    eventually(lambda: {"krayin_setup", "shop__sync", "shop__events"} <= api.paused().keys(), 600)
    assert not api.import_errors()
    for dag in ("krayin_setup", "shop__sync"):
        api.unpause(dag)
        assert api.wait(dag, api.trigger(dag), 600) == "success"
    assert len(names(airflow)) > 20
    with psycopg.connect(airflow.chatwoot, autocommit=True) as connection:
        (contact,) = connection.execute(
            "SELECT max(id) FROM contacts WHERE account_id = 1 AND email <> '' AND NOT blocked"
        ).fetchone()
        changes.update_contact(connection, contact, name="Brought over by a webhook")
    api.unpause("shop__events")
    body = webhooks.encode(webhooks.contact_updated(contact))
    answer = api.client.post("/chatwoot/webhooks/shop", content=body, headers=webhooks.headers(SECRET, body))
    assert (answer.status_code, answer.json()) == (200, {"status": "accepted"})
    eventually(lambda: "Brought over by a webhook" in names(airflow), 300)


def names(airflow: Installed) -> set[str]:
    """Return the names of the persons in Krayin."""
    with airflow.krayin.client() as client:
        answer = client.get("/api/v1/contacts/persons?pagination=0").raise_for_status()
        return {person["name"] for person in answer.json()["data"]}
