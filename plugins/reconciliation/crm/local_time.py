"""What the clock on Krayin's wall shows, learned from its own answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_FORM = "%Y-%m-%d %H:%M:%S"


@dataclass(slots=True)
class ServerClock:
    """The offset of Krayin's zone as far as known.

    Krayin 2.1.5 reads `closed_at` as its own local time, has no way to say which zone that is, and
    shows it as an instant. So what was sent and what is shown tell the offset; daylight saving makes
    another one true at another time, which the next answer then tells.
    """

    offset: timedelta = timedelta(0)

    def local(self, moment: datetime) -> str:
        """Return an aware moment as Krayin's clock shows it, as far as we know."""
        return (moment.astimezone(UTC) + self.offset).strftime(_FORM)

    def learn(self, sent: str, shown: datetime) -> None:
        """Learn from a local time that was sent and the instant (aware) that Krayin made of it."""
        wall = datetime.strptime(sent, _FORM).replace(tzinfo=UTC)
        self.offset = wall - shown.astimezone(UTC)
