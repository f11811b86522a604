"""One stack on this machine: its settings, paths, keys and what of it is running."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import secrets
import signal
import threading
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

import psutil

from stack import airflow, process
from stack.api import AirflowApi
from stack.errors import ComponentError, MachineError
from stack.postgres import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stack.settings import Settings

SYNC_DATABASE = "krayin_sync"
CHATWOOT_DATABASE = "chatwoot_sandbox"
POSTGRES_SETTINGS = {
    # Four Airflow processes, a handful of tasks, the sync's workers and a person's psql.
    "max_connections": "200",
    "shared_buffers": "128MB",
}

LEFTOVER_GRACE_SECONDS = 10.0

_REMEMBERING = threading.Lock()


def write_json(path: Path, content: Any) -> None:
    """Replace `path` with `content` as JSON, at once and readable by its owner alone."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(content, file, indent=1)
    draft.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in `path`; empty if the file is missing or was cut short."""
    try:
        content = json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return content if isinstance(content, dict) else {}


class Layout:
    """The paths inside one data directory, `root`."""

    def __init__(self, root: Path) -> None:
        """Name them; none is made."""
        self.root = root
        # Says that this directory is ours, so that `reset` deletes no other.
        self.marker = root / ".krayin-sync"
        self.keys = root / "keys.json"
        # What `up` has done already.
        self.state = root / "state.json"
        # The supervisor's process and its components' processes, written by itself.
        self.supervisor = root / "supervisor.json"
        # Locked while `up`, `down` or `reset` works.
        self.lock = root / "command.lock"
        self.postgres = root / "postgres"
        self.airflow = root / "airflow"
        self.logs = root / "logs"
        self.task_logs = self.logs / "tasks"
        # The sandbox's Krayin.
        self.sandbox = root / "krayin.sqlite3"

    def log(self, component: str) -> Path:
        """Return the log file of `component`."""
        return self.logs / f"{component}.log"


def _fernet() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def _random() -> str:
    return secrets.token_urlsafe(32)


def _password() -> str:
    # One that can be typed by hand into the login form.
    return secrets.token_hex(8)


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """The secrets of one data directory.

    The Fernet key decrypts the connections kept in Airflow's database and the JWT secret signs the
    tokens of its own processes: both must stay the same over restarts.
    """

    fernet: str = field(default_factory=_fernet)
    jwt: str = field(default_factory=_random)
    session: str = field(default_factory=_random)
    postgres: str = field(default_factory=_random)
    admin: str = field(default_factory=_password)
    sandbox_token: str = field(default_factory=lambda: f"1|{secrets.token_hex(20)}")


def load_keys(path: Path) -> Keys:
    """Return the keys kept in `path`; make and keep those that it lacks."""
    kept = read_json(path)
    keys = Keys(**{each.name: kept[each.name] for each in fields(Keys) if each.name in kept})
    if asdict(keys) != kept:
        write_json(path, asdict(keys))
    return keys


@dataclass(frozen=True, slots=True)
class Instance:
    """The stack that lives in one data directory, running or not."""

    settings: Settings
    layout: Layout
    keys: Keys

    @property
    def cluster(self) -> Cluster:
        """Its PostgreSQL."""
        return Cluster(
            self.layout.postgres, self.settings.postgres_port, self.keys.postgres, POSTGRES_SETTINGS
        )

    @property
    def url(self) -> str:
        """Address of Airflow's UI and API on this machine."""
        return airflow.local_url(self.settings)

    @property
    def krayin_url(self) -> str:
        """Address of the Krayin in use, sandbox or real."""
        real = self.settings.real
        return real.krayin_api_url if real else f"http://127.0.0.1:{self.settings.krayin_sandbox_port}"

    def dsn(self, database: str) -> str:
        """Return the URL of one of its databases."""
        return self.cluster.dsn(database)

    def api(self) -> AirflowApi:
        """Return a session with its Airflow."""
        return AirflowApi(self.url, airflow.USER, self.keys.admin)

    def supervisor(self) -> psutil.Process | None:
        """Return the supervisor's process if it is running."""
        said = read_json(self.layout.supervisor)
        return process.same(said["pid"], said["started"]) if said else None

    def supervised(self) -> dict[str, Any] | None:
        """Return what the supervisor says of itself and its components, None if it is not running."""
        return read_json(self.layout.supervisor) if self.supervisor() else None

    def failure(self, component: str, reason: str) -> ComponentError:
        """Return the error that `component` does not come up, with the end of its log."""
        return ComponentError(component, reason, self.layout.log(component))

    def stop_processes(self) -> int:
        """End the supervisor, its components and whatever they left; return how many were left over."""
        supervisor = self.supervisor()
        if supervisor is not None:
            supervisor.send_signal(signal.SIGTERM)
            _, alive = psutil.wait_procs([supervisor], timeout=process.GRACE_SECONDS + 15)
            for each in alive:
                each.kill()
        left = process.marked(self.layout.root)
        process.end(left, grace=LEFTOVER_GRACE_SECONDS)
        self.layout.supervisor.unlink(missing_ok=True)
        return len(left)

    def state(self) -> dict[str, Any]:
        """Return what `up` noted of its earlier work."""
        return read_json(self.layout.state)

    def remember(self, **facts: Any) -> None:
        """Add `facts` to what `up` noted; threads may do so at once."""
        with _REMEMBERING:
            write_json(self.layout.state, {**self.state(), **facts})

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the right to start or stop this stack.

        Raises:
            MachineError: another command holds it.
        """
        with self.layout.lock.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise MachineError(
                    f"Another make command is running on {self.layout.root}; wait until it has finished."
                ) from None
            yield


def open_instance(settings: Settings) -> Instance:
    """Return the stack of `settings.data_dir`, whose directory must exist; keys are made if it is new."""
    layout = Layout(settings.data_dir)
    layout.logs.mkdir(parents=True, exist_ok=True)
    layout.marker.touch()
    return Instance(settings, layout, load_keys(layout.keys))
