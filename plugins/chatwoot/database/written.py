"""Which records were written since an earlier reading; each table is looked at once in a reading.

There are two ways to look. An exact look reads the whole table and goes by the version of each row: nothing
escapes it. A look by index reads only rows that an index leads to, and goes by their versions as well: those
with higher ids than an earlier reading showed, and those with a recent time. What is written over without
either is left to the next exact look; `docs/decisions/0017-looks-by-index.md` says why that is enough.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from chatwoot.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from chatwoot.database.row_versions import XidRange
    from chatwoot.source import Watermark

    Ids = NDArray[np.int64]

RECENT = {"contacts": timedelta(hours=1), "messages": timedelta(days=1)}
"""How long before the earlier reading a row's own time may lie for a look by index: what a long transaction
and a late clock may take; a message is edited, or turns out not to be delivered, for longer."""
SLACK = 1000
"""By how much an id may be lower than one that was drawn later: each open session may have drawn one, and not
have begun its transaction yet."""
KEPT_KEYS = 16
COLUMNS = {"conversations": 2, "messages": 2}
CHUNK = 5000


def note_keys(
    before: Mapping[str, Sequence[Sequence[int]]], newest: Mapping[str, int], snapshot: str
) -> dict[str, list[list[int]]]:
    """Return the highest ids that readings showed, by table, each with the xmax of its snapshot.

    Of those of earlier readings (`before`) the ones are kept that the next look may need.
    """
    xmin, xmax = _ends(snapshot)
    kept: dict[str, list[list[int]]] = {}
    for table, highest in newest.items():
        pairs = [*map(list, before.get(table, ())), [xmax, highest]]
        settled = [pair for pair in pairs if pair[0] <= xmin]
        later = [pair for pair in pairs if pair[0] > xmin]
        kept[table] = [*settled[-1:], *later[-KEPT_KEYS:]]
    return kept


def bounds(watermark: Watermark, tables: Iterable[str]) -> dict[str, int] | None:
    """Return by table the id above which all new rows lie that `watermark` did not see; None if not known.

    The transaction of a row that its snapshot did not see has an id of at least the snapshot's xmin. A
    reading whose xmax is no higher was before that transaction began to write: its rows have higher ids than
    that reading showed.
    """
    xmin, _ = _ends(watermark.snapshot)
    known = {
        table: [highest for xmax, highest in watermark.keys.get(table, ()) if xmax <= xmin]
        for table in tables
    }
    if not all(known.values()):
        return None
    return {table: max(highest) - SLACK for table, highest in known.items()}


def _ends(snapshot: str) -> tuple[int, int]:
    xmin, xmax, _ = snapshot.split(":")
    return int(xmin), int(xmax)


@dataclass(frozen=True, slots=True)
class Since:
    """What a look goes by: the transactions that may have written, and for a look by index its bounds."""

    xids: XidRange
    read_at: datetime | None = None
    after: Mapping[str, int] | None = None

    def parameters(self, table: str) -> dict[str, Any]:
        """Return the parameters of the table's statement."""
        if self.after is None or self.read_at is None:
            return {**self.xids.parameters, "after": None, "recent": None}
        recent = self.read_at - RECENT.get(table, timedelta(0))
        return {**self.xids.parameters, "after": self.after[table], "recent": recent}


@dataclass(slots=True)
class WrittenRows:
    """The rows of one account that were written, as one reading finds them.

    Attributes:
        account_id: whose.
        copy: carries out a statement and yields its rows as text.
        seconds: how long each exact look at a table took.
    """

    account_id: int
    copy: Callable[[str, Mapping[str, Any]], Iterator[Sequence[str]]]
    seconds: dict[str, float] = field(default_factory=dict)
    _looks: dict[tuple[str, bool], tuple[int, Ids]] = field(default_factory=dict)

    def ids(self, stream: Stream, since: Since, *, by_conversations: bool = False) -> Ids:
        """Return the ids of a stream's records that were written since, ascending, each once.

        Some may be of another scope. Of `PROGRESS` they are contacts'. With `by_conversations` contacts whose
        conversations were written are given as well.
        """
        match stream:
            case Stream.CONTACTS:
                contacts, inboxes, labels = (
                    self.look(table, since)[0] for table in ("contacts", "contact_inboxes", "taggings")
                )
                found = _union(contacts, inboxes, labels)
                return _union(found, self.ids(Stream.PROGRESS, since)) if by_conversations else found
            case Stream.MESSAGES:
                return self._messages(since)
            case Stream.CONVERSATIONS:
                return self._conversations(since)
            case Stream.PROGRESS:
                ids, contacts = self.look("conversations", since)
                others = np.setdiff1d(self._conversations(since), ids)
                return _union(
                    contacts[contacts > 0], self._related("written/contacts_of_conversations", others)
                )

    def look(self, table: str, since: Since) -> Ids:
        """Return the columns of the rows of a table that were written since; read once."""
        exact = since.after is None
        before = self._looks.get((table, exact))
        # What was written since an earlier moment holds what was written since a later one.
        if before is not None and before[0] <= since.xids.since:
            return before[1]
        began = time.monotonic()
        rows = self.copy(f"written/{table}", {"account_id": self.account_id, **since.parameters(table)})
        found = np.fromiter((int(value) for row in rows for value in row), dtype=np.int64)
        columns = found.reshape(-1, COLUMNS.get(table, 1)).T
        if exact:
            self.seconds[table] = time.monotonic() - began
        self._looks[table, exact] = since.xids.since, columns
        return columns

    def _conversations(self, since: Since) -> Ids:
        files = self.look("attachments", since)[0]
        return _union(
            self.look("conversations", since)[0],
            # Chatwoot says in a log line what became of a conversation: status, assignee, labels, priority.
            self.look("messages", since)[1],
            self._related("written/conversations_of_messages", files),
        )

    def _messages(self, since: Since) -> Ids:
        ids, contacts = self.look("conversations", since)
        # A merge of contacts moves their inboxes with their conversations.
        moved = ids[np.isin(contacts, self.look("contact_inboxes", since)[0])]
        return _union(
            self.look("messages", since)[0],
            self.look("attachments", since)[0],
            self._related("written/messages_of_conversations", moved),
        )

    def _related(self, name: str, ids: Ids) -> Ids:
        found = [
            int(row[0])
            for start in range(0, len(ids), CHUNK)
            for row in self.copy(name, {"ids": ids[start : start + CHUNK].tolist()})
        ]
        return np.array(found, dtype=np.int64)


def _union(*ids: Ids) -> Ids:
    return np.unique(np.concatenate(ids))
