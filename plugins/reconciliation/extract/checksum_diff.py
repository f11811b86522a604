"""Finds what differs in Chatwoot from what was last planned, also where a change left no trace."""

from __future__ import annotations

from array import array
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from chatwoot.streams import BUCKET, BUCKET_BITS, Stream, is_dormant, same_contents
from statements import statement

from reconciliation.errors import ChecksumDiffGoneError
from reconciliation.extract.streams import KINDS

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence
    from datetime import datetime

    import psycopg
    from chatwoot.source import SourceFilter, SourceSnapshot

    from reconciliation.store.binding_scope import BindingScope

# How far the clocks of Chatwoot's database, its replicas and the sync database may be apart.
CLOCK_MARGIN = timedelta(minutes=1)
# Buckets that are compared at once: at most 65,536 rows in memory.
BATCH = 1024
CHUNK = 500
_MODULUS = 2**63 - 1


class ChecksumDifference(StrEnum):
    """How a row differs from what the last remembered diff saw."""

    NEW = "new"
    CHANGED = "changed"
    AWAKE = "awake"
    """Without activity within the history before, with some now."""
    REPLANNED = "replanned"
    """Planned since from another reading; it may have been other meanwhile and be again as remembered."""
    LEFT = "left"
    """In Chatwoot, but not in the scope any more."""
    VANISHED = "vanished"
    """Not in Chatwoot any more."""


TO_PLAN = (
    ChecksumDifference.NEW,
    ChecksumDifference.CHANGED,
    ChecksumDifference.AWAKE,
    ChecksumDifference.REPLANNED,
)


@dataclass(frozen=True, slots=True)
class StreamDiff:
    """What was seen of one stream: rows and buckets in scope, of these compared row by row, differences.

    `is_first` says that nothing was remembered: every row counts as new then.
    """

    rows: int
    buckets: int
    compared_buckets: int
    counts: Mapping[ChecksumDifference, int]
    is_first: bool

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as JSON."""
        return {
            "rows": self.rows,
            "buckets": self.buckets,
            "compared_buckets": self.compared_buckets,
            "differences": {str(difference): number for difference, number in self.counts.items()},
            "first": self.is_first,
        }


@dataclass(frozen=True, slots=True)
class Differences:
    """What a diff found; the keys lie in the sync database and come from there in chunks.

    Keys are contact ids, display ids of conversations, message ids, and for `PROGRESS` contact ids.
    """

    connection: psycopg.Connection
    diff_id: int
    read_at: datetime
    streams: Mapping[Stream, StreamDiff]

    def keys(self, stream: Stream, *differences: ChecksumDifference) -> Iterator[int]:
        """Yield the keys of rows that differ so, ascending; without any, of those to be mapped again."""
        for chunk in keys_of(self.connection, self.diff_id, stream, differences or TO_PLAN):
            yield from chunk

    def to_json(self) -> dict[str, Any]:
        """Return the numbers by stream as JSON."""
        return {str(stream): stream_diff.to_json() for stream, stream_diff in self.streams.items()}


def keys_of(
    connection: psycopg.Connection,
    diff_id: int,
    stream: Stream,
    differences: Sequence[ChecksumDifference] = TO_PLAN,
    chunk: int = CHUNK,
) -> Iterator[list[int]]:
    """Yield the keys of a diff's differences of these kinds, ascending, in lists of at most `chunk`."""
    after = -1
    while found := connection.execute(
        statement("checksum_diff/keys"),
        {
            "diff_id": diff_id,
            "stream": stream,
            "differences": list(differences),
            "after": after,
            "size": chunk,
        },
    ).fetchall():
        yield [row[0] for row in found]
        after = found[-1][0]


def remember(connection: psycopg.Connection, diff_id: int, sync_name: str, identity: BindingScope) -> None:
    """Remember what a diff saw; call it in the transaction that ends the planning of its differences.

    What it found can be listed until the next diff of the sync. Where another diff was remembered
    since it began, the memory stays as it is and the next diff finds these differences again.

    Raises:
        ChecksumDiffGoneError: no such diff of this sync is to be remembered: a newer one took its place,
            it was remembered already, or the sync database crashed.
    """
    taken = connection.execute(
        statement("checksum_diff/take"), {"diff_id": diff_id, "sync_name": sync_name, **identity.parameters()}
    ).fetchone()
    if taken is None:
        raise ChecksumDiffGoneError(sync_name, diff_id)
    streams = [
        row[0]
        for row in connection.execute(statement("checksum_diff/remember_streams"), {"diff_id": diff_id})
    ]
    seen = {"diff_id": diff_id, "stream_ids": streams}
    connection.execute(statement("checksum_diff/remember_buckets"), seen)
    connection.execute(statement("checksum_diff/remember_empty"), seen)
    connection.execute(statement("checksum_diff/forget_new"), {"diff_id": diff_id})


@dataclass(slots=True)
class _Memory:
    """What is remembered of a stream, and the buckets that differ from it."""

    stream: Stream
    stream_id: int
    diff_id: int | None
    read_at: datetime | None
    rows: int = 0
    buckets: int = 0
    differing: array[int] = field(default_factory=lambda: array("q"))


@dataclass(frozen=True, slots=True)
class ChecksumDiff:
    """Compares all rows of a scope with what was remembered of them when they were last planned.

    `connection` is one to the sync database in autocommit mode, `snapshot` a Chatwoot at one moment:
    the differences are to be planned from a reading that is not older. `since` (aware, None: no bound)
    is where the history begins; rows without activity since then are not reported as new.
    """

    connection: psycopg.Connection
    sync_name: str
    identity: BindingScope
    snapshot: SourceSnapshot
    scope: SourceFilter
    streams: Sequence[Stream] = (Stream.CONTACTS,)
    since: datetime | None = None

    def differences(self, *, every_mapped: bool = False) -> Differences:
        """Compare and return what differs; nothing is remembered yet.

        With `every_mapped` all mapped records are looked up, not only those planned since the last
        diff: then also those are found to have vanished that no diff ever saw.

        Raises:
            ChatwootError: Chatwoot cannot be read, or the scope does not exist in it.
        """
        begun = self.connection.execute(
            statement("checksum_diff/begin"),
            {
                "sync_name": self.sync_name,
                **self.identity.parameters(),
                "read_at": self.snapshot.read_at,
            },
        ).fetchone()
        assert begun is not None
        diff_id = int(begun[0])
        streams = {
            stream: self._compare(diff_id, stream, every_mapped=every_mapped) for stream in self.streams
        }
        self.connection.execute(statement("checksum_diff/end"), {"diff_id": diff_id})
        return Differences(self.connection, diff_id, self.snapshot.read_at, streams)

    def _compare(self, diff_id: int, stream: Stream, *, every_mapped: bool) -> StreamDiff:
        memory = self._open(stream)
        self._compare_checksums(memory)
        for buckets in _batches(memory.differing, BATCH):
            self._compare_rows(diff_id, memory, buckets)
        self._compare_mapping(diff_id, memory, every_mapped=every_mapped)
        self.connection.execute(
            statement("checksum_diff/compared"),
            {
                "diff_id": diff_id,
                "stream_id": memory.stream_id,
                "formula": self.snapshot.formula,
                "base": memory.diff_id,
                "read_at": self.snapshot.read_at,
                "margin": CLOCK_MARGIN,
            },
        )
        counts = self.connection.execute(
            statement("checksum_diff/counts"), {"diff_id": diff_id, "stream": stream}
        )
        return StreamDiff(
            rows=memory.rows,
            buckets=memory.buckets,
            compared_buckets=len(memory.differing),
            counts={ChecksumDifference(name): number for name, number in counts},
            is_first=memory.diff_id is None,
        )

    def _open(self, stream: Stream) -> _Memory:
        row = self.connection.execute(
            statement("checksum_diff/stream_open"),
            {
                "sync_name": self.sync_name,
                "stream": stream,
                **self.identity.parameters(),
                "formula": self.snapshot.formula,
            },
        ).fetchone()
        assert row is not None
        return _Memory(stream, *row)

    def _compare_checksums(self, memory: _Memory) -> None:
        def shown() -> Iterator[tuple[int, int]]:
            for now in self.snapshot.checksums(memory.stream, self.scope, since=self.since):
                memory.rows += now.rows
                memory.buckets += 1
                yield now.number, now.checksum

        # A reading of Chatwoot that breaks off must not leave our own connection in the middle of a copy.
        with closing(
            self._copied("checksum_diff/remembered_checksums", {"stream_id": memory.stream_id})
        ) as remembered:
            known = ((int(number), int(checksum)) for number, checksum in remembered)
            for number, sums in groupby(merge(known, shown()), itemgetter(0)):
                checksums = [checksum for _, checksum in sums]
                if len(checksums) < 2 or checksums[0] != checksums[1]:
                    memory.differing.append(number)

    def _compare_rows(self, diff_id: int, memory: _Memory, buckets: Sequence[int]) -> None:
        keys = [
            key for bucket in buckets for key in range(bucket << BUCKET_BITS, (bucket + 1) << BUCKET_BITS)
        ]
        present = self.snapshot.hashes(memory.stream, self.scope, keys, since=self.since)
        remembered = {
            (bucket << BUCKET_BITS) + place: row_hash
            for bucket, hashes in self.connection.execute(
                statement("checksum_diff/remembered_hashes"),
                {"stream_id": memory.stream_id, "buckets": list(buckets)},
            )
            for place, row_hash in enumerate(hashes)
            if row_hash is not None
        }
        missing = sorted(remembered.keys() - present.keys())
        there = self.snapshot.there(memory.stream, self.scope, missing) if missing else set()
        found = [
            (key, ChecksumDifference.LEFT if key in there else ChecksumDifference.VANISHED) for key in missing
        ]
        found += [
            (key, difference)
            for key, row_hash in present.items()
            if (difference := _difference(remembered.get(key), row_hash)) is not None
        ]
        with self.connection.transaction(), self.connection.cursor() as cursor:
            with cursor.copy(statement("checksum_diff/new_bucket")) as copy:
                for bucket in buckets:
                    first = bucket << BUCKET_BITS
                    hashes = [present.get(key) for key in range(first, first + BUCKET)]
                    held = [row_hash for row_hash in hashes if row_hash is not None]
                    copy.write_row(
                        (
                            diff_id,
                            memory.stream_id,
                            bucket,
                            *((sum(held) % _MODULUS, hashes) if held else (None, None)),
                        )
                    )
            self._keep(diff_id, memory.stream, found)

    def _compare_mapping(self, diff_id: int, memory: _Memory, *, every_mapped: bool) -> None:
        """Take up what was planned since the remembered diff, and what is mapped and not there."""
        parameters = {
            "diff_id": diff_id,
            "stream": memory.stream,
            "stream_id": memory.stream_id,
            **self.identity.parameters(),
            "source_kind": KINDS[memory.stream],
            "planned_since": memory.read_at,
            "every_mapped": every_mapped,
        }
        replanned, missing = array("q"), array("q")
        for key, is_there in self._copied("checksum_diff/planned_since", parameters):
            (replanned if is_there == "t" else missing).append(int(key))
        for keys in _batches(replanned, BATCH * BUCKET):
            self._keep(diff_id, memory.stream, [(key, ChecksumDifference.REPLANNED) for key in keys])
        for keys in _batches(missing, BATCH * BUCKET):
            # What is there nevertheless belongs to another scope.
            there = self.snapshot.there(memory.stream, self.scope, keys)
            vanished = [(key, ChecksumDifference.VANISHED) for key in keys if key not in there]
            self._keep(diff_id, memory.stream, vanished)

    def _keep(self, diff_id: int, stream: Stream, found: Sequence[tuple[int, ChecksumDifference]]) -> None:
        difference = statement("checksum_diff/difference")
        with self.connection.cursor() as cursor, cursor.copy(difference) as copy:
            for key, difference in found:
                copy.write_row((diff_id, stream, key, difference))

    def _copied(self, name: str, parameters: Mapping[str, Any]) -> Generator[tuple[str, ...]]:
        with self.connection.cursor() as cursor, cursor.copy(statement(name), parameters) as copy:
            yield from copy.rows()


def _difference(before: int | None, now: int) -> ChecksumDifference | None:
    if before is None:
        return None if is_dormant(now) else ChecksumDifference.NEW
    if not same_contents(before, now):
        return ChecksumDifference.CHANGED
    return ChecksumDifference.AWAKE if is_dormant(before) and not is_dormant(now) else None


def _batches(keys: array[int], size: int) -> Iterator[array[int]]:
    for first in range(0, len(keys), size):
        yield keys[first : first + size]
