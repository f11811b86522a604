"""Change detection on a hot standby and across a failover."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from chatwoot.database.source import DatabaseSource
from chatwoot.source import ChangedSince, Everything, SourceFilter, Watermark
from chatwoot.streams import Stream

from sandbox.chatwoot.changes import add_contact, update_columns
from tests.standby import flush, running_standby, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from psycopg import Connection

    from stack.postgres import Cluster

pytestmark = pytest.mark.slow


@pytest.fixture
def standby(postgres: Cluster, tmp_path: Path) -> Iterator[Cluster]:
    """A hot standby of the tests' server, streaming."""
    with running_standby(postgres, tmp_path / "standby") as copy:
        yield copy


def read(source: DatabaseSource, mark: Watermark | None) -> tuple[Watermark, bool, list[int]]:
    with source.snapshot() as snapshot:
        selection = Everything() if mark is None else ChangedSince(mark)
        parts = snapshot.rows(Stream.CONTACTS, SourceFilter(1), selection)
        return (
            snapshot.watermark(Stream.CONTACTS),
            mark is not None and snapshot.tells_since(Stream.CONTACTS, mark),
            [contact.id for part in parts for contact in part],
        )


def test_a_standby_loses_no_late_commit_and_a_failover_is_noticed(
    postgres: Cluster,
    standby: Cluster,
    chatwoot: Connection[Any],
    chatwoot_url: str,
    source: DatabaseSource,
) -> None:
    replica = DatabaseSource(standby.dsn(chatwoot.info.dbname))
    with psycopg.connect(chatwoot_url) as late:
        slow = add_contact(late, 1, name="slow")
        quick = add_contact(chatwoot, 1, name="quick")
        # Standbys learn of a running transaction by its first later record or the next snapshot record.
        chatwoot.execute("CHECKPOINT")
        wait_for(postgres, standby)
        mark, _, seen = read(replica, None)
        assert quick in seen
        assert slow not in seen
        # The reason for not using the list of running transactions: a standby's is empty.
        assert mark.snapshot.endswith(":")
    wait_for(postgres, standby)
    mark, tells, found = read(replica, mark)
    assert tells
    assert slow in found
    assert read(replica, mark)[1:] == (True, [])

    # Primary and standby are one history: marks can be carried over both ways.
    update_columns(chatwoot, quick, name="renamed")
    on_primary, tells, found = read(source, mark)
    assert (tells, found) == (True, [quick])
    wait_for(postgres, standby)
    assert read(replica, on_primary)[1:] == (True, [])

    with psycopg.connect(standby.dsn(), autocommit=True) as connection:
        connection.execute("SELECT pg_promote(true)")
    promoted, tells, _ = read(replica, on_primary)
    assert not tells
    with psycopg.connect(replica.conninfo, autocommit=True) as connection:
        update_columns(connection, slow, name="after the failover")
    assert read(replica, promoted)[1:] == (True, [slow])


def test_a_standby_that_is_behind_says_so(
    postgres: Cluster,
    standby: Cluster,
    chatwoot: Connection[Any],
    source: DatabaseSource,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chatwoot.database.source.LONGEST_LAG", timedelta(0))
    replica = DatabaseSource(standby.dsn(chatwoot.info.dbname))

    def passing(of: DatabaseSource) -> tuple[str, ...]:
        with of.snapshot() as snapshot:
            return snapshot.vouch.passing

    add_contact(chatwoot, 1)
    wait_for(postgres, standby)
    with psycopg.connect(replica.conninfo, autocommit=True) as connection:
        connection.execute("SELECT pg_wal_replay_pause()")
    add_contact(chatwoot, 1)
    flush(chatwoot)
    for _ in range(600):
        if passing(replica):
            break
        time.sleep(0.05)
    assert passing(replica) == ("this standby is 0 minutes behind its primary",)
    assert passing(source) == ()
    with psycopg.connect(replica.conninfo, autocommit=True) as connection:
        connection.execute("SELECT pg_wal_replay_resume()")
    wait_for(postgres, standby)
    assert passing(replica) == ()
