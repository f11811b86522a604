"""Checksums of what Chatwoot holds, so that a comparison reads only what differs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from chatwoot.source import SourceFilter

BUCKET_BITS = 6
BUCKET = 1 << BUCKET_BITS
"""How many consecutive keys share a checksum."""


class Stream(StrEnum):
    """What is compared, and by which key.

    Contacts and messages go by their ids, conversations by the number that people see, and how far
    conversations came by the id of their contact.
    """

    CONTACTS = "contacts"
    CONVERSATIONS = "conversations"
    MESSAGES = "messages"
    PROGRESS = "progress"


@dataclass(frozen=True, slots=True)
class BucketSum:
    """The checksum of the rows with keys from `number * BUCKET` on, before the next bucket; never of none."""

    number: int
    rows: int
    checksum: int


def is_dormant(row_hash: int) -> bool:
    """Tell whether a row had no activity within the history asked for."""
    return bool(row_hash & 1)


def same_contents(row_hash: int, other: int) -> bool:
    """Tell whether two hashes of a row are of the same contents, dormant or not."""
    return row_hash >> 1 == other >> 1


@dataclass(frozen=True, slots=True)
class ChecksumReading:
    """Reads checksums from Chatwoot's database.

    `stream` yields the rows of a statement as they come, computed by as many workers as the server gives;
    `fetch` returns them at once.
    """

    stream: Callable[[str, Mapping[str, Any]], Iterator[tuple[int, ...]]]
    fetch: Callable[[str, Mapping[str, Any]], list[Any]]

    formula = "database/1"
    """Names how the hashes are made: those of another formula cannot be compared."""

    def checksums(self, stream: Stream, scope: SourceFilter, since: datetime | None) -> Iterator[BucketSum]:
        """Yield the buckets of a stream that have rows, ascending; nothing else can be read meanwhile."""
        parameters = {**_parameters(scope, since), "shift": BUCKET_BITS, "keys": None}
        for number, rows, checksum in self.stream(f"{stream}/checksums", parameters):
            yield BucketSum(number, rows, checksum)

    def hashes(
        self, stream: Stream, scope: SourceFilter, since: datetime | None, keys: Sequence[int]
    ) -> dict[int, int]:
        """Return the hashes of those of `keys` that are in the scope, by key."""
        parameters = {**_parameters(scope, since), "shift": 0, "keys": list(keys)}
        return {row[0]: row[2] for row in self.fetch(f"{stream}/checksums", parameters)}

    def there(self, stream: Stream, scope: SourceFilter, keys: Sequence[int]) -> set[int]:
        """Return those of `keys` that the account has at all, whatever the inboxes of the scope."""
        return {
            row[0]
            for row in self.fetch(f"{stream}/exist", {"account_id": scope.account_id, "keys": list(keys)})
        }


def _parameters(scope: SourceFilter, since: datetime | None) -> dict[str, Any]:
    return {
        "account_id": scope.account_id,
        "inboxes": None if scope.inboxes is None else sorted(scope.inboxes),
        "since": since,
    }
