"""What we closed or deleted in Krayin, remembered with what it was before, so that it can be undone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb
from statements import statement

from reconciliation.model.timing import same_moment

if TYPE_CHECKING:
    from collections.abc import Mapping

    import psycopg
    from krayin.records import Lead

    from reconciliation.store.ledger import Operation


@dataclass(frozen=True, slots=True)
class Closing:
    """A lead that we closed: where it stood before, and how Krayin showed it right after.

    `closed_at` is aware, None when Krayin's answer was lost.
    """

    stage_id: int
    lost_stage_id: int
    lost_reason: str | None = None
    closed_at: datetime | None = None

    def stands(self, lead: Lead) -> bool:
        """Tell whether the lead is as we left it; else somebody has decided about it since."""
        return (
            lead.stage_id == self.lost_stage_id
            and (self.closed_at is None or same_moment(lead.closed_at, self.closed_at))
            and (lead.lost_reason or None) == (self.lost_reason or None)
        )


class RemovalMemory:
    """The removals of one sync; the connection is in autocommit mode or in the ledger's transaction."""

    def __init__(self, connection: psycopg.Connection, sync_name: str) -> None:
        self._connection = connection
        self._sync_name = sync_name

    def remember(  # noqa: PLR0913 - the columns of one row
        self,
        operation: Operation,
        action: str,
        crm_kind: str,
        crm_id: int,
        *,
        before: Mapping[str, Any],
        after: Mapping[str, Any] | None = None,
    ) -> None:
        """Note before the call what a record is; of a repeated call the first note stays."""
        self._connection.execute(
            statement("removal/remember"),
            {
                **operation.record(crm_kind, crm_id),
                "sync_name": self._sync_name,
                "action": action,
                "before": Jsonb(dict(before)),
                "after": Jsonb(dict(after or {})),
            },
        )

    def closed(self, target_id: int, lead: Lead) -> None:
        """Note how Krayin shows a lead that was just closed."""
        after = {
            "lost_reason": lead.lost_reason,
            "closed_at": lead.closed_at.isoformat() if lead.closed_at else None,
        }
        self._connection.execute(
            statement("removal/closed"), {"target_id": target_id, "crm_id": lead.id, "after": Jsonb(after)}
        )

    def forget_record(self, operation: Operation, crm_kind: str, crm_id: int) -> None:
        """Note that a record is not in Krayin any more."""
        self._connection.execute(statement("mapping/forget_record"), operation.record(crm_kind, crm_id))

    def closing_of(self, target_id: int, lead_id: int) -> Closing | None:
        """Return how a lead was closed by us, None when it was not or when that is undone."""
        row = self._connection.execute(
            statement("removal/closing"), {"target_id": target_id, "crm_id": lead_id}
        ).fetchone()
        if row is None:
            return None
        before, after = row
        closed_at = after.get("closed_at")
        return Closing(
            before["stage_id"],
            after["stage_id"],
            after.get("lost_reason", before["lost_reason"]),
            datetime.fromisoformat(closed_at) if closed_at else None,
        )

    def end_closing(self, target_id: int, lead_id: int, how: str) -> None:
        """Note that a lead that we closed was `reopened`, or was `left` as somebody put it in Krayin."""
        self._connection.execute(
            statement("removal/end_closing"), {"target_id": target_id, "crm_id": lead_id, "how": how}
        )
