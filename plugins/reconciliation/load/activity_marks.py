"""Activities to be marked done or not done, gathered so that many share one call."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from krayin.errors import KrayinError, NotSent, RateLimited, Rejected
from krayin.records import Activity
from statements import statement

from reconciliation.values.timing import DEFAULT, Timing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import psycopg
    from krayin.client import KrayinClient

log = logging.getLogger(__name__)

PER_CALL = 100
# Seconds after which somebody may have added participants to what was looked at; a full call's marks are
# gathered sooner at Krayin's pace.
LONG = 300.0


@dataclass(slots=True)
class ActivityMarks:
    """The marks of one Krayin; they outlive the process that noted them.

    Marking twice does no harm, so a mark needs no intent: it stays until Krayin has confirmed it. A
    newer mark of the same activity waits until no call with the older one can be under way.
    """

    connection: psycopg.Connection
    client: KrayinClient
    target_id: int
    sync_name: str
    timing: Timing = DEFAULT
    monotonic: Callable[[], float] = time.monotonic
    _noted: int = field(default=0)
    _noted_at: dict[int, float] = field(default_factory=dict)

    def note(self, activity_id: int, *, is_done: bool) -> None:
        """Note a mark, in the transaction that records why it is needed."""
        self.connection.execute(
            statement("activity_mark/add"),
            {
                "target_id": self.target_id,
                "crm_id": activity_id,
                "is_done": is_done,
                "sync_name": self.sync_name,
            },
        )
        self._noted += 1
        self._noted_at[activity_id] = self.monotonic()

    def make_full_calls(self) -> None:
        """Make the marks if they fill a call."""
        if self._noted >= PER_CALL:
            self.make()

    def _without_participants(self, ids: Sequence[int]) -> list[int]:
        """Return those of `ids` whose change Krayin mails to nobody.

        Whoever noted a mark had looked: only what has waited since is looked at once more.
        """
        now = self.monotonic()
        waited = [one for one in ids if now - self._noted_at.pop(one, float("-inf")) > LONG]
        mailing = {one.id for one in self.client.by_ids(Activity, waited) if one.mails_participants}
        if mailing:
            log.warning(
                "Left alone because Krayin would mail their participants: activities %s", sorted(mailing)
            )
        return [one for one in ids if one not in mailing]

    def make(self) -> None:
        """Make all marks that are noted; what Krayin does not take stays for the next time."""
        self._noted = 0
        while True:
            rows = self.connection.execute(
                statement("activity_mark/claim"),
                {"target_id": self.target_id, "lease": self.timing.lease, "size": PER_CALL},
            ).fetchall()
            if not rows:
                return
            ids = [int(row[0]) for row in rows]
            claimed = {"target_id": self.target_id, "crm_ids": ids, "leases": [row[3] for row in rows]}
            try:
                self.client.mark_activities(self._without_participants(ids), bool(rows[0][2]))
            except KrayinError as error:
                known = isinstance(error, NotSent | RateLimited | Rejected)
                delay = timedelta(0) if known else self.timing.settle
                self.connection.execute(statement("activity_mark/release"), {**claimed, "delay": delay})
                log.warning(
                    "%d activities could not be marked now; a later run marks them: %s", len(rows), error
                )
                return
            self.connection.execute(
                statement("activity_mark/done"), {**claimed, "fences": [row[1] for row in rows]}
            )
