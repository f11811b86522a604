"""The port through which the integration reads Chatwoot: what one asks and what one gets."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from chatwoot.checksums import BucketSum, Stream
    from chatwoot.conversations import Conversation, Progress, SentMessage
    from chatwoot.records import Account, BrokenRow, Contact, Inbox
    from chatwoot.versions import Version


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
        high: the highest `contacts.updated_at` seen that is not after `read_at`, UTC; `read_at` when
            there was no contact.
    """

    snapshot: str
    lineage: str | None
    read_at: datetime
    high: datetime

    def to_json(self) -> dict[str, str | None]:
        """Return the watermark as a JSON object that `from_json` takes."""
        return {
            key: value.isoformat() if isinstance(value, datetime) else value
            for key, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """Return the watermark that `to_json` gave.

        Raises:
            KeyError, ValueError: `stored` is no such object.
        """
        return cls(
            stored["snapshot"],
            stored["lineage"],
            datetime.fromisoformat(stored["read_at"]).astimezone(UTC),
            datetime.fromisoformat(stored["high"]).astimezone(UTC),
        )


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
    """All contacts of the scope."""


@dataclass(frozen=True, slots=True)
class ByIds:
    """The contacts with these ids, as far as they are in the scope."""

    ids: frozenset[int]


@dataclass(frozen=True, slots=True)
class Window:
    """Contacts created or updated at or after `start` and before `end` (aware)."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            msg = "a window needs aware datetimes"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class ChangedSince:
    """Contacts that changed after the reading that gave `watermark`; all of them when it is None.

    `lookback` is used only where transaction ids cannot be compared: contacts updated later than
    that long before the watermark's `high`.
    """

    watermark: Watermark | None
    lookback: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class ListedIds:
    """The records with these keys themselves: contacts, conversations or messages, whichever is read.

    `chunks` gives the keys (see `chatwoot.checksums.Stream`) ascending in lists of any length, anew at each
    call; the records of one list are read at once.
    """

    chunks: Callable[[], Iterator[Sequence[int]]]


Selection = Everything | ByIds | Window | ChangedSince | ListedIds


class ChangeCoverage(Enum):
    """How completely a `ChangedSince` can be answered."""

    EVERYTHING = "everything"
    """There is no watermark: all rows are given."""
    EXACT = "exact"
    """Every row written since is given, whatever its `updated_at` says; deletions are not."""
    LOOKBACK = "lookback"
    """Only rows with a newer `updated_at` are given. Follow it by a full comparison."""
    RECENT = "recent"
    """What is new or was active is given; other edits are not: webhooks and checksum diffs tell of them."""


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
    """Chatwoot at one moment: everything read from it belongs together."""

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
        """How far this snapshot sees; finding out may take a scan."""
        ...

    @property
    def vouch(self) -> Vouch:
        """What it says of its own completeness so far; at the end of a reading it may know more."""
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

    def reach(self, selection: ChangedSince) -> ChangeCoverage:
        """Tell how completely `selection` can be answered from this snapshot."""
        ...

    def contacts(
        self, scope: SourceFilter, selection: Selection, *, chunk: int = 2000
    ) -> Iterator[list[Contact | BrokenRow]]:
        """Yield the selected contacts of `scope` by id, in lists of at most `chunk`, none empty.

        Raises:
            UnknownAccount, UnknownInbox: the scope does not exist.
            SnapshotInterrupted: the database ended the reading.
        """
        ...

    def conversations(
        self, scope: SourceFilter, selection: Selection, *, since: datetime | None = None, chunk: int = 500
    ) -> Iterator[list[Conversation | BrokenRow]]:
        """Yield the selected conversations in the inboxes of `scope` by id, in lists of at most `chunk`.

        `ByIds` names contacts: their conversations. Where all are read, those without activity since
        `since` (aware) are left out.

        Raises:
            NotAChatwootDatabase, MissingPrivileges: the tables of conversations cannot be read.
            SnapshotInterrupted: the database ended the reading.
        """
        ...

    def messages(
        self, scope: SourceFilter, selection: Selection, *, since: datetime | None = None, chunk: int = 500
    ) -> Iterator[list[SentMessage | BrokenRow]]:
        """Yield the selected public messages as `conversations` does; `since` bounds their creation."""
        ...

    def progress(
        self, scope: SourceFilter, selection: Selection, *, since: datetime | None = None, chunk: int = 2000
    ) -> Iterator[list[Progress | BrokenRow]]:
        """Yield, contact by contact, how far all conversations of those came that have a selected one."""
        ...

    @property
    def formula(self) -> str:
        """How the hashes below are made: those made otherwise cannot be compared."""
        ...

    def checksums(
        self, stream: Stream, scope: SourceFilter, *, since: datetime | None = None
    ) -> Iterator[BucketSum]:
        """Yield the checksums of all rows of `scope`, by buckets of consecutive keys, ascending.

        A row's hash is made of exactly what it is mapped from, the same whatever the settings; its
        lowest bit is set when the row had no activity since `since` (aware). Buckets without rows are
        left out. Nothing else may be read from the snapshot until the last one was taken.

        Raises:
            UnknownAccount, UnknownInbox: the scope does not exist.
            NotAChatwootDatabase, MissingPrivileges: the tables of the stream cannot be read.
            SnapshotInterrupted: the database ended the reading.
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
