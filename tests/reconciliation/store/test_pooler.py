"""The sync database behind PgBouncer in transaction mode, as Airflow's Helm chart ships it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from reconciliation.store.connection import connect

from tests.conftest import ROOT
from tests.ports import free_port
from tests.reconciliation.world import EVERYTHING, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from stack.postgres import Cluster

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
pytestmark = pytest.mark.skipif(
    PGBOUNCER is None, reason="needs pgbouncer, for example from Debian's packages"
)


@pytest.fixture
def pooled(postgres: Cluster, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """From the URL of a database to its URL through a pooler that has few connections for many clients."""
    port = free_port()
    users = tmp_path / "users.txt"
    users.write_text(f'"postgres" "{postgres.password}"\n')
    config = tmp_path / "pgbouncer.ini"
    config.write_text(
        f"[databases]\n* = host=127.0.0.1 port={postgres.port}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = plain\nauth_file = {users}\npool_mode = transaction\ndefault_pool_size = 3\n"
    )
    assert PGBOUNCER is not None
    as_user = ["-u", "nobody"] if os.geteuid() == 0 else []
    with subprocess.Popen([PGBOUNCER, "-q", *as_user, str(config)]) as pooler:
        try:
            yield lambda url: url.replace(f":{postgres.port}/", f":{port}/")
        finally:
            pooler.terminate()


def url_of(pooled: Callable[[str], str], url: str) -> str:
    """The pooled URL, once the pooler answers."""
    deadline = time.monotonic() + 10
    while True:
        try:
            psycopg.connect(pooled(url)).close()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return pooled(url)


def test_a_whole_sync_goes_through_it(world: World, pooled: Callable[[str], str]) -> None:
    url = url_of(pooled, world.sync_url)
    through = World(url_of(pooled, world.chatwoot_url), url, world.krayin, settings=EVERYTHING)
    for number in range(30):
        through.add(name=f"Ada {number}", email=f"ada{number}@example.com")
    run = through.run()
    assert run.summary["created"] == {"lead": 30, "person": 30}
    calls = through.rows("SELECT count(*) FROM api_call")
    through.run()
    assert through.rows("SELECT count(*) FROM api_call") == calls


def test_several_workers_share_few_connections(world: World, pooled: Callable[[str], str]) -> None:
    url = url_of(pooled, world.sync_url)
    through = World(world.chatwoot_url, url, world.krayin)
    for number in range(40):
        through.add(name=f"Ada {number}", email=f"ada{number}@example.com")
    workers = [threading.Thread(target=through.run) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    through.run()
    assert len(through.persons()) == len(through.leads()) == 40


def test_migrations_go_through_it_two_at_once(database_url: str, pooled: Callable[[str], str]) -> None:
    url = url_of(pooled, database_url)
    command = [sys.executable, "-m", "reconciliation.migrations", url]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "plugins")}
    migrators = [subprocess.Popen(command, env=environment) for _ in range(2)]
    assert [migrator.wait(60) for migrator in migrators] == [0, 0]
    with psycopg.connect(database_url) as connection:
        held = connection.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone()
        assert held == (0,)
        assert connection.execute("SELECT count(*) FROM krayin_sync.sync_run").fetchone() == (0,)


@pytest.mark.parametrize("through_pooler", [False, True])
def test_a_session_sets_what_it_relies_on(
    sync_db_url: str, pooled: Callable[[str], str], through_pooler: bool
) -> None:
    name = str(conninfo_to_dict(sync_db_url)["dbname"])
    with psycopg.connect(sync_db_url, autocommit=True) as connection:
        for setting in (
            "TimeZone = 'Asia/Tokyo'",
            "DateStyle = 'SQL, DMY'",
            "client_encoding = 'LATIN1'",
            "transaction_timeout = '200ms'",
        ):
            connection.execute(f'ALTER DATABASE "{name}" SET {setting}'.encode())
    with connect(url_of(pooled, sync_db_url) if through_pooler else sync_db_url) as connection:
        with connection.transaction():
            connection.execute("SELECT pg_sleep(0.4)")
        assert connection.execute("SELECT '💙', timestamptz '2026-12-01 00:00+00'::text").fetchone() == (
            "💙",
            "2026-12-01 00:00:00+00",
        )
