"""One stack on this machine: its settings, paths, keys and what of it is running."""

from __future__ import annotations

import contextlib
import fcntl
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stack import airflow, keys, private_file, process
from stack.api import AirflowApi
from stack.errors import MachineError
from stack.layout import Layout
from stack.postgres import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psutil

    from stack.keys import Keys
    from stack.settings import Settings

SYNC_DATABASE = "krayin_sync"
CHATWOOT_DATABASE = "chatwoot_sandbox"
POSTGRES_SETTINGS = {
    # Four Airflow processes, a handful of tasks, the sync's workers and a person's psql.
    "max_connections": "200",
    "shared_buffers": "128MB",
}

_REMEMBERING = threading.Lock()


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

    def supervised(self) -> dict[str, Any] | None:
        """Return what the supervisor says of itself and its components, None if it is not running."""
        said = private_file.read(self.layout.supervisor)
        return said if said and process.same(said["pid"], said["started"]) else None

    def supervisor(self) -> psutil.Process | None:
        """Return the supervisor's process if it is running."""
        said = private_file.read(self.layout.supervisor)
        return process.same(said["pid"], said["started"]) if said else None

    def state(self) -> dict[str, Any]:
        """Return what `up` noted of its earlier work."""
        return private_file.read(self.layout.state)

    def remember(self, **facts: Any) -> None:
        """Add `facts` to what `up` noted; threads may do so at once."""
        with _REMEMBERING:
            private_file.write(self.layout.state, {**self.state(), **facts})

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
    return Instance(settings, layout, keys.load_or_make(layout.keys))
