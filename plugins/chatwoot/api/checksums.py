"""Hashes and checksums of what Chatwoot's API shows, for comparisons of everything."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING, Any

from chatwoot.api.rows import earlier_ids_of
from chatwoot.records import BrokenRow, Contact, Conversation, Progress, SentMessage
from chatwoot.streams import BUCKET_BITS, BucketSum

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from chatwoot.source import Record

FORMULA = "api/1"
_MODULUS = 2**63 - 1
_BITS = 2**62 - 2
# What jobs note about avatars is no part of what a contact is mapped from.
_NOTED_BY_JOBS = frozenset({"avatar_url_hash", "last_avatar_sync_at"})


def bucket_sums(hashes: Iterable[tuple[int, int]]) -> Iterator[BucketSum]:
    """Yield the checksums of rows, given as key and hash by key."""
    for number, rows in groupby(hashes, lambda row: row[0] >> BUCKET_BITS):
        held = [row_hash for _, row_hash in rows]
        yield BucketSum(number, len(held), sum(held) % _MODULUS)


def row_hash(record: Record | BrokenRow, since: datetime | None) -> int:
    """Return 62 bits of what a record is mapped from, the lowest set when it was not active since `since`."""
    text = json.dumps(_mapped_from(record), sort_keys=True, default=str)
    number = int.from_bytes(hashlib.sha256(text.encode(errors="surrogatepass")).digest()[:8])
    active_at = _active_at(record)
    return number & _BITS | (since is not None and active_at is not None and active_at < since)


def _mapped_from(record: Record | BrokenRow) -> Any:
    if isinstance(record, Contact):
        return [
            record.id,
            record.name,
            record.email,
            record.phone_number,
            record.identifier,
            record.blocked,
            {key: value for key, value in record.additional_attributes.items() if key not in _NOTED_BY_JOBS},
            record.custom_attributes,
            earlier_ids_of(record.inboxes),
            # Without a rule for leads, and without labels, the hash stays what it was.
            *([] if record.wants_lead else [False]),
            *([record.labels] if record.labels else []),
            *([[(one.inbox_id, one.labels) for one in record.by_inbox]] if record.by_inbox else []),
        ]
    found = asdict(record)
    if isinstance(record, Conversation | SentMessage):
        # Its inbox stays what it is.
        del found["inbox_id"]
    if isinstance(record, Progress) and not record.inboxes:
        del found["inboxes"]
    if isinstance(record, Conversation) and record.earlier is None:
        # As it was before conversations could be read whole.
        del found["earlier"]
    return found


def _active_at(record: Record | BrokenRow) -> datetime | None:
    match record:
        case Contact():
            return record.updated_at
        case Conversation():
            return max([record.created_at, *(one.created_at for one in record.messages)])
        case SentMessage():
            return record.message.created_at
        case Progress():
            times = (record.created_at, record.responded_at, record.resolved_at)
            return max(at for at in times if at is not None)
        case BrokenRow():
            return None
