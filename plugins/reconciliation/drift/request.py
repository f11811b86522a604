"""What a comparison is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

Depth = Literal["changed", "full"]
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True)
class ReconcileRequest:
    """What a comparison is asked for.

    Without `depth` it is full on the sync's weekday. `repair` None means as the settings say, True all
    classes, False none. `contact_ids` limit it to some contacts, whose records are read by their ids.
    `accepted` are numbers of findings that somebody said may stay.
    """

    dag_run_id: str | None = None
    depth: Depth | None = None
    repair: bool | None = None
    contact_ids: frozenset[int] = frozenset()
    accepted: frozenset[int] = frozenset()

    def depth_on(self, day: datetime, full_on: str | None) -> Depth:
        """Return how deep to compare at a moment (aware)."""
        if self.depth is not None:
            return self.depth
        return "full" if WEEKDAYS[day.astimezone(UTC).weekday()] == full_on else "changed"
