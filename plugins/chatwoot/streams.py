"""The streams of records that Chatwoot is read as, and checksums of their rows to compare them by."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

BUCKET_BITS = 6
BUCKET = 1 << BUCKET_BITS
"""How many consecutive keys share a checksum."""


class Stream(StrEnum):
    """A stream of records, each with a key.

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
