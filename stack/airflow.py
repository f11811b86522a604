"""Airflow on one machine: its configuration and its processes."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from stack.process import run_to_end
from stack.settings import REAL, ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stack.instance import Keys, Layout
    from stack.settings import Settings

USER = "admin"
DATABASE = "airflow"

TUNING = {
    # The loop sleeps this long when it found nothing to do, and that is most of the time between a
    # webhook and its task: 0.1 s instead of 1 s costs a sixth of one core and saves about 0.6 s.
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1",
    # A worker whose task has ended at times sleeps for one such interval before it is free: 5 s otherwise.
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    # A new sync file shows up as DAGs within a minute. Reading all DAG files takes a few seconds of one core:
    # more often would slow down everything else.
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
    # Two cores: one process for parsing leaves the other to tasks.
    "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
    # One API process serves one machine's tasks and one person's browser; each costs 250 MB.
    "AIRFLOW__API__WORKERS": "1",
    # The connection form's Test button is off unless this says otherwise.
    "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
    # No look-up of this machine's name in the DNS, which some machines wait seconds for.
    "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",
    # Only our DAGs in the list.
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    # A database connection per idle process is enough here, and PostgreSQL's are not free.
    "AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_SIZE": "3",
    # Colour codes make log files hard to search.
    "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
}
"""Settings that a user may overrule by setting the same variable."""


def environment(settings: Settings, keys: Keys, layout: Layout, database: str, syncs: str) -> dict[str, str]:
    """Return the environment of every Airflow process.

    Args:
        settings: ports and folders.
        keys: the secrets of this data directory.
        layout: the paths of this data directory.
        database: URL of Airflow's metadata database, `postgresql://…`.
        syncs: folder of the sync files that the DAGs read.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        # The real systems' addresses and token reach tasks only as Airflow connections.
        if name not in REAL and not name.startswith(("AIRFLOW_CONN_", "CHATWOOT_", "KRAYIN_API_"))
    }
    fixed = {
        "AIRFLOW_HOME": str(layout.airflow),
        # DAGs and plugins stay in the repository: what one edits is what runs.
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        # Packages of plugins/ are imported by their own names, never through Airflow's plugin loader;
        # the connection type is found here as well, through its entry point.
        "PYTHONPATH": os.pathsep.join([str(ROOT / "plugins"), str(ROOT)]),
        "KRAYIN_SYNC_SYNCS": syncs,
        # Airflow writes titles over its processes' environment, by which `down` finds those left over.
        "SPT_NOENV": "1",
        **loopback_without_proxy(os.environ),
        **_executor(settings, database),
        # Airflow would start 32 workers of 135 MB each.
        "AIRFLOW__CORE__PARALLELISM": str(settings.airflow_parallelism),
        # Nothing runs before its connections are written; `up` unpauses.
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
        "AIRFLOW__CORE__FERNET_KEY": keys.fernet,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(layout.airflow / "passwords.json"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{local_url(settings)}/execution/",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database.replace("postgresql://", "postgresql+psycopg2://", 1),
        "AIRFLOW__API__HOST": settings.airflow_host,
        "AIRFLOW__API__PORT": str(settings.airflow_port),
        "AIRFLOW__API__SECRET_KEY": keys.session,
        "AIRFLOW__API_AUTH__JWT_SECRET": keys.jwt,
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(layout.task_logs),
        "AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(
            layout.task_logs / "dag_processor"
        ),
    }
    if settings.airflow_base_url:
        fixed["AIRFLOW__API__BASE_URL"] = settings.airflow_base_url
    return {**TUNING, **inherited, **fixed}


def loopback_without_proxy(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that keep calls to this machine from going through the proxy in `environ`."""
    given = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    direct = ",".join(dict.fromkeys([*filter(None, given.split(",")), "localhost", "127.0.0.1", "::1"]))
    return {"no_proxy": direct, "NO_PROXY": direct}


def _executor(settings: Settings, database: str) -> dict[str, str]:
    if settings.celery_broker_url is None:
        # Tasks run as children of the scheduler: one machine needs no queue.
        return {"AIRFLOW__CORE__EXECUTOR": "LocalExecutor"}
    return {
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CELERY__BROKER_URL": settings.celery_broker_url.get_secret_value(),
        "AIRFLOW__CELERY__RESULT_BACKEND": database.replace("postgresql://", "db+postgresql+psycopg2://", 1),
        "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(
            max(1, settings.airflow_parallelism // settings.celery_workers)
        ),
        # A task goes to whichever worker is free, not into the queue of one that is busy.
        "AIRFLOW__CELERY__WORKER_PREFETCH_MULTIPLIER": "1",
    }


def local_url(settings: Settings) -> str:
    """Return the address at which this machine reaches Airflow; its path is that of the browsers'."""
    host = "127.0.0.1" if settings.airflow_host in {"0.0.0.0", "::", ""} else settings.airflow_host  # noqa: S104 - compared, not bound
    path = urlsplit(settings.airflow_base_url or "").path.rstrip("/")
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.airflow_port}{path}"


def command(*arguments: str) -> list[str]:
    """Return the command line of `airflow` with `arguments`."""
    return [sys.executable, "-m", "airflow", *arguments]


def components(settings: Settings) -> dict[str, list[str]]:
    """Return Airflow's processes by name; the API server first, as the others call it."""
    workers = settings.celery_workers if settings.celery_broker_url else 0
    return {
        "api-server": command("api-server"),
        "scheduler": command("scheduler", "--skip-serve-logs"),
        "dag-processor": command("dag-processor"),
        # Log servers are for logs on other machines; two stacks would fight over their ports.
        "triggerer": command("triggerer", "--skip-serve-logs"),
        **{
            f"worker-{number}": command(
                "celery", "worker", "--skip-serve-logs", "--celery-hostname", f"worker-{number}@%h"
            )
            for number in range(1, workers + 1)
        },
    }


def release() -> str:
    """Return the installed Airflow's version."""
    return version("apache-airflow-core")


def migrate(layout: Layout, environ: dict[str, str]) -> None:
    """Bring Airflow's metadata database to the installed version.

    Raises:
        ComponentError: `airflow db migrate` failed.
    """
    run_to_end(
        "airflow db migrate",
        command("db", "migrate"),
        layout.log("airflow-migrate"),
        directory=layout.airflow,
        environment=environ,
    )
