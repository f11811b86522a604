"""What people decide about quarantined operations: noted with who and when, carried out by the next run."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from statements import statement

from reconciliation.errors import ReplayRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import psycopg

log = logging.getLogger(__name__)

LEFT_OUT: Final = "left_out"
"""The reason of an operation whose contact somebody left out: it is set aside, and waits for nobody."""


class Answer(StrEnum):
    """What somebody says about a quarantined operation."""

    THIS = "this"
    """The contact is a certain person in Krayin."""
    NEW = "new"
    """It is none of the candidates, and gets a person of its own."""
    LEAVE_OUT = "leave_out"
    REPLAY = "replay"
    """The cause is corrected: it is tried again as it is."""


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


def replay(connection: psycopg.Connection, request: ReplayRequest, *, by: str) -> Replayed:
    """Put what `request` names back to planned; `connection` is in autocommit mode, `by` who asks for it.

    An operation whose record has a newer plan is left alone: that plan says what is wanted now.
    """
    meant: dict[str, Any] = {"sync_name": request.sync_name}
    with connection.transaction():
        if request.approval_id is None:
            ids = None if request.operation_id is None else [request.operation_id]
            meant |= {"operation_ids": ids, "error_class": request.error_class}
            planned = _decide(connection, meant, Answer.REPLAY, by)
            still = "operation/quarantined"
        else:
            meant["approval_id"] = request.approval_id
            planned = len(connection.execute(statement("operation/replay_declined"), meant).fetchall())
            still = "operation/declined"
        left = connection.execute(statement(still), meant).fetchone()
    replayed = Replayed(planned, int(left[0]) if left else 0)
    log.info(
        "%d operation(s) of %s planned again, to be carried out by its next run; "
        "%d left alone because a newer plan waits",
        replayed.planned,
        request.sync_name,
        replayed.left,
    )
    return replayed


def decide(
    connection: psycopg.Connection,
    sync_name: str,
    answer: Answer,
    operations: Mapping[int, int | None],
    *,
    by: str,
) -> int:
    """Note an answer about some operations and have it carried out; return for how many.

    `operations` gives by operation the person in Krayin that the contact is, None where `answer` is another
    one than `THIS`. What is not quarantined any more, or not for want of a match, is passed over.
    """
    meant = {"sync_name": sync_name, "operation_ids": list(operations), "error_class": None}
    return _decide(connection, meant, answer, by, list(operations.values()))


def undo(connection: psycopg.Connection, sync_name: str, ids: Sequence[int], *, by: str) -> int:
    """Take decisions back, as far as they were not carried out; return how many."""
    return connection.execute(
        statement("decision/undo"), {"sync_name": sync_name, "ids": list(ids), "ended_by": by}
    ).rowcount


def _decide(
    connection: psycopg.Connection,
    meant: Mapping[str, Any],
    answer: Answer,
    by: str,
    crm_ids: Sequence[int | None] = (),
) -> int:
    facts = {**meant, "answer": answer, "decided_by": by, "crm_ids": list(crm_ids)}
    rows = connection.execute(statement("decision/decide"), facts).fetchall()
    for operation_id, source_kind, source_id in rows:
        log.info("operation %d (%s %s): %s", operation_id, source_kind, source_id, answer)
    return len(rows)
