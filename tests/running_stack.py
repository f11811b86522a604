"""A whole stack for tests: real PostgreSQL, real Airflow, the sandbox or other systems, on free ports."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.console import Console

from stack.instance import CHATWOOT_DATABASE, SYNC_DATABASE, open_instance
from stack.progress import Progress
from stack.settings import load
from stack.summary import print_summary
from stack.up import down, up
from tests.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from stack.api import AirflowApi
    from stack.instance import Instance
    from stack.settings import Settings


@dataclass(frozen=True, slots=True)
class RunningStack:
    """A stack that is up: what a test needs to look at it and to make it work."""

    instance: Instance
    api: AirflowApi
    output: io.StringIO = field(repr=False)

    @property
    def url(self) -> str:
        """Address of Airflow."""
        return self.instance.url

    @property
    def sync_dsn(self) -> str:
        """URL of the sync database."""
        return self.instance.dsn(SYNC_DATABASE)

    @property
    def chatwoot_dsn(self) -> str:
        """URL of the Chatwoot database in use."""
        real = self.instance.settings.real
        return real.chatwoot_database_url.get_secret_value() if real else self.instance.dsn(CHATWOOT_DATABASE)

    @property
    def krayin_url(self) -> str:
        """Address of the Krayin in use."""
        return self.instance.krayin_url

    @property
    def krayin_token(self) -> str:
        """Token of the Krayin in use."""
        real = self.instance.settings.real
        return real.krayin_api_token.get_secret_value() if real else self.instance.keys.sandbox_token

    @property
    def printed(self) -> str:
        """What `up` has printed."""
        return self.output.getvalue()

    def run(self, dag_id: str, conf: dict[str, Any] | None = None, *, seconds: float = 300.0) -> str:
        """Run a DAG and wait for its end; return the run's id.

        Raises:
            RunFailedError: the run failed.
            TimeoutError: it has not ended after `seconds`.
        """
        run_id = self.api.trigger(dag_id, conf)
        if self.api.wait(dag_id, run_id, seconds) != "success":
            message = f"{dag_id} {run_id} has not ended after {seconds:.0f} s"
            raise TimeoutError(message)
        return run_id


def settings_for(data_dir: Path, real: Mapping[str, object] | None = None, **values: object) -> Settings:
    """Return settings on free ports that read no `.env`.

    Args:
        data_dir: where the stack keeps everything.
        real: `chatwoot_database_url`, `krayin_api_url`, `krayin_api_token` and, if wanted,
            `chatwoot_account_id` of the systems to use instead of the sandbox.
        values: any other setting by its field name.
    """
    names = ("airflow_port", "postgres_port", "krayin_sandbox_port")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    # None wins over what the environment of the test run may hold.
    sandbox = dict.fromkeys(("chatwoot_database_url", "krayin_api_url", "krayin_api_token"))
    return load(_env_file=None, **{"data_dir": data_dir, **ports, **sandbox, **(real or {}), **values})


@contextlib.contextmanager
def running_stack(
    data_dir: Path, *, real: Mapping[str, object] | None = None, **values: object
) -> Iterator[RunningStack]:
    """Bring up a stack in `data_dir`, hand it over, and leave no process of it behind.

    The first sync has been run when the body begins. Arguments as for `settings_for`.
    """
    settings = settings_for(data_dir, real, **values)
    output = io.StringIO()
    progress = Progress(Console(file=output, width=160))
    try:
        instance = up(settings, progress)
        print_summary(instance, progress)
        with instance.api() as api:
            yield RunningStack(instance, api, output)
    finally:
        if settings.data_dir.exists():
            down(open_instance(settings), progress)
