"""The rows of `sync_run`: what a run is, how far it is and what it did."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import psycopg
from krayin.permits import Lane
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from statements import statement

from reconciliation.errors import IncidentOpenError, RunStoppedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime


class RunKind(StrEnum):
    """Why a run looks at what it looks at."""

    SCHEDULED = "scheduled"
    MANUAL = "manual"
    BACKFILL = "backfill"
    EVENTS = "events"
    RECONCILE = "reconcile"
    SETUP = "setup"
    PREVIEW = "preview"


class RunState(StrEnum):
    """How far a run is."""

    PLANNING = "planning"
    PLANNED = "planned"
    LOADING = "loading"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def is_terminal(self) -> bool:
        """Tell whether nothing more will happen in the run."""
        return self in {RunState.DONE, RunState.STOPPED, RunState.FAILED}


LANES = {
    RunKind.SCHEDULED: Lane.SCHEDULED,
    RunKind.MANUAL: Lane.SCHEDULED,
    RunKind.EVENTS: Lane.LIVE,
    RunKind.BACKFILL: Lane.BACKFILL,
    RunKind.RECONCILE: Lane.DRIFT,
    RunKind.SETUP: Lane.SCHEDULED,
    RunKind.PREVIEW: Lane.LIVE,
}
"""Whose work goes first in Krayin."""

ACTIONS = ("created", "updated", "adopted", "closed", "deleted")
"""What a run does to records in Krayin; by each its summary has numbers by CRM kind."""


@dataclass(frozen=True, slots=True)
class Run:
    """One row of `sync_run`; times are aware."""

    id: int
    sync_name: str
    kind: RunKind
    state: RunState
    dry_run: bool
    started_at: datetime
    finished_at: datetime | None
    summary: Mapping[str, Any]
    message: str | None


def open_run(
    connection: psycopg.Connection, sync_name: str, kind: RunKind, *, dag_run_id: str | None, dry_run: bool
) -> int:
    """Return the id of a new run, or of the one this DAG run opened before its task was tried again."""
    row = connection.execute(
        statement("sync_run/open"),
        {"sync_name": sync_name, "dag_run_id": dag_run_id, "kind": str(kind), "dry_run": dry_run},
    ).fetchone()
    assert row is not None
    return int(row[0])


def update_run(
    connection: psycopg.Connection,
    run_id: int,
    state: RunState,
    summary: Mapping[str, Any] | None = None,
    message: str | None = None,
) -> None:
    """Note the state of a run and merge `summary` (JSON) into what is known of it."""
    connection.execute(
        statement("sync_run/update"),
        {
            "run_id": run_id,
            "state": str(state),
            "summary": Jsonb(dict(summary or {})),
            "message": message,
            "finished": state.is_terminal,
        },
    )


def add_to_summary(connection: psycopg.Connection, run_id: int, numbers: Mapping[str, Any]) -> None:
    """Merge `numbers` (JSON) into the summary of a run, whatever its state."""
    connection.execute(statement("sync_run/add"), {"run_id": run_id, "summary": Jsonb(dict(numbers))})


def keep_share(
    connection: psycopg.Connection, run_id: int, share: str, numbers: Mapping[str, Any]
) -> list[Mapping[str, Any]]:
    """Keep the numbers of one loader of a run, and return those of all; inside a transaction.

    `share` names the loader and its attempt; `numbers` (JSON) replace what it kept before.
    """
    row = connection.execute(
        statement("sync_run/share"), {"run_id": run_id, "share": share, "numbers": Jsonb(dict(numbers))}
    ).fetchone()
    return [] if row is None else list(row[0].values())


def read_run(connection: psycopg.Connection, run_id: int) -> Run:
    """Return the run with this id.

    Raises:
        LookupError: there is none.
    """
    run = find_run(connection, run_id)
    if run is None:
        message = f"there is no run {run_id}"
        raise LookupError(message)
    return run


def find_run(connection: psycopg.Connection, run_id: int) -> Run | None:
    """Return the run with this id, None if there is none."""
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(statement("sync_run/read"), {"run_id": run_id}).fetchone()
    if row is None:
        return None
    return Run(id=run_id, **{**row, "kind": RunKind(row["kind"]), "state": RunState(row["state"])})


def count_calls(connection: psycopg.Connection, run_id: int) -> dict[str, int]:
    """Return the calls a run made: all, writing ones, and those the limiter refused."""
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(statement("api_call/of_run"), {"run_id": run_id}).fetchone()
    assert row is not None
    return {name: int(number) for name, number in row.items()}


@contextmanager
def failing_run(connection: psycopg.Connection, run_id: int) -> Iterator[None]:
    """Note on the run why it failed, unless the sync database itself is the reason."""
    try:
        yield
    except RunStoppedError:
        raise
    except IncidentOpenError as stop:
        update_run(connection, run_id, RunState.STOPPED, message=str(stop))
        raise
    except Exception as error:
        # Why the sync database itself fails is not to be hidden by its failing once more.
        if not isinstance(error, psycopg.OperationalError):
            with suppress(psycopg.OperationalError):
                update_run(connection, run_id, RunState.FAILED, message=str(error))
        raise
