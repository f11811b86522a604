"""A pacer that never waits, for the single calls of a connection test."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from krayin.pacing import Slot

if TYPE_CHECKING:
    from krayin.pacing import Answer


class Unpaced:
    """Grants every call at once; never use it where calls are many."""

    def acquire(self) -> Slot:
        """Return leave to make a call now."""
        return Slot(number=0, fence=0, granted_at=datetime.now(UTC))

    def settle(self, slot: Slot, answer: Answer | None) -> None:
        """Take no notice of how the call ended."""
