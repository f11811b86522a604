"""Where the stack keeps what under DATA_DIR."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths inside one data directory."""

    root: Path

    @property
    def marker(self) -> Path:
        """File that says this directory is ours, so that `reset` deletes no other."""
        return self.root / ".krayin-sync"

    @property
    def keys(self) -> Path:
        """Generated keys and passwords, readable by their owner alone."""
        return self.root / "keys.json"

    @property
    def state(self) -> Path:
        """What `up` has done already."""
        return self.root / "state.json"

    @property
    def supervisor(self) -> Path:
        """The supervisor's process and its components' processes, written by itself."""
        return self.root / "supervisor.json"

    @property
    def lock(self) -> Path:
        """Locked while `up`, `down` or `reset` works."""
        return self.root / "command.lock"

    @property
    def postgres(self) -> Path:
        """PostgreSQL's data directory."""
        return self.root / "postgres"

    @property
    def airflow(self) -> Path:
        """AIRFLOW_HOME."""
        return self.root / "airflow"

    @property
    def logs(self) -> Path:
        """One log file per component."""
        return self.root / "logs"

    @property
    def task_logs(self) -> Path:
        """Airflow's logs of task runs."""
        return self.root / "logs" / "tasks"

    @property
    def sandbox(self) -> Path:
        """The sandbox's Krayin, as a file."""
        return self.root / "krayin.sqlite3"

    def log(self, component: str) -> Path:
        """Return the log file of `component`."""
        return self.logs / f"{component}.log"
