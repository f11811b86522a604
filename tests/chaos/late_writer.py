"""Writes to a Chatwoot database from several connections in transactions that end out of order."""

from __future__ import annotations

import random
import threading
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import psycopg

from sandbox.chatwoot import changes, conversations

ACCOUNT = 1


@dataclass
class LateWriter:
    """Some connections that write until told to stop; each row is written once only.

    A second write of the same row would hide that the first was missed. `longest` is how long a
    transaction stays open between its first write and its commit, in seconds; `ready` are
    contacts there already, each to be renamed once.
    """

    chatwoot_url: str
    seed: int
    longest: float
    ready: list[int]
    connections: int = 6
    names: dict[int, str] = field(default_factory=dict)
    messages: list[int] = field(default_factory=list)
    out_of_order: int = 0
    transactions: int = 0
    failures: list[Exception] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)
    _latest: int = 0

    def start(self) -> list[threading.Thread]:
        """Begin to write and return the threads."""
        threads = [
            threading.Thread(target=self._run, args=(random.Random(f"{self.seed}/{number}"), number))
            for number in range(self.connections)
        ]
        for thread in threads:
            thread.start()
        return threads

    def stop(self) -> None:
        """Begin no more transactions; those that are open are committed."""
        self._stop.set()

    def _run(self, chance: random.Random, number: int) -> None:
        try:
            with psycopg.connect(self.chatwoot_url, autocommit=True) as connection:
                while not self._stop.is_set():
                    self._transaction(connection, chance, number)
        except Exception as error:  # noqa: BLE001 - shown by the test
            self.failures.append(error)

    def _transaction(self, connection: psycopg.Connection, chance: random.Random, number: int) -> None:
        names: dict[int, str] = {}
        messages: list[int] = []
        # Rails takes the time when it saves; importers bring old ones, other hosts have other clocks.
        stamp = datetime.now(UTC) + chance.choice(
            (timedelta(0), timedelta(0), timedelta(days=-400), timedelta(minutes=-2), timedelta(minutes=2))
        )
        with connection.transaction():
            row = connection.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()
            assert row is not None
            for _ in range(chance.randint(1, 3)):
                with connection.transaction() if chance.random() < 0.3 else nullcontext():
                    self._write(connection, chance, f"{number}-{row[0]}-{len(names)}", stamp, names, messages)
            # Most transactions are short.
            self._stop.wait(self.longest * chance.random() ** 3)
        with self._lock:
            self.names |= names
            self.messages += messages
            self.transactions += 1
            self.out_of_order += row[0] < self._latest
            self._latest = max(self._latest, row[0])
        time.sleep(chance.uniform(0, self.longest / 20))

    def _write(
        self,
        connection: psycopg.Connection,
        chance: random.Random,
        name: str,
        stamp: datetime,
        names: dict[int, str],
        messages: list[int],
    ) -> None:
        with self._lock:
            contact = self.ready.pop() if self.ready and chance.random() < 0.5 else None
        if contact is None:
            contact = changes.add_contact(
                connection,
                ACCOUNT,
                name=name,
                email=f"{name}@example.com",
                created_at=stamp,
                updated_at=stamp,
            )
        elif chance.random() < 0.3:
            changes.update_columns(connection, contact, name=name)
        else:
            changes.update_contact(connection, contact, name=name, updated_at=stamp)
        names[contact] = name
        if chance.random() < 0.3:
            talk = conversations.add_conversation(connection, contact, 1, created_at=stamp)
            messages.append(conversations.add_message(connection, talk, "Hello", created_at=stamp))
