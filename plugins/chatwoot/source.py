"""The port through which the integration reads Chatwoot: what one asks and what one gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence  # noqa: TC003 - pydantic resolves them at run time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Protocol, Self

from pydantic import AfterValidator, TypeAdapter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from chatwoot.contact_rule import ContactRule
    from chatwoot.records import (
        Account,
        BrokenRow,
        Contact,
        Conversation,
        Inbox,
        OutOfScope,
        Progress,
        SentMessage,
    )
    from chatwoot.streams import BucketSum, Stream
    from chatwoot.versions import Version

    Record = Contact | Conversation | SentMessage | Progress
    Row = Record | BrokenRow | OutOfScope


CHEAP = 0.3
"""Seconds of an exact look that is made in each reading."""
Utc = Annotated[datetime, AfterValidator(lambda moment: moment.astimezone(UTC))]


@dataclass(frozen=True, slots=True)
class SourceFilter:
    """Which part of a Chatwoot: an account, of it the contacts of `inboxes`, of these those of a rule.

    `lead` is the rule for those who get a lead; with `handling` it is asked who handles them, with `by_inbox`
    what they say in each inbox, with `labels` their labels count for hashes, and come from an API too. With
    `transcripts` conversations that are resolved are read whole.
    """

    account_id: int
    inboxes: frozenset[int] | None = None
    where: ContactRule | None = None
    lead: ContactRule | None = None
    handling: bool = False
    transcripts: bool = False
    labels: bool = False
    by_inbox: bool = False

    @property
    def asks_conversations(self) -> bool:
        """Whether conversations have to be looked at to read contacts."""
        return self.handling or self.rules_ask_conversations

    @property
    def rules_ask_conversations(self) -> bool:
        """Whether a conversation that changes may change what its contact should be."""
        return self.by_inbox or any(
            rule is not None and rule.asks_conversations for rule in (self.where, self.lead)
        )


@dataclass(frozen=True, slots=True)
class ExactLook:
    """A reading that found every row written before it.

    Attributes:
        snapshot, read_at: as in `Watermark`.
        seconds: how long its looks at whole tables took; None where everything was read anyway.
    """

    snapshot: str
    read_at: Utc
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Watermark:
    """How far a reading saw, so that the next one can ask for what came after.

    Attributes:
        snapshot: PostgreSQL's `txid_current_snapshot()` as text, for example "755:760:755"; "" from a
            source without one.
        lineage: names the history in which the transaction ids of `snapshot` have a meaning (cluster,
            timeline, database); None when it could not be found out.
        read_at: when the reading began by the database's clock, UTC.
        exact: the last exact look, this reading or an earlier one.
        keys: what looks by index need to know of earlier readings (see `chatwoot.database.written`).
    """

    snapshot: str
    lineage: str | None
    read_at: Utc
    exact: ExactLook
    keys: Mapping[str, Sequence[Sequence[int]]] = field(default_factory=dict)

    @classmethod
    def of(cls, snapshot: str, lineage: str | None, read_at: datetime, **more: Any) -> Self:
        """Return the watermark of a reading that was an exact look itself."""
        return cls(snapshot, lineage, read_at, ExactLook(snapshot, read_at), **more)

    def to_json(self) -> dict[str, Any]:
        """Return the watermark as a JSON object that `from_json` takes."""
        return dict(_WATERMARK.dump_python(self, mode="json"))

    @staticmethod
    def from_json(stored: dict[str, Any]) -> Watermark:
        """Return the watermark that `to_json` gave, of this version or an earlier one, with times in UTC.

        Raises:
            ValueError: `stored` is no such object.
        """
        # Earlier versions looked exactly each time.
        exact = {"snapshot": stored.get("snapshot"), "read_at": stored.get("read_at")}
        return _WATERMARK.validate_python({"exact": exact, **stored})

    def is_exact_due(self, now: datetime, share: float) -> bool:
        """Tell whether an exact look that takes as long as the last one keeps within a share of the time.

        A cheap one is always due: nobody runs a sync by hand more than a few times in a row.
        """
        seconds = self.exact.seconds or 0.0
        return seconds <= CHEAP or (now - self.exact.read_at).total_seconds() * share >= seconds


_WATERMARK = TypeAdapter(Watermark)


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
    """Records that changed after the reading that gave `watermark`; all where that cannot be told.

    Without `exact` those that an index leads to; what was written over quietly is then left to the next exact
    look, which asks from the last one on.
    """

    watermark: Watermark
    exact: bool = True


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

    def watermark(
        self, stream: Stream, selection: Selection | None = None, scope: SourceFilter | None = None
    ) -> Watermark:
        """Return how far this snapshot sees, after the records of `selection` were read of a stream.

        None stands for all of them, and for all of Chatwoot.
        """
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

    def tells_since(self, stream: Stream, watermark: Watermark, scope: SourceFilter | None = None) -> bool:
        """Tell whether it is known which records of a stream changed after the reading of `watermark`."""
        ...

    def looks_exactly(self, stream: Stream, scope: SourceFilter, watermark: Watermark, share: float) -> bool:
        """Tell whether this reading finds every row that was written since the last exact look.

        It does as often as a `share` of the time allows, and whenever no index would lead to what is new;
        otherwise, or where the source breaks the look off, an index has to do.
        """
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
        all of its conversations. Contacts that the rule of the scope leaves out may come as `OutOfScope`,
        except where all are read.
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

    def addressed(self, scope: SourceFilter, emails: Sequence[str], phones: Sequence[str]) -> set[int]:
        """Return the contacts of the account with one of these e-mails (lower case) or phones."""
        ...

    def newest(self, scope: SourceFilter, number: int) -> set[int]:
        """Return the `number` contacts that were made last, of those in the inboxes of `scope`."""
        ...


class ChatwootSource(Protocol):
    """A Chatwoot that can be read."""

    def snapshot(self) -> AbstractContextManager[SourceSnapshot]:
        """Open a consistent view; it is closed with the context.

        Raises:
            ChatwootUnreachable, NotAChatwootDatabase, MissingPrivileges, RowsHidden: it cannot be opened.
        """
        ...
