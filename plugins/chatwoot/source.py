"""The port through which the integration reads Chatwoot: what one asks and what one gets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from chatwoot.records import Account, BrokenRow, Contact, Conversation, Inbox, Progress, SentMessage
    from chatwoot.streams import BucketSum, Stream
    from chatwoot.versions import Version

    Record = Contact | Conversation | SentMessage | Progress
    Row = Record | BrokenRow


@dataclass(frozen=True, slots=True)
class SourceFilter:
    """Which part of a Chatwoot: an account and, if `inboxes` is given, contacts of these inboxes only."""

    account_id: int
    inboxes: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class Watermark:
    """How far a reading saw, so that the next one can ask for what came after.

    Attributes:
        snapshot: PostgreSQL's `txid_current_snapshot()` as text, for example "755:760:755"; "" from a
            source without one.
        lineage: names the history in which the transaction ids of `snapshot` have a meaning (cluster,
            timeline, database); None when it could not be found out.
        read_at: when the reading began by the database's clock, UTC.
    """

    snapshot: str
    lineage: str | None
    read_at: datetime

    def to_json(self) -> dict[str, str | None]:
        """Return the watermark as a JSON object that `from_json` takes."""
        return {"snapshot": self.snapshot, "lineage": self.lineage, "read_at": self.read_at.isoformat()}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """Return the watermark that `to_json` gave, of this version or an earlier one.

        Raises:
            KeyError, ValueError: `stored` is no such object.
        """
        read_at = datetime.fromisoformat(stored["read_at"]).astimezone(UTC)
        return cls(stored["snapshot"], stored["lineage"], read_at)


def shows_less(then: str, now: str) -> bool:
    """Tell whether snapshot `now` does not show what had ended at snapshot `then`, both of one history.

    The second number of a snapshot is the first transaction that had not ended. On one server it only rises;
    a standby that is behind, and a server set back to an earlier image of its disk, show a smaller one.
    """
    try:
        return int(now.split(":")[1]) < int(then.split(":")[1])
    except (ValueError, IndexError):
        return False


@dataclass(frozen=True, slots=True)
class Everything:
    """All records of the scope."""


@dataclass(frozen=True, slots=True)
class ByIds:
    """The records of the contacts with these ids, as far as they are in the scope."""

    ids: frozenset[int]


@dataclass(frozen=True, slots=True)
class Window:
    """Records created or updated at or after `start` and before `end` (aware); messages are as created."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            msg = "a window needs aware datetimes"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class ChangedSince:
    """Records that changed after the reading that gave `watermark`; all where that cannot be told."""

    watermark: Watermark


@dataclass(frozen=True, slots=True)
class ListedIds:
    """The records with these keys themselves (see `chatwoot.streams.Stream`).

    `chunks` gives the keys ascending in lists of any length, anew at each call; the records of one list are
    read at once.
    """

    chunks: Callable[[], Iterator[Sequence[int]]]


Selection = Everything | ByIds | Window | ChangedSince | ListedIds


@dataclass(frozen=True, slots=True)
class Vouch:
    """What a reading says of its own completeness, beyond that every question was answered.

    Attributes:
        lineage: as in `Watermark`, with the table of contacts; another one may be of a restored Chatwoot.
        narrow: what makes it see less than there may be for as long as it stays as it is, one clause each.
        passing: the same for what passes by itself.
        contacts: how many contacts the account has, where the source says so by the way.
        snapshot: as in `Watermark`; "" where the lineage does not say in which history it has a meaning.
    """

    lineage: str | None
    narrow: tuple[str, ...] = ()
    passing: tuple[str, ...] = ()
    contacts: int | None = None
    snapshot: str = ""


class SourceSnapshot(Protocol):
    """Chatwoot at one moment: everything read from it belongs together.

    Whatever reads a stream raises UnknownAccount or UnknownInbox where the scope does not exist,
    NotAChatwootDatabase or MissingPrivileges where its tables cannot be read, and SnapshotInterrupted,
    ChatwootApiUnreachable or ChatwootApiRefused where Chatwoot ended the reading.
    """

    @property
    def installation(self) -> str:
        """The name of the Chatwoot installation: its INSTALLATION_IDENTIFIER, else where it is."""
        ...

    @property
    def version(self) -> Version:
        """Which Chatwoot it is, as far as it tells."""
        ...

    @property
    def read_at(self) -> datetime:
        """When the reading began by Chatwoot's clock, UTC."""
        ...

    @property
    def watermark(self) -> Watermark:
        """How far this snapshot sees."""
        ...

    @property
    def vouch(self) -> Vouch:
        """What it says of its own completeness so far; at the end of a reading it may know more."""
        ...

    @property
    def formula(self) -> str:
        """How the hashes are made: those made otherwise cannot be compared."""
        ...

    def accounts(self) -> list[Account]:
        """Return all accounts by id."""
        ...

    def inboxes(self, account_id: int) -> list[Inbox]:
        """Return the inboxes of an account by id.

        Raises:
            UnknownAccount: there is no such account.
        """
        ...

    def check(self, scope: SourceFilter) -> None:
        """Make sure that the account and the inboxes of `scope` exist.

        Raises:
            UnknownAccount, UnknownInbox: they do not.
        """
        ...

    def tells_since(self, stream: Stream, watermark: Watermark) -> bool:
        """Tell whether it is known which records of a stream changed after the reading of `watermark`."""
        ...

    def rows(
        self,
        stream: Stream,
        scope: SourceFilter,
        selection: Selection,
        *,
        since: datetime | None = None,
        chunk: int = ...,
    ) -> Iterator[Sequence[Row]]:
        """Yield the selected records of a stream by key, in lists of at most `chunk`, none empty.

        Where all are read, conversations without activity since `since` (aware), and messages created before
        it, are left out. Of `PROGRESS` those contacts are given that have a selected conversation, each with
        all of its conversations.
        """
        ...

    def checksums(
        self, stream: Stream, scope: SourceFilter, *, since: datetime | None = None
    ) -> Iterator[BucketSum]:
        """Yield the checksums of all rows of `scope`, by buckets of consecutive keys, ascending.

        A row's hash is made of exactly what it is mapped from, the same whatever the settings; its
        lowest bit is set when the row had no activity since `since` (aware). Buckets without rows are
        left out. Nothing else may be read from the snapshot until the last one was taken.
        """
        ...

    def hashes(
        self, stream: Stream, scope: SourceFilter, keys: Sequence[int], *, since: datetime | None = None
    ) -> dict[int, int]:
        """Return the hashes of those of `keys` that are in `scope`: what `checksums` sums up."""
        ...

    def there(self, stream: Stream, scope: SourceFilter, keys: Sequence[int]) -> set[int]:
        """Return those of `keys` that the account has, in the inboxes of `scope` or not."""
        ...


class ChatwootSource(Protocol):
    """A Chatwoot that can be read."""

    def snapshot(self) -> AbstractContextManager[SourceSnapshot]:
        """Open a consistent view; it is closed with the context.

        Raises:
            ChatwootUnreachable, NotAChatwootDatabase, MissingPrivileges, RowsHidden: it cannot be opened.
        """
        ...
