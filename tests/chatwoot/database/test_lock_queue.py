from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from chatwoot.database import lock_queue
from chatwoot.database.lock_queue import giving_way
from chatwoot.database.source import _translated
from chatwoot.errors import ChatwootUnreachable
from chatwoot.source import ChangedSince, SourceFilter
from chatwoot.streams import Stream

from sandbox.chatwoot import changes

if TYPE_CHECKING:
    from chatwoot.database.source import DatabaseSource
    from psycopg import Connection

MIGRATION = "ALTER TABLE {} ADD COLUMN brand_new integer"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_queue, "LOOK_EVERY", 0.1)


def read_for(connection: Connection[Any], table: str, seconds: float) -> None:
    connection.execute(f"SELECT pg_sleep({seconds}) FROM (SELECT count(*) FROM {table}) AS counted")


def test_a_reading_ends_when_a_migration_waits_for_it(
    chatwoot: Connection[Any], source: DatabaseSource
) -> None:
    with source.connect() as connection, ThreadPoolExecutor() as others:

        def read() -> Any:
            with connection.transaction(), giving_way(connection, source.connect):
                connection.execute("SELECT count(*) FROM messages")
                migration = others.submit(chatwoot.execute, MIGRATION.format("messages"))
                started.append(migration)
                read_for(connection, "messages", 60)

        started: list[Any] = []
        with pytest.raises(psycopg.errors.QueryCanceled):
            read()
        # The savepoint gave the lock back.
        started[0].result(timeout=20)


def test_what_others_wait_for_among_themselves_does_not_end_it(
    chatwoot: Connection[Any], chatwoot_url: str, source: DatabaseSource
) -> None:
    with (
        psycopg.connect(chatwoot_url) as busy,
        source.connect() as connection,
        ThreadPoolExecutor() as others,
    ):
        busy.execute("SELECT count(*) FROM contacts")
        migration = others.submit(chatwoot.execute, MIGRATION.format("contacts"))
        with connection.transaction(), giving_way(connection, source.connect):
            read_for(connection, "messages", 1)
        assert not migration.done()
        busy.rollback()
        migration.result(timeout=20)


def test_what_comes_after_it_is_not_cancelled(source: DatabaseSource) -> None:
    with source.connect() as connection:
        for _ in range(30):
            with connection.transaction(), giving_way(connection, source.connect):
                read_for(connection, "messages", 0.1)
            connection.execute("SELECT count(*) FROM messages")


def test_without_a_second_connection_nothing_gives_way(source: DatabaseSource) -> None:
    def none() -> Any:
        where = "here"
        raise ChatwootUnreachable(where, "too many connections")

    with source.connect() as connection, giving_way(connection, none):
        read_for(connection, "messages", 0.5)


def test_an_exact_look_gives_way_and_the_run_goes_on_by_index(
    chatwoot: Connection[Any], source: DatabaseSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = SourceFilter(1)
    with source.snapshot() as snapshot:
        mark = snapshot.watermark(Stream.CONTACTS)
    added = changes.add_contact(chatwoot, 1, name="Ada", email="ada@example.com")
    with source.snapshot() as snapshot, ThreadPoolExecutor() as others:
        copy = snapshot._copied

        def slow(name: str, *given: Any) -> Any:
            yield from copy(name, *given)
            if name == "written/taggings":
                others.submit(chatwoot.execute, MIGRATION.format("taggings"))
                with _translated("here"):
                    read_for(snapshot._connection, "taggings", 60)

        with monkeypatch.context() as patch:
            patch.setattr(snapshot, "_copied", slow)
            assert not snapshot.looks_exactly(Stream.CONTACTS, account, mark, 1)
        snapshot._written = None
        found = list(snapshot.rows(Stream.CONTACTS, account, ChangedSince(mark, exact=False)))
    assert [row.id for chunk in found for row in chunk] == [added]
