"""The limiter that Krayin has for deleting persons: 100 an hour for each API user."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from krayin.endpoints import DELETE_PERSON
from krayin.errors import DeletionsLimited
from krayin.permits import Lane, LimitFeedback, Permit
from krayin.rate_limiter import RateBudget

from reconciliation.model.duration import duration

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg
    from krayin.client import KrayinClient

assert DELETE_PERSON.own_limiter is not None
PERSON_DELETIONS = DELETE_PERSON.own_limiter
"""Deletions of persons an hour."""

HOUR = 3600.0
# Its window may have begun long ago: the server is asked again sooner than after a whole one.
ASK_AGAIN = 600.0


def deletion_seconds(number: int) -> float:
    """Return how long so many deletions of persons take at Krayin's pace; what fits one hour is free."""
    return number * HOUR / PERSON_DELETIONS if number > PERSON_DELETIONS else 0.0


@dataclass(slots=True)
class PersonDeletions:
    """Deletes persons as Krayin's limiter allows, counted over all processes; nobody waits for it."""

    client: KrayinClient
    budget: RateBudget
    monotonic: Callable[[], float] = time.monotonic
    _free_at: float = field(default=float("-inf"), init=False)

    @classmethod
    def of(
        cls, client: KrayinClient, connect: Callable[[], psycopg.Connection], target_id: int, user_id: int
    ) -> PersonDeletions:
        """Return the limiter of one API user; `connect` opens the sync database."""
        # Not a key by which the views know the budget of a minute.
        budget = RateBudget(
            connect,
            f"person-deletions/{target_id}/{user_id}",
            requests_per_minute=PERSON_DELETIONS,
            # A burst is as good as an even pace.
            lane=Lane.LIVE,
            window=HOUR,
            poll=HOUR,
        )
        return cls(client, budget)

    def wait(self) -> timedelta | None:
        """Return how long no permit is free, as it was last said; None when one may be."""
        left = self._free_at - self.monotonic()
        return timedelta(seconds=left) if left > 0 else None

    def permit(self) -> Permit:
        """Return leave to delete one person now.

        Raises:
            DeletionsLimited: none is free; it says for how long.
        """
        turn = self.budget.acquire_now()
        if isinstance(turn, Permit):
            return turn
        self._free_at = self.monotonic() + turn
        reason = (
            f"Krayin allows {PERSON_DELETIONS} deletions of persons an hour, the next in {duration(turn)}"
        )
        raise DeletionsLimited(reason, retry_after=turn)

    def delete(self, person_id: int, permit: Permit) -> bool:
        """Delete a person who has no lead; False when it was gone already.

        Raises:
            DeletionsLimited: Krayin refused, as others use this API user as well; nothing was done.
            Rejected: the person has leads; delete these before. Nothing was changed.
        """
        answer: LimitFeedback | None = None
        try:
            done = self.client.delete_person(person_id)
            answer = LimitFeedback()
        except DeletionsLimited as refused:
            wait = refused.retry_after if refused.retry_after is not None else ASK_AGAIN
            answer = LimitFeedback(refused=True, retry_after=wait)
            self._free_at = self.monotonic() + wait
            raise DeletionsLimited(retry_after=wait, status=refused.status) from refused
        finally:
            self.budget.settle(permit, answer)
        return done
