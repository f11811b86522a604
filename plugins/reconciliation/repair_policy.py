"""What a comparison repairs by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciliation.finding import FindingClass

if TYPE_CHECKING:
    from reconciliation.settings import SyncSettings


@dataclass(frozen=True, slots=True)
class Policy:
    """What is repaired: the classes, and whether a deleted record is made again."""

    classes: frozenset[FindingClass] = frozenset()
    recreate: bool = False

    def repairs(self, kind: FindingClass) -> bool:
        """Tell whether differences of this class are repaired."""
        return kind in self.classes


def policy_of(settings: SyncSettings, *, repair: bool | None) -> Policy:
    """Return what is repaired by these settings; `repair` True or False goes before them."""
    chosen = frozenset(
        kind for kind in FindingClass if (settings.reconcile.repairs(kind) if repair is None else repair)
    )
    named = settings.reconcile.repair_by_class.get("stale_mapping") == "repair"
    return Policy(chosen, recreate=settings.recreate_deleted or named)
