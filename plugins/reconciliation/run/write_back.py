"""Writes the ids of Krayin's records back to Chatwoot's contacts, where a sync wishes it."""

from __future__ import annotations

import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from chatwoot.api.external_ids import write_attribute
from chatwoot.errors import ChatwootApiRefused, ChatwootApiUnreachable, ChatwootApiUnusable
from statements import statement

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg
    from chatwoot.api.session import ApiSession

log = logging.getLogger(__name__)

# A run does so much at most; the next one goes on.
MOST = 5_000
LONGEST_SECONDS = 300.0
# A contact that Chatwoot does not save (its phone is invalid by today's rules, say) is tried again then.
PAUSE = timedelta(days=1)
REFUSED = "refused"
LEFT = "left"
# What concerns one contact; any other refusal concerns the token, and with it all of them.
_OF_ONE = frozenset({HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.BAD_REQUEST})


@dataclass(slots=True)
class WriteBack:
    """Writes what is due for one sync: `krayin:person:123|krayin:lead:456` into `attribute`.

    What was written is noted contact by contact, so that an interrupted run is gone on with; the same
    value is never written twice. `counts` are contacts by what became of them.
    """

    connection: psycopg.Connection
    session: ApiSession
    sync_name: str
    target_id: int
    attribute: str
    most: int = MOST
    seconds: float = LONGEST_SECONDS
    clock: Callable[[], float] = time.monotonic
    counts: Counter[str] = field(default_factory=Counter)

    def run(self) -> dict[str, int]:
        """Write until nothing is due or the bounds are reached; return the counts, `left` among them.

        Chatwoot's trouble ends it early and is logged; it raises nothing of that, as Krayin's part is done.
        """
        until = self.clock() + self.seconds
        rows = self._due()
        left = rows[0][3] if rows else 0
        try:
            for row in rows:
                if self.clock() >= until:
                    break
                self._write(*row[:3])
                left -= 1
        except (ChatwootApiUnreachable, ChatwootApiRefused, ChatwootApiUnusable) as error:
            log.error("Ids are not written back to Chatwoot: %s. The next run goes on.", error)  # noqa: TRY400
        if left:
            self.counts[LEFT] = left
        return dict(self.counts)

    def _due(self) -> list[tuple[Any, ...]]:
        return self.connection.execute(
            statement("write_back/due"),
            {
                "sync_name": self.sync_name,
                "target_id": self.target_id,
                "account_id": self.session.account_id,
                "attribute": self.attribute,
                "size": self.most,
            },
        ).fetchall()

    def _write(self, scope_id: int, contact_id: int, value: str) -> None:
        try:
            written: str = write_attribute(self.session, contact_id, self.attribute, value)
        except ChatwootApiUnreachable as error:
            # It may be this contact at which Chatwoot fails: the next run takes it last.
            self._note(scope_id, contact_id, None, error.reason)
            raise
        except ChatwootApiRefused as refused:
            if refused.status not in _OF_ONE:
                raise
            self._note(scope_id, contact_id, None, f"refused ({refused.status})", PAUSE)
            self.counts[REFUSED] += 1
            return
        # A contact that is gone has nothing to be written any more.
        self._note(scope_id, contact_id, value)
        self.counts[written] += 1

    def _note(
        self,
        scope_id: int,
        contact_id: int,
        value: str | None,
        error_message: str | None = None,
        pause: timedelta | None = None,
    ) -> None:
        self.connection.execute(
            statement("write_back/note"),
            {
                "sync_name": self.sync_name,
                "scope_id": scope_id,
                "contact_id": contact_id,
                "attribute": self.attribute,
                "value": value,
                "error_message": error_message,
                "pause": pause,
            },
        )


def lines_of(counts: dict[str, int]) -> list[str]:
    """Return the counts in words for a summary, none without any."""
    named = ", ".join(f"{number} {name}" for name, number in sorted(counts.items()))
    return [f"  ids to Chatwoot     {named}"] if named else []
