"""A long reading gives way to whoever waits for a lock on a table that it reads."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import psycopg
from statements import statement

from chatwoot.errors import ChatwootError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg import Connection

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0
"""Seconds between two looks at who waits; what is over sooner costs no second connection."""


@contextmanager
def giving_way(connection: Connection[Any], connect: Callable[[], Connection[Any]]) -> Iterator[None]:
    """Cancel what `connection` carries out when another session comes to wait for its locks.

    A migration of Chatwoot's that waits for a reading keeps everybody else waiting behind it.

    Args:
        connection: in a transaction, on the server's process that is to be cancelled.
        connect: opens a second connection, on which is looked who waits. Where it cannot, nothing gives way.

    Raises:
        psycopg.errors.QueryCanceled: where the reading is when it gives way.
    """
    row = connection.execute(statement("session/own_process")).fetchone()
    assert row is not None
    over = Event()
    watcher = Thread(target=_watch, args=(row[0], connect, over), name="lock_queue", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        # What comes after must not be cancelled.
        watcher.join()


def _watch(process: int, connect: Callable[[], Connection[Any]], over: Event) -> None:
    if over.wait(LOOK_EVERY):
        return
    try:
        with connect() as connection:
            while connection.execute(statement("session/give_way"), {"process": process}).fetchone() is None:
                connection.rollback()
                if over.wait(LOOK_EVERY):
                    return
    except (psycopg.Error, ChatwootError) as error:
        log.debug("Who waits for Chatwoot's tables cannot be seen: %s", type(error).__name__)
