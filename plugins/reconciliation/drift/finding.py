"""One difference between Chatwoot and Krayin, and what is to become of it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


STAYS_DELETED = "none: what was deleted in Krayin stays deleted (recreate_deleted: false)"
KEPT = "none: Krayin's value stands (on_crm_edit: keep)"


class FindingClass(StrEnum):
    """What kind of difference it is."""

    MISSING = "missing"
    CHANGED = "changed"
    DUPLICATE = "duplicate"
    ORPHAN = "orphan"
    UNMAPPED = "unmapped"
    STALE_MAPPING = "stale_mapping"
    QUARANTINED = "quarantined"
    UNKNOWN = "unknown"
    TRUNCATED = "truncated"
    MOVED_STAGE = "moved_stage"


LABELS: dict[str, str] = {
    FindingClass.MISSING: "missing in Krayin",
    FindingClass.CHANGED: "field differs",
    FindingClass.DUPLICATE: "twice in Krayin",
    FindingClass.ORPHAN: "gone in Chatwoot",
    FindingClass.UNMAPPED: "there, not linked",
    FindingClass.STALE_MAPPING: "deleted in Krayin",
    FindingClass.QUARANTINED: "needs a decision",
    FindingClass.UNKNOWN: "outcome unknown",
    FindingClass.TRUNCATED: "cut to fit",
    FindingClass.MOVED_STAGE: "stage is behind",
}
"""What a class is called in logs and on pages."""


class Side(StrEnum):
    """Whose change makes the difference."""

    OURS = "ours"
    """Chatwoot changed, Krayin does not know it yet."""
    THEIRS = "theirs"
    """Somebody edited Krayin."""


class FindingState(StrEnum):
    """What becomes of a difference."""

    OPEN = "open"
    REPORTED = "reported"
    REPAIRING = "repairing"
    REPAIRED = "repaired"
    RESOLVED = "resolved"
    ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference.

    `detail` holds values of contact fields and ids, never what was said. `repair` says in words
    what a repair does, `calls` what it costs; without `repairable` none is made, and `repair` says why.
    `row_id` is the mapping row whose record is written or made again.
    """

    kind: FindingClass
    repair: str
    source_kind: str | None = None
    source_id: str | None = None
    contact_id: int | None = None
    crm_kind: str | None = None
    crm_id: int | None = None
    field: str | None = None
    side: Side | None = None
    detail: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    calls: int = 0
    repairable: bool = False
    row_id: int | None = None
    state: FindingState = FindingState.REPORTED

    @property
    def key(self) -> str:
        """What tells it from every other finding of a sync.

        A duplicate is told by its own id as well: one contact may have several. Everything else by
        its source record, which stays when the Krayin record is made again.
        """
        parts: list[object] = [self.kind, self.source_kind, self.source_id, self.crm_kind, self.field]
        if self.kind is FindingClass.DUPLICATE or self.source_id is None:
            parts.append(self.crm_id)
        return "|".join("" if part is None else str(part) for part in parts)

    @classmethod
    def stale(cls, repair: str, *, again: bool, calls: int = 1, **facts: Any) -> Finding:
        """Return the finding of a record that was deleted in Krayin: it is made `again`, or stays deleted."""
        return cls(
            FindingClass.STALE_MAPPING,
            repair if again else STAYS_DELETED,
            calls=calls if again else 0,
            repairable=again,
            **facts,
        )
