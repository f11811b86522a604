"""The compose project on a real engine, with the sandbox beside it, in one place for its tests."""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psycopg

from stack.api import AirflowApi
from stack.settings import ROOT
from tests.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable

OVERRIDE = Path(__file__).with_name("sandbox.yaml")
SYNC = """\
name: shop
schedule: null
reconcile: {schedule: null}
chatwoot: {account_id: 1}
krayin: {requests_per_minute: 600}
default_phone_region: US
"""
TOKEN = "1|containers"
PASSWORD = secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class Project:
    """One compose project of its own name, ports and folder."""

    folder: Path
    airflow_port: int
    postgres_port: int
    chatwoot_port: int
    krayin_port: int

    def compose(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """Run `docker compose` with the arguments; return what it printed on standard output.

        Raises:
            AssertionError: it failed, and `check`; the message has all that it and the services printed.
        """
        command = [
            "docker", "compose", "--project-name", f"containers-{self.airflow_port}", "--env-file", str(self.folder / ".env"),
            "--file", str(ROOT / "docker-compose.yaml"), "--file", str(OVERRIDE),
        ]  # fmt: skip
        environment = own_environment()
        done = subprocess.run(
            [*command, *arguments], input=stdin, capture_output=True, text=True, check=False, env=environment
        )
        if check and done.returncode:
            logs = subprocess.run(
                [*command, "logs", "--tail", "30"],
                capture_output=True,
                text=True,
                check=False,
                env=environment,
            )
            raise AssertionError(done.stdout + done.stderr + logs.stdout)
        return done.stdout

    def up(self, *arguments: str) -> float:
        """Start what is down and wait until all is healthy; return the seconds that took."""
        began = time.monotonic()
        self.compose("up", "--detach", "--wait", "--wait-timeout", "1500", *arguments)
        return time.monotonic() - began

    def services(self) -> dict[str, list[dict[str, Any]]]:
        """Return the containers of each service, stopped ones too."""
        found: dict[str, list[dict[str, Any]]] = {}
        for line in self.compose("ps", "--all", "--format", "json").splitlines():
            container = json.loads(line)
            found.setdefault(container["Service"], []).append(container)
        return found

    @property
    def url(self) -> str:
        """Airflow's address, as a browser on this machine has it."""
        return f"http://localhost:{self.airflow_port}"

    def api(self, path: str = "") -> AirflowApi:
        """Return a session with Airflow, under a path of its address, signed in as the administrator."""
        return AirflowApi(self.url + path, "admin", PASSWORD)

    def run(self, dag_id: str, conf: dict[str, Any] | None = None, seconds: float = 900.0) -> None:
        """Unpause and run a DAG, and wait until it has succeeded."""
        with self.api() as api:
            api.unpause(dag_id)
            assert api.wait(dag_id, api.trigger(dag_id, conf), seconds) == "success"

    @property
    def chatwoot_dsn(self) -> str:
        """The URL of Chatwoot's database."""
        return f"postgresql://postgres:{PASSWORD}@127.0.0.1:{self.chatwoot_port}/chatwoot"

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return rows of the sync database."""
        url = f"postgresql://postgres:{PASSWORD}@127.0.0.1:{self.postgres_port}/krayin_sync"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SET search_path = krayin_sync")
            return connection.execute(query).fetchall()

    def persons(self) -> dict[int, str]:
        """Return the names of the persons in Krayin by id."""
        answer = httpx.get(
            f"http://127.0.0.1:{self.krayin_port}/api/v1/contacts/persons?pagination=0",
            headers={"Authorization": f"Bearer {TOKEN}", "Accept": "application/json"},
            timeout=60,
        )
        return {person["id"]: person["name"] for person in answer.raise_for_status().json()["data"]}

    @property
    def syncs(self) -> Path:
        """The folder of its sync files."""
        return self.folder / "syncs"


def new_project(folder: Path, **settings: str) -> Project:
    """Write the settings and one sync file into a folder; nothing is started."""
    project = Project(folder, *free_ports(4))
    project.syncs.mkdir()
    (project.syncs / "shop.yaml").write_text(SYNC)
    # The services run as a user of their own.
    for path in (folder, project.syncs):
        path.chmod(0o755)
    faker = find_spec("faker")
    assert faker
    assert faker.origin
    values = {
        "POSTGRES_PASSWORD": PASSWORD,
        "JWT_SECRET": secrets.token_hex(32),
        "API_SECRET_KEY": secrets.token_hex(32),
        "ADMIN_PASSWORD": PASSWORD,
        "REDIS_PASSWORD": PASSWORD,
        "FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "CHATWOOT_DATABASE_URL": f"postgresql://postgres:{PASSWORD}@sandbox/chatwoot",
        "KRAYIN_API_URL": "http://sandbox:8090",
        "KRAYIN_API_TOKEN": TOKEN,
        "AIRFLOW_PORT": str(project.airflow_port),
        "TEST_POSTGRES_PORT": str(project.postgres_port),
        "TEST_CHATWOOT_PORT": str(project.chatwoot_port),
        "TEST_KRAYIN_PORT": str(project.krayin_port),
        "TEST_SYNCS": str(project.syncs),
        "TEST_MODULES": str(Path(faker.origin).parents[1]),
        **settings,
    }
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    return project


def own_environment() -> dict[str, str]:
    """Return the environment without anything that would win over the project's `.env`."""
    ours = (ROOT / ".env.example").read_text(encoding="utf-8")
    return {name: value for name, value in os.environ.items() if f"{name}=" not in ours}


def eventually(met: Callable[[], bool], seconds: float = 60.0) -> float:
    """Wait until something is so; return after how many seconds it was."""
    began = time.monotonic()
    while not met():
        assert time.monotonic() - began < seconds, f"not so after {seconds:.0f} s"
        time.sleep(0.2)
    return time.monotonic() - began
