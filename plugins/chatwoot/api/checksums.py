"""Checksums of what Chatwoot's API shows, for comparisons of everything."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from chatwoot.api.spool import Spool
from chatwoot.checksums import BUCKET_BITS, BucketSum, Stream
from chatwoot.conversations import Conversation, Progress, SentMessage
from chatwoot.records import BrokenRow, Contact
from chatwoot.source import Everything

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from chatwoot.api.source import ApiSnapshot
    from chatwoot.source import SourceFilter

    Record = Contact | Conversation | SentMessage | Progress | BrokenRow

FORMULA = "api/1"
_MODULUS = 2**63 - 1
_BITS = 2**62 - 2
_CHUNK = 500
# What jobs note about avatars is no part of what a contact is mapped from.
_NOTED_BY_JOBS = frozenset({"avatar_url_hash", "last_avatar_sync_at"})


@dataclass(slots=True)
class ApiChecksums:
    """Reads everything through `snapshot` once for each stream and keeps the hashes until `close`."""

    snapshot: ApiSnapshot
    _hashes: dict[tuple[Stream, SourceFilter, datetime | None], Spool] = field(default_factory=dict)

    def close(self) -> None:
        """Forget everything."""
        while self._hashes:
            self._hashes.popitem()[1].close()

    def checksums(self, stream: Stream, scope: SourceFilter, since: datetime | None) -> Iterator[BucketSum]:
        """Yield the buckets of a stream that have rows, ascending."""
        number = -1
        held: list[int] = []
        for chunk in self._read(stream, scope, since).chunks(_CHUNK):
            for row in chunk:
                if row["id"] >> BUCKET_BITS != number:
                    if held:
                        yield BucketSum(number, len(held), sum(held) % _MODULUS)
                    number, held = row["id"] >> BUCKET_BITS, []
                held.append(row["hash"])
        if held:
            yield BucketSum(number, len(held), sum(held) % _MODULUS)

    def hashes(
        self, stream: Stream, scope: SourceFilter, since: datetime | None, keys: Sequence[int]
    ) -> dict[int, int]:
        """Return the hashes of those of `keys` that are in the scope, by key."""
        found = self._read(stream, scope, since).of(keys)
        return {row["id"]: row["hash"] for row in found}

    def there(self, stream: Stream, scope: SourceFilter, keys: Sequence[int]) -> set[int]:
        """Return those of `keys` that the account has at all; each is asked for, as lists may lack rows."""
        find, has = self.snapshot.session.find, self.snapshot.session.has
        match stream:
            case Stream.CONTACTS:
                return {key for key in keys if has(f"/contacts/{key}")}
            case Stream.CONVERSATIONS:
                return {key for key in keys if has(f"/conversations/{key}")}
            case _ if not self.snapshot.sees_all:
                # What an agent does not see may be there all the same.
                return set(keys)
            case Stream.PROGRESS:
                talked = {key: find(f"/contacts/{key}/conversations") for key in keys}
                return {key for key, answer in talked.items() if answer and answer.get("payload")}
            case Stream.MESSAGES:
                # A message cannot be asked for: all are read anew, whatever their inbox.
                wanted = set(keys)
                whole = type(scope)(scope.account_id)
                read = self.snapshot.messages(whole, Everything())
                return {row.id for chunk in read for row in chunk if row.id in wanted}

    def _read(self, stream: Stream, scope: SourceFilter, since: datetime | None) -> Spool:
        key = (stream, scope, since)
        if key not in self._hashes:
            spool = Spool()
            try:
                for records in self._records(stream, scope):
                    spool.put({"id": _key(one), "hash": _hash(one, since)} for one in records)
            except BaseException:
                # Half of it would say that the other half is gone.
                spool.close()
                raise
            self._hashes[key] = spool
        return self._hashes[key]

    def _records(self, stream: Stream, scope: SourceFilter) -> Iterator[Sequence[Record]]:
        match stream:
            case Stream.CONTACTS:
                return self.snapshot.contacts(scope, Everything())
            case Stream.CONVERSATIONS:
                return self.snapshot.conversations(scope, Everything())
            case Stream.MESSAGES:
                return self.snapshot.messages(scope, Everything())
            case Stream.PROGRESS:
                return self.snapshot.progress(scope, Everything())


def _key(record: Record) -> int:
    return record.contact_id if isinstance(record, Progress) else record.id


def _hash(record: Record, since: datetime | None) -> int:
    """Return 62 bits of what a record is mapped from, the lowest set when it was not active since `since`."""
    text = json.dumps(_mapped_from(record), sort_keys=True, default=str)
    number = int.from_bytes(hashlib.sha256(text.encode(errors="surrogatepass")).digest()[:8])
    active_at = _active_at(record)
    return number & _BITS | (since is not None and active_at is not None and active_at < since)


def _mapped_from(record: Record) -> Any:
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
            [one.source_id for one in record.inboxes if one.source_id.startswith("krayin:")],
        ]
    return asdict(record)


def _active_at(record: Record) -> datetime | None:
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
