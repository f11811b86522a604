"""What a sync does with the webhooks that wait: read their entities anew, plan, load."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chatwoot.payload_ids import EntityRef
from statements import statement

from reconciliation.run import RunRequest
from reconciliation.runs import RunKind
from reconciliation.sync_database import connect

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    import psycopg

    from reconciliation.run import Sync
    from reconciliation.runs import Run

log = logging.getLogger(__name__)

# What is left waits for the next run, which starts at once.
LARGEST_DRAIN = 10_000
# Enough for the first call after Krayin's window was used up; later rows are loaded by the next run.
LOAD_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """Events taken from the inbox: their ids, the entities to read, and when the oldest came (aware)."""

    ids: tuple[int, ...]
    entities: frozenset[EntityRef]
    oldest: datetime

    def of(self, kind: str) -> frozenset[int]:
        """Return the ids of one kind of entity; display ids for conversations."""
        return frozenset(entity.id for entity in self.entities if entity.kind == kind)


def take(connection: psycopg.Connection, sync_name: str, size: int = LARGEST_DRAIN) -> Waiting | None:
    """Take what waits for a sync, None when nothing does.

    The commit of this comes before Chatwoot is read: an event stored later is not taken for a repetition
    of one that was read already.
    """
    rows = connection.execute(statement("inbox/claim"), {"sync_name": sync_name, "size": size}).fetchall()
    if not rows:
        return None
    entities = frozenset(EntityRef.parse(text) for row in rows for text in row[1])
    return Waiting(tuple(row[0] for row in rows), entities, min(row[2] for row in rows))


def act_on_events(sync: Sync, dag_run_id: str | None = None) -> Run | None:
    """Plan and load what the waiting events name; None when none wait.

    Nothing of a payload is used but ids. The events count as processed from the transaction on that
    ends the planning.

    Raises:
        As `Sync.plan` and `Sync.load`; the events then wait for the next run.
    """
    with connect(sync.sync_dsn) as connection:
        waiting = take(connection, sync.settings.name)
    if waiting is None:
        log.info("No webhook waits.")
        return None
    contacts = waiting.of("contact")
    log.info("%d webhooks about %d contacts", len(waiting.ids), len(contacts))
    if not contacts:
        # Asked for no contact in particular, a run would compare all of them.
        with connect(sync.sync_dsn) as connection:
            mark_processed(connection, waiting.ids, None)
        return None
    request = RunRequest(kind=RunKind.EVENTS, dag_run_id=dag_run_id, contact_ids=contacts)

    def processed(connection: psycopg.Connection, run_id: int) -> None:
        mark_processed(connection, waiting.ids, run_id)

    return sync.load(sync.plan(request, also=processed), seconds=LOAD_SECONDS)


def mark_processed(connection: psycopg.Connection, ids: Iterable[int], run_id: int | None) -> None:
    """Note that these events are planned."""
    connection.execute(statement("inbox/processed"), {"ids": list(ids), "run_id": run_id})
