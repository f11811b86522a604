"""How long loading waits for what; given from outside so that tests need not wait."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

EXACT = timedelta(seconds=1)
"""Moments less apart are one: Krayin keeps whole seconds, though its answers may show more."""
SKEW = timedelta(minutes=2)
"""By how much the clocks of Chatwoot, Krayin and the sync database may differ."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The time constants of loading.

    Attributes:
        lease: far longer than any one call may take, far shorter than anybody waits for a dead worker.
        settle: how long Krayin may go on with a call after its client gave up; a lookup before
            that proves nothing.
        backoff: the wait before the second try, doubled with every further one.
        longest_backoff: where the doubling ends.
        down: the wait after a connection that could not be made.
        patience: an operation that is due sooner is waited for; a later one is left to the next run.
    """

    lease: timedelta = timedelta(minutes=5)
    settle: timedelta = timedelta(seconds=30)
    backoff: timedelta = timedelta(seconds=30)
    longest_backoff: timedelta = timedelta(hours=6)
    down: timedelta = timedelta(seconds=5)
    patience: timedelta = timedelta(seconds=60)

    @property
    def next_run(self) -> timedelta:
        """The wait of what this run cannot do and need not wait for."""
        return 2 * self.patience

    def backoff_after(self, attempts: int) -> timedelta:
        """Return the wait after a failure that `attempts` others went before."""
        return min(self.backoff * (1 << min(attempts, 12)), self.longest_backoff)


DEFAULT = Timing()


def same_moment(shown: datetime | None, meant: datetime) -> bool:
    """Tell whether Krayin shows the moment that is meant; both are aware."""
    return shown is not None and abs(shown - meant) <= EXACT
