"""What a sync does with the webhooks that wait: read their entities anew, plan, load."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chatwoot.records import Conversation
from chatwoot.source import ListedIds
from chatwoot.webhook.payload_ids import EntityRef
from krayin.permits import Lane
from statements import statement

from reconciliation.crm.workflows import WorkflowsNotConfirmedError, unconfirmed
from reconciliation.extract.look import looking
from reconciliation.extract.streams import CONTACTS, CONVERSATIONS, streams
from reconciliation.run.request import RunRequest
from reconciliation.store.connection import connect
from reconciliation.store.run_rows import RunKind, open_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    import psycopg

    from reconciliation.run.sync_run import Sync
    from reconciliation.store.run_rows import Run

log = logging.getLogger(__name__)

LARGEST_DRAIN = 10_000
# Between two looks into the inbox: what came meanwhile is planned before more of a long queue is loaded.
LOAD_SECONDS = 20.0
# Then a fresh run goes on, so that its log and its place in Airflow's list stay readable.
RUN_SECONDS = 300.0
# How long a run listens for more, which is how long a pause or a new version may have to wait for its end.
LISTEN_SECONDS = 60.0
QUIET_SECONDS = 5.0
LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Waiting:
    """Events taken from the inbox: their ids, the entities to read, and when the oldest came (aware).

    `strays` are the display ids of conversations whose events name no contact.
    """

    ids: tuple[int, ...]
    entities: frozenset[EntityRef]
    oldest: datetime
    strays: frozenset[int] = frozenset()

    def of(self, kind: str) -> frozenset[int]:
        """Return the ids of one kind of entity; display ids for conversations."""
        return frozenset(entity.id for entity in self.entities if entity.kind == kind)


def take(connection: psycopg.Connection, sync_name: str, size: int = LARGEST_DRAIN) -> Waiting | None:
    """Take what waits for a sync, None when nothing does.

    The commit of this comes before Chatwoot is read: an event stored later is not taken for a repetition
    of one that was read already.
    """
    rows = connection.execute(statement("webhook/claim"), {"sync_name": sync_name, "size": size}).fetchall()
    if not rows:
        return None
    named = [frozenset(map(EntityRef.parse, row[1])) for row in rows]
    return Waiting(
        ids=tuple(row[0] for row in rows),
        entities=frozenset[EntityRef]().union(*named),
        oldest=min(row[2] for row in rows),
        strays=frozenset(
            entity.id
            for entities in named
            if not any(entity.kind == "contact" for entity in entities)
            for entity in entities
            if entity.kind == "conversation"
        ),
    )


def act_on_events(
    sync: Sync,
    dag_run_id: str | None = None,
    *,
    listen: float = 0.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Run]:
    """Plan and load what the waiting events name, until none wait and what they brought up is loaded.

    Nothing of a payload is used but ids. Events count as processed from the transaction on that ends
    the planning of what they name. Returns one run for each round, none when there was nothing to do.

    Args:
        sync: whose events.
        dag_run_id: names the runs in `sync_run`.
        listen: so many seconds after its start a run that acted goes on to listen for more, until none came
            for `QUIET_SECONDS`: what comes then is brought over without waiting for Airflow.
        clock: seconds, from any moment on.
        sleep: waits for some seconds.

    Raises:
        As `Sync.plan` and `Sync.load`; events that were not planned wait for the next run.
    """
    runs: list[Run] = []
    began = clock()
    while not runs or clock() - began < RUN_SECONDS:
        dag_run = _numbered(dag_run_id, len(runs))
        run_id = _plan_waiting(sync, dag_run, listens=listen > 0) or _run_for_leftovers(sync, dag_run)
        if run_id is not None:
            runs.append(sync.load(run_id, seconds=LOAD_SECONDS))
            continue
        until = min(clock() + QUIET_SECONDS, began + listen)
        # A held plan is asked about when the run has ended.
        if not runs or runs[-1].summary.get("held") or not _hears_more(sync, until, clock, sleep):
            break
    if listen > 0:
        with connect(sync.sync_dsn) as connection:
            connection.execute(statement("webhook/listened"), {"sync_name": sync.settings.name})
    return runs


def _hears_more(sync: Sync, until: float, clock: Callable[[], float], sleep: Callable[[float], None]) -> bool:
    """Wait for the next event, and tell whether one came in time."""
    with connect(sync.sync_dsn) as connection:
        # A LISTEN would not come through a pooler.
        parameters = {"sync_name": sync.settings.name, "lane": int(Lane.LIVE)}
        while clock() < until:
            row = connection.execute(statement("webhook/waiting"), parameters).fetchone()
            assert row is not None
            if row[0]:
                return True
            sleep(LOOK_SECONDS)
    return False


def _plan_waiting(sync: Sync, dag_run_id: str | None, *, listens: bool) -> int | None:
    with connect(sync.sync_dsn) as connection:
        if listens:
            # Until the next look: if this run dies, the next one is started then.
            seconds = LOAD_SECONDS + 2 * QUIET_SECONDS
            connection.execute(
                statement("webhook/listening"), {"sync_name": sync.settings.name, "seconds": seconds}
            )
        waiting = take(connection, sync.settings.name)
        if waiting is None:
            return None
        contacts = waiting.of("contact") | _contacts_of(sync, connection, waiting.strays)
        log.info("%d webhooks about %d contacts", len(waiting.ids), len(contacts))
        if not contacts:
            # Asked for no contact in particular, a run would compare all of them.
            mark_processed(connection, waiting.ids, None)
            return None
        unasked = _would_mail(sync, connection)
        if unasked is not None:
            log.warning("%s. The webhooks wait until the first load has begun.", str(unasked).rstrip("."))
            return None

    def processed(connection: psycopg.Connection, run_id: int) -> None:
        mark_processed(connection, waiting.ids, run_id)
        connection.execute(statement("operation/arrival_order"), {"run_id": run_id, "ids": list(waiting.ids)})

    request = RunRequest(kind=RunKind.EVENTS, dag_run_id=dag_run_id, contact_ids=contacts)
    return sync.plan(request, also=processed)


def _contacts_of(sync: Sync, connection: psycopg.Connection, display_ids: frozenset[int]) -> frozenset[int]:
    """Return whose conversations these are, as far as the sync brings conversations over."""
    if not display_ids or not sync.settings.enabled or not streams(sync.settings):
        return frozenset()
    with looking(connection, sync.settings, sync.source, reads_all=False) as snapshot:
        chunks = snapshot.rows(
            CONVERSATIONS.stream, sync.scope, ListedIds(lambda: iter([sorted(display_ids)]))
        )
        return frozenset(
            row.contact_id
            for chunk in chunks
            for row in chunk
            if isinstance(row, Conversation) and row.contact_id is not None
        )


def _would_mail(sync: Sync, connection: psycopg.Connection) -> WorkflowsNotConfirmedError | None:
    """Return why the first load of a sync waits for somebody, None when nothing keeps it waiting."""
    settings = sync.settings
    began = connection.execute(
        statement("watermark/load_began"), {"sync_name": settings.name, "stream": CONTACTS.watermark}
    ).fetchone()
    assert began is not None
    if began[0] or not settings.enabled:
        return None
    with sync.open_krayin(connection, lane=Lane.LIVE) as krayin:
        waiting = unconfirmed(krayin.client, settings.confirmed_workflows)
    return WorkflowsNotConfirmedError(settings.name, waiting) if waiting else None


def _run_for_leftovers(sync: Sync, dag_run_id: str | None) -> int | None:
    """Open a run when an earlier one left something of this lane that is due now."""
    with connect(sync.sync_dsn) as connection:
        row = connection.execute(
            statement("operation/live_due"), {"sync_name": sync.settings.name, "lane": int(Lane.LIVE)}
        ).fetchone()
        assert row is not None
        if not row[0] or not sync.settings.enabled:
            return None
        return open_run(connection, sync.settings.name, RunKind.EVENTS, dag_run_id=dag_run_id, dry_run=False)


def _numbered(dag_run_id: str | None, number: int) -> str | None:
    # A retried task finds its own runs again by these names.
    return f"{dag_run_id}#{number + 1}" if dag_run_id and number else dag_run_id


def mark_processed(connection: psycopg.Connection, ids: Iterable[int], run_id: int | None) -> None:
    """Note that these events are planned."""
    connection.execute(statement("webhook/processed"), {"ids": list(ids), "run_id": run_id})
