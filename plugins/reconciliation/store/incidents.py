"""What stands between a sync and its work: opened by who sees it, closed by a truthful look or a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb
from statements import statement

from reconciliation.errors import IncidentOpenError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import psycopg

SOURCE_KINDS = "chatwoot_"
"""How the kinds of `extract.look` begin: every look judges anew, and stops what it must by itself."""


@dataclass(frozen=True, slots=True)
class Incident:
    """An open incident; times are aware.

    Attributes:
        sync_name: the sync it stops; None when it stops every sync to the Krayin `target_id`.
        sentence: what was seen and what to do; neither a person's data nor a secret.
        facts: the same for programs (JSON).
    """

    id: int
    kind: str
    sync_name: str | None
    target_id: int | None
    sentence: str
    facts: Mapping[str, Any]
    opened_at: datetime
    last_seen_at: datetime


def open_incident(  # noqa: PLR0913 - each is a column
    connection: psycopg.Connection,
    *,
    kind: str,
    sentence: str,
    facts: Mapping[str, Any],
    sync_name: str | None = None,
    target_id: int | None = None,
) -> int:
    """Note an incident and return its id; one of the same kind, sync and target that is open is kept.

    `connection` is in autocommit mode and outside a transaction: what is noted stays, whatever fails next.
    """
    row = connection.execute(
        statement("incident/open"),
        {
            "kind": kind,
            "sync_name": sync_name,
            "target_id": target_id,
            "sentence": sentence,
            "facts": Jsonb(dict(facts)),
        },
    ).fetchone()
    assert row is not None
    return int(row[0])


def open_incidents(
    connection: psycopg.Connection, *, sync_name: str | None = None, target_id: int | None = None
) -> list[Incident]:
    """Return the open incidents of a sync and of its Krayin, the oldest first; all of them without either."""
    with connection.cursor(row_factory=class_row(Incident)) as cursor:
        return cursor.execute(
            statement("incident/list"), {"sync_name": sync_name, "target_id": target_id}
        ).fetchall()


def require_no_incident(connection: psycopg.Connection, *, sync_name: str, target_id: int) -> None:
    """Make sure that nothing stops a sync from writing to its Krayin.

    Raises:
        IncidentOpenError: something does; the oldest such incident.
    """
    for incident in open_incidents(connection, sync_name=sync_name, target_id=target_id):
        if not incident.kind.startswith(SOURCE_KINDS):
            raise IncidentOpenError(incident.id, incident.kind, incident.sentence)


def require_writable(connection: psycopg.Connection, target_id: int) -> None:
    """Make sure that no incident stops all writing to a Krayin; unlike the others good inside a transaction.

    Raises:
        IncidentOpenError: one does.
    """
    row = connection.execute(statement("incident/stops"), {"target_id": target_id}).fetchone()
    if row is not None:
        raise IncidentOpenError(*row)


def close_incidents(  # noqa: PLR0913 - each is a column
    connection: psycopg.Connection,
    *,
    by: str,
    why: str,
    incident_id: int | None = None,
    kind: str | None = None,
    sync_name: str | None = None,
    target_id: int | None = None,
) -> int:
    """Note that an incident is over, or what was open of a kind with exactly this sync and target.

    One that is closed already stays as it is. Return how many were open.
    """
    which = {"incident_id": incident_id, "kinds": kind and [kind]}
    return connection.execute(
        statement("incident/close"),
        {**which, "sync_name": sync_name, "target_id": target_id, "closed_by": by, "closed_why": why},
    ).rowcount
