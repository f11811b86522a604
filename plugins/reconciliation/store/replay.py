"""Puts quarantined operations back into the plan, for the next run of their sync to carry out."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from statements import statement

from reconciliation.errors import ReplayRequestError

if TYPE_CHECKING:
    import psycopg

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """Which operations of a sync are meant.

    One that is quarantined, those quarantined for an error class, all of these, or a declined plan.

    Raises:
        ReplayRequestError: none of the four is named, or more than one.
    """

    sync_name: str
    operation_id: int | None = None
    error_class: str | None = None
    everything: bool = False
    approval_id: int | None = None

    def __post_init__(self) -> None:
        """Refuse what is unclear: replaying all by an empty form would surprise."""
        named = (
            self.operation_id is not None,
            self.error_class is not None,
            self.everything,
            self.approval_id is not None,
        )
        if sum(named) != 1:
            raise ReplayRequestError(self.sync_name)


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many operations were put back, and how many stay because a newer plan for their record waits."""

    planned: int
    left: int


def replay(connection: psycopg.Connection, request: ReplayRequest) -> Replayed:
    """Put what `request` names back to planned; `connection` is in autocommit mode.

    An operation whose record has a newer plan is left alone: that plan says what is wanted now.
    """
    meant: dict[str, Any] = {"sync_name": request.sync_name}
    if request.approval_id is None:
        again, still = "operation/replay", "operation/quarantined"
        meant |= {"operation_id": request.operation_id, "error_class": request.error_class}
    else:
        again, still = "operation/replay_declined", "operation/declined"
        meant["approval_id"] = request.approval_id
    with connection.transaction():
        rows = connection.execute(statement(again), meant).fetchall()
        left = connection.execute(statement(still), meant).fetchone()
    for operation_id, source_kind, source_id in rows:
        log.info("operation %d (%s %s) is planned again", operation_id, source_kind, source_id)
    replayed = Replayed(len(rows), int(left[0]) if left else 0)
    log.info(
        "%d operation(s) of %s planned again, to be carried out by its next run; "
        "%d left alone because a newer plan waits",
        replayed.planned,
        request.sync_name,
        replayed.left,
    )
    return replayed
