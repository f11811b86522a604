"""Whether PostgreSQL's transaction ids tell what was written since an earlier reading."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

_HALF_THE_IDS = 2**31


@dataclass(frozen=True, slots=True)
class XidRange:
    """Transaction ids (64 bits) from `since` up to, not including, `until`."""

    since: int
    until: int

    @classmethod
    def unseen(cls, then: str, now: str) -> Self | None:
        """Return the transactions that snapshot `then` may not have seen and snapshot `now` may.

        Both are texts of `txid_current_snapshot()`, "xmin:xmax:running". None means that `then` is no
        snapshot, is later than `now`, or is so old that 32 bits of an id no longer tell its age.

        The list of running transactions is not used, only xmin, the oldest of them: the list holds no
        subtransactions (a row written after SAVEPOINT carries the subtransaction's id) and is empty on
        a standby. Everything below xmin had ended, everything from xmin on is read again.
        """
        try:
            since, until = int(then.partition(":")[0]), int(now.split(":")[1])
        except (ValueError, IndexError):
            return None
        if since > until or until - since >= _HALF_THE_IDS:
            return None
        return cls(since, until)

    @property
    def parameters(self) -> Mapping[str, int]:
        """The parameters of the statements of `written.sql`."""
        return {"since_xid": self.since, "next_xid": self.until}
