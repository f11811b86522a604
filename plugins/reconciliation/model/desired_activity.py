"""What Krayin should hold for one conversation or message."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003 - pydantic resolves the annotations at run time
from enum import StrEnum

from krayin.json_values import FromJson

from reconciliation.model.hashing import stable_hash

CONVERSATION = "conversation"
MESSAGE = "message"
KEY = "chatwoot"
"""The name in an activity's `additional` under which our key stands."""


class ActivitySkip(StrEnum):
    """Why a conversation or message is left out."""

    NO_CONTACT = "its contact was deleted"
    CONTACT_NOT_SYNCED = "its contact is not brought over"
    NO_LEAD = "its contact gets no lead"
    NOT_RESOLVED = "not resolved yet"
    BEFORE_HISTORY = "older than history"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class DesiredActivity(FromJson):
    """An activity as it should be; `start` and `end` are aware, both the same moment for a message.

    `key` is what it is found again by, `earlier_person` the person an earlier integration noted, and
    `earlier_title` the title it gave where that is another one. `inbox_id` is the one whose lead it hangs on,
    where each has its own. `said` is a mark of the comment without the names in it: what was said under an
    old name is history.
    """

    source_kind: str
    source_id: str
    contact_id: int
    type: str
    title: str = field(repr=False)
    comment: str = field(repr=False)
    is_done: bool
    start: datetime
    end: datetime
    key: str
    said: str = ""
    earlier_person: int | None = None
    earlier_title: str = field(default="", repr=False)
    inbox_id: int | None = None

    def hash(self) -> bytes:
        """Return a hash of what is sent after creation; Krayin cannot change an activity's type.

        Krayin keeps whole seconds, and Chatwoot's API tells no more.
        """
        return stable_hash(
            [
                self.contact_id,
                self.said,
                self.is_done,
                self.start.isoformat(timespec="seconds"),
                self.end.isoformat(timespec="seconds"),
            ]
        )
