"""What a comparison is asked for, and what it repairs by itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from statements import statement

from reconciliation.drift.finding import FindingClass, FindingState

if TYPE_CHECKING:
    import psycopg

    from reconciliation.drift.finding import Finding
    from reconciliation.settings.sync_settings import SyncSettings
    from reconciliation.store.binding_scope import BindingScope

Depth = Literal["changed", "full"]
DECLINED = "none: somebody declined it (krayin_replay carries it out)"
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True)
class ReconcileRequest:
    """What a comparison is asked for.

    Without `depth` it is full on the sync's weekday. `repair` None means as the settings say, True all
    classes, False none. `contact_ids` limit it to some contacts, whose records are read by their ids.
    `accepted` are numbers of findings that somebody said may stay: `asked_by`, a user or None.
    """

    dag_run_id: str | None = None
    depth: Depth | None = None
    repair: bool | None = None
    contact_ids: frozenset[int] = frozenset()
    accepted: frozenset[int] = frozenset()
    asked_by: str | None = None

    def depth_on(self, day: datetime, full_on: str | None) -> Depth:
        """Return how deep to compare at a moment (aware)."""
        if self.depth is not None:
            return self.depth
        return "full" if WEEKDAYS[day.astimezone(UTC).weekday()] == full_on else "changed"


@dataclass(frozen=True, slots=True)
class Policy:
    """What is repaired: the classes, and whether a deleted record is made again.

    `declined` are source records whose latest plan somebody declined, so that they stay as they are:
    kind, id, and whether that plan was about a record that is gone in Chatwoot.
    """

    classes: frozenset[FindingClass] = frozenset()
    recreate: bool = False
    declined: frozenset[tuple[str, str, bool]] = frozenset()

    def repairs(self, kind: FindingClass) -> bool:
        """Tell whether differences of this class are repaired."""
        return kind in self.classes

    def judge(self, finding: Finding) -> Finding:
        """Return a finding in the state that says whether it is repaired now."""
        if not finding.repairable:
            return finding
        state = FindingState.REPAIRING if self.repairs(finding.kind) else FindingState.OPEN
        return replace(finding, state=state)

    def apply_declined(self, finding: Finding) -> Finding:
        """Return a finding that is not to be repaired where somebody declined that."""
        # Stages have plans of their own.
        kind = "stage" if finding.kind is FindingClass.MOVED_STAGE else finding.source_kind
        plan = (kind or "", finding.source_id or "", finding.kind is FindingClass.ORPHAN)
        if not finding.repairable or plan not in self.declined:
            return finding
        return replace(finding, repair=DECLINED, calls=0, repairable=False)


def policy_of(settings: SyncSettings, *, repair: bool | None) -> Policy:
    """Return what is repaired by these settings; `repair` True or False goes before them."""
    chosen = frozenset(
        kind for kind in FindingClass if (settings.reconcile.repairs(kind) if repair is None else repair)
    )
    named = settings.reconcile.repair_by_class.get("stale_mapping") == "repair"
    return Policy(chosen, recreate=settings.recreate_deleted or named)


def declined_sources(
    connection: psycopg.Connection, identity: BindingScope
) -> frozenset[tuple[str, str, bool]]:
    """Return the source records whose latest plan somebody declined, as `Policy.declined`."""
    rows = connection.execute(statement("approval/declined"), identity.parameters())
    return frozenset((row[0], row[1], row[2]) for row in rows)
