"""What a run is asked to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chatwoot.source import ByIds, Window

from reconciliation.store.run_rows import RunKind

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What a run is asked to look at.

    `contact_ids`, `window` (aware start and end) or `diff_id` (what a diff found to differ) name the
    records; without them it is what changed since the watermark, or everything with `full`. Only a run
    without them moves the watermark, and never a dry or a backfill one. `seconds` bounds the loading.
    """

    kind: RunKind = RunKind.MANUAL
    dag_run_id: str | None = None
    contact_ids: frozenset[int] = frozenset()
    window: tuple[datetime, datetime] | None = None
    diff_id: int | None = None
    full: bool = False
    dry_run: bool = False
    seconds: float | None = None

    @property
    def asked(self) -> ByIds | Window | None:
        """The contacts or the window asked for, None without."""
        if self.contact_ids:
            return ByIds(self.contact_ids)
        return None if self.window is None else Window(*self.window)

    @property
    def previews(self) -> bool:
        """Whether what would become of each contact asked for is kept with the run."""
        return self.dry_run and bool(self.contact_ids)

    @property
    def moves_watermark(self) -> bool:
        """Whether what changed since the watermark counts as seen after this run."""
        named = self.asked is not None or self.diff_id is not None
        return not (self.dry_run or named or self.kind is RunKind.BACKFILL)
