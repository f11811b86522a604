"""Fixtures that every folder of tests shares."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg
import pytest
from hypothesis import settings
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from reconciliation.migrations import upgrade

import stack.postgres
from sandbox.chatwoot.sample import Sample, fill
from sandbox.chatwoot.schema import create_schema
from stack.postgres import Cluster
from tests.ports import free_port
from tests.soak import SOAK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# The same examples each time, so that a red run means a change of ours; SOAK=1 goes looking for new ones.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("searching", max_examples=2_000, deadline=None, print_blob=True)
settings.load_profile("searching" if SOAK else "repeatable")

MEMORY = Path("/dev/shm")
# Four test processes take a good gigabyte each.
ROOM = 8 * 2**30
# The folder of initdb and postgres of another version than the one that is installed with this.
OTHER_POSTGRES = os.environ.get("TEST_POSTGRES", "")
OWN_FOLDER = pytest.StashKey[bool]()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Give each run a folder of its own outside pytest's, and another PostgreSQL where one is named.

    pytest closes its common folder to other users whenever a run begins. PostgreSQL, which runs as a user
    of its own when root starts it, would lose its files if a second run began meanwhile.
    """
    if config.option.basetemp is None and not hasattr(config, "workerinput"):
        config.option.basetemp = tempfile.mkdtemp(prefix="krayin-sync-tests-")
        config.stash[OWN_FOLDER] = True
    if OTHER_POSTGRES:
        stack.postgres.programs = lambda: Path(OTHER_POSTGRES)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that work on a PostgreSQL, and put the files first that take long, then those of many tests.

    The test processes take one file after the other: who comes to a long one last keeps the others waiting.
    """
    for item in items:
        if "postgres" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.database)
    long = {item.path for item in items if any(map(item.get_closest_marker, ("airflow", "chaos", "slow")))}
    tests = Counter(item.path for item in items)
    items.sort(key=lambda item: (item.path not in long, -tests[item.path]))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Keep the run's folder only where there is something to look for."""
    if OWN_FOLDER in session.config.stash:
        folder = session.config.option.basetemp
        if exitstatus == pytest.ExitCode.OK:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            session.config.get_terminal_writer().line(f"\nThe files of this run: {folder}")


@pytest.fixture(scope="session")
def quick_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in memory, if there is room for it: each test copies two databases of 300 files."""
    room = min(shutil.disk_usage(MEMORY).free, psutil.virtual_memory().available) if MEMORY.is_dir() else 0
    if room < ROOM:
        yield tmp_path_factory.mktemp("postgres")
        return
    with tempfile.TemporaryDirectory(prefix="krayin-sync-tests-", dir=MEMORY) as name:
        # PostgreSQL runs as a user of its own when root starts it.
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="session")
def postgres(quick_folder: Path) -> Iterator[Cluster]:
    """A PostgreSQL server of this test process, made to be fast and thrown away."""
    cluster = Cluster(
        quick_folder / "data",
        free_port(),
        "tests",
        {
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "max_wal_size": "128MB",
            "max_connections": "200",
            # Its transactions make rows of a moment ago count as not seen yet, now and then.
            "autovacuum": "off",
        },
    )
    cluster.start()
    with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
        if connection.info.server_version >= 160_000:
            # Who connects proves the password by 4,096 rounds otherwise, which take a third of the connection.
            connection.execute("SET scram_iterations = 1")
            connection.execute(sql.SQL("ALTER ROLE CURRENT_USER PASSWORD {}").format(cluster.password))
    yield cluster
    cluster.stop("immediate")


@pytest.fixture(scope="session")
def new_database(postgres: Cluster) -> Callable[..., str]:
    """Make a fresh database, empty or a copy of another, and return its connection URL."""

    def make(label: str = "test", template: str | None = None) -> str:
        name = f"{label}_{uuid.uuid4().hex[:10]}"
        if template is None:
            postgres.create_database(name)
        else:
            # The copies are taken file by file: nobody may be connected to the original.
            original = conninfo_to_dict(template)["dbname"]
            with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
                by_files = "STRATEGY FILE_COPY" if connection.info.server_version >= 150_000 else ""
                connection.execute(
                    sql.SQL("CREATE DATABASE {} TEMPLATE {} {}").format(
                        sql.Identifier(name), sql.Identifier(str(original)), sql.SQL(by_files)
                    )
                )
        return postgres.dsn(name)

    return make


@pytest.fixture
def database_url(new_database: Callable[..., str]) -> str:
    """The URL of a fresh, empty database."""
    return new_database("test")


@pytest.fixture(scope="session")
def sync_db_template(new_database: Callable[..., str]) -> str:
    """A migrated sync database to copy."""
    url = new_database("sync")
    upgrade(url)
    return url


@pytest.fixture(scope="session")
def chatwoot_template(new_database: Callable[..., str]) -> str:
    """A Chatwoot database with an empty account to copy."""
    url = new_database("chatwoot")
    with psycopg.connect(url, autocommit=True) as connection:
        create_schema(connection)
        fill(connection, Sample(contacts=0, conversations=0, messages=0, accounts=1))
    return url


@pytest.fixture
def sync_db_url(new_database: Callable[..., str], sync_db_template: str, postgres: Cluster) -> Iterator[str]:
    """The URL of a fresh, migrated sync database, dropped after the test."""
    url = new_database("sync", sync_db_template)
    yield url
    postgres.drop_database(str(conninfo_to_dict(url)["dbname"]))


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("KRAYIN_", "CHATWOOT_", "AIRFLOW_CONN_")):
            monkeypatch.delenv(name)


ROOT = Path(__file__).resolve().parents[1]
