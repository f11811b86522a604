"""Chatwoot read from its own PostgreSQL database."""

from __future__ import annotations

import itertools
import json
import logging
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import IsolationLevel
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import namedtuple_row
from statements import statement

from chatwoot.database import traces
from chatwoot.database.address import objection
from chatwoot.database.any_bytes import read_any_bytes
from chatwoot.database.installation import identifier
from chatwoot.database.lock_queue import giving_way
from chatwoot.database.row_versions import XidRange
from chatwoot.database.streams import (
    AGENT_COLUMNS,
    CONTACT_COLUMNS,
    CONVERSATION_COLUMNS,
    LATER_COLUMNS,
    STREAMS,
    written_tables,
)
from chatwoot.database.traces import TraceReading
from chatwoot.database.written import Since, WrittenRows, bounds, note_keys
from chatwoot.errors import (
    ChatwootUnreachable,
    MissingPrivileges,
    NotAChatwootDatabase,
    RowsHidden,
    SnapshotInterrupted,
    UnknownAccount,
    UnknownInbox,
)
from chatwoot.records import Account, Inbox
from chatwoot.source import ByIds, ChangedSince, ExactLook, ListedIds, SourceFilter, Vouch, Watermark, Window
from chatwoot.streams import BUCKET_BITS, BucketSum, Stream
from chatwoot.versions import Version, version_of_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from psycopg import Connection

    from chatwoot.source import Row, Selection

log = logging.getLogger(__name__)

# The part that statements have where they look at some rows only.
_ONE_BY_ONE = "one_by_one"
# What ends a statement that takes too long, or waits too long for a lock.
_BUSY = {"57014", "55P03"}
_WHOLE_AT_ONCE = 50
"""How many conversations are read at once where some are read whole."""
LONGEST_LAG = timedelta(minutes=5)
"""How far a standby may be behind before its look counts as incomplete."""
APPLICATION_NAME = "chatwoot-krayin-sync"
# What a role without privileges or a managed server without the function answers. A timeout is none:
# taking it for an answer would, for example, give the installation another name for one run.
_REFUSALS = (
    psycopg.ProgrammingError,
    psycopg.NotSupportedError,
    psycopg.errors.ObjectNotInPrerequisiteState,
)


# What a statement that chooses ids takes for no bound.
_ALL = {"contact_ids": None, "keys": None, "start": None, "end": None}


@dataclass(frozen=True, slots=True)
class DatabaseSource:
    """A Chatwoot 4 database; a role with SELECT on its tables is enough.

    Attributes:
        conninfo: libpq connection string or URL.
        statement_timeout: the longest one statement may run.
        idle_timeout: the longest the reader may pause between two chunks; an open snapshot keeps
            Chatwoot's vacuum from cleaning up.
        lock_timeout: the longest to wait for a Chatwoot upgrade that locks a table.
        connect_timeout: the longest to wait for a connection, per address.
    """

    conninfo: str = field(repr=False)
    statement_timeout: timedelta = timedelta(minutes=10)
    idle_timeout: timedelta = timedelta(minutes=30)
    lock_timeout: timedelta = timedelta(seconds=30)
    connect_timeout: timedelta = timedelta(seconds=10)

    @property
    def where(self) -> str:
        """Where the database is, "<host>:<port>/<name>" without user and password."""
        try:
            parts = None if objection(self.conninfo) else conninfo_to_dict(self.conninfo)
        except psycopg.Error:
            parts = None
        if parts is None:
            return "an address that cannot be used"
        host = parts.get("host") or parts.get("hostaddr") or "localhost"
        return f"{host}:{parts.get('port') or 5432}/{parts.get('dbname') or parts.get('user') or ''}"

    @contextmanager
    def snapshot(self) -> Iterator[DatabaseSnapshot]:
        """Open a REPEATABLE READ, READ ONLY transaction; it ends with the context.

        Raises:
            ChatwootUnreachable: no connection.
            NotAChatwootDatabase: tables or columns are missing.
            MissingPrivileges, RowsHidden: the role may not read them, or not all of their rows.
            SnapshotInterrupted: the database broke off.
        """
        connection = self.connect()
        try:
            yield DatabaseSnapshot(connection, self)
        finally:
            # Nothing was written: closing is the rollback, and works on a broken connection too.
            connection.close()

    def connect(self) -> Connection[Any]:
        """Return a connection whose transactions are read-only and repeatable reads.

        Raises:
            ChatwootUnreachable: there is none.
        """
        if wrong := objection(self.conninfo):
            raise ChatwootUnreachable(self.where, wrong)
        try:
            given = conninfo_to_dict(self.conninfo)
            settings: dict[str, Any] = {
                "connect_timeout": max(1, int(self.connect_timeout.total_seconds())),
                "application_name": APPLICATION_NAME,
                **given,
                # Whatever the role or the database is set to.
                "client_encoding": "UTF8",
            }
            conninfo = make_conninfo(**settings)
        except psycopg.Error:
            # The driver's message may quote the string, password included.
            raise ChatwootUnreachable(self.where, "the connection settings cannot be parsed") from None
        try:
            # Poolers that switch connections between transactions do not know prepared statements.
            connection = psycopg.connect(conninfo, row_factory=namedtuple_row, prepare_threshold=None)
        except psycopg.OperationalError as error:
            raise ChatwootUnreachable(self.where, str(error).strip()) from error
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        if connection.info.parameter_status("server_encoding") == "SQL_ASCII":
            log.warning(
                "Chatwoot's database at %s does not say how its texts are encoded (SQL_ASCII): they are read "
                "as UTF-8, and what is none shows as %s.",
                self.where,
                "\N{REPLACEMENT CHARACTER}",
            )
            read_any_bytes(connection)
        return connection


class DatabaseSnapshot:
    """One transaction on Chatwoot's database: all that is read through it is of one moment."""

    formula = "database/1"

    def __init__(self, connection: Connection[Any], source: DatabaseSource) -> None:
        """Begin on a fresh `connection`; see `DatabaseSource.snapshot`."""
        self._connection = connection
        self._where = source.where
        self._connect = source.connect
        self._numbers = itertools.count(1)
        first = self._one(
            "session/chatwoot",
            statement_timeout=_milliseconds(source.statement_timeout),
            idle_timeout=_milliseconds(source.idle_timeout),
            lock_timeout=_milliseconds(source.lock_timeout),
        )
        self._role: str = first.role_name
        self.read_at: datetime = first.read_at.astimezone(UTC)
        self._xids: str = first.snapshot
        self._sees_conversations = False
        self._sees_agents = False
        self._written: WrittenRows | None = None
        self._highest: dict[str, Mapping[str, int]] = {}
        self._require_tables(CONTACT_COLUMNS, {})

    @cached_property
    def installation(self) -> str:
        """The INSTALLATION_IDENTIFIER, or "<host>:<port>/<database>" when it is absent or not readable."""
        row = self._try("chatwoot/installation")
        return (identifier(row.serialized_value) if row else None) or self._where

    @cached_property
    def version(self) -> Version:
        """How new the tables are; a role that may not read that is told so."""
        row = self._try("chatwoot/schema_version")
        return version_of_schema(row.version if row else None)

    def watermark(
        self, stream: Stream, selection: Selection | None = None, scope: SourceFilter | None = None
    ) -> Watermark:
        """Return how far this snapshot sees; see `SourceSnapshot.watermark`."""
        tables = written_tables(stream, scope)
        if self._lineage is None:
            return Watermark.of(self._xids, None, self.read_at)
        self._require(stream, scope)
        newest = self._newest(stream)
        if len(tables) > len(newest):
            newest = {**newest, **self._newest(Stream.CONVERSATIONS)}
        if not isinstance(selection, ChangedSince):
            keys = note_keys({}, newest, self._xids)
            return Watermark.of(self._xids, self._lineage, self.read_at, keys=keys)
        before = selection.watermark
        looked = {} if self._written is None else self._written.seconds
        seconds = sum(looked.get(table, 0.0) for table in tables)
        exact = ExactLook(self._xids, self.read_at, seconds) if selection.exact else before.exact
        keys = note_keys(before.keys, newest, self._xids)
        return Watermark(self._xids, self._lineage, self.read_at, exact, keys)

    @cached_property
    def vouch(self) -> Vouch:
        """What this snapshot says of its own completeness; see `chatwoot.source.Vouch`."""
        found = self._try("chatwoot/vouch")
        if found is None:
            return Vouch(self._lineage)
        behind = found.seconds_behind
        late = behind is not None and behind > LONGEST_LAG.total_seconds()
        return Vouch(
            f"{self._lineage}/{found.contacts_table}",
            narrow=tuple(f"{name} is no table but something in its place" for name in found.not_tables),
            passing=(f"this standby is {behind / 60:.0f} minutes behind its primary",) if late else (),
            snapshot=self._xids if self._lineage is not None else "",
        )

    def accounts(self) -> list[Account]:
        """Return all accounts by id."""
        return [Account(row.id, row.name, row.suspended) for row in self._all("chatwoot/accounts", {})]

    def inboxes(self, account_id: int) -> list[Inbox]:
        """Return the inboxes of an account by id.

        Raises:
            UnknownAccount: there is no such account.
        """
        self._require_account(account_id)
        return [
            Inbox(row.id, row.account_id, row.name, row.channel_type)
            for row in self._all("chatwoot/inboxes", {"account_id": account_id})
        ]

    def check(self, scope: SourceFilter) -> None:
        """Make sure that the account and the inboxes of `scope` exist.

        Raises:
            UnknownAccount, UnknownInbox: they do not.
        """
        self._require_account(scope.account_id)
        if scope.inboxes is not None:
            known = self.inboxes(scope.account_id)
            unknown = scope.inboxes - {inbox.id for inbox in known}
            if unknown:
                raise UnknownInbox(scope.account_id, unknown, known)

    def tells_since(self, stream: Stream, watermark: Watermark, scope: SourceFilter | None = None) -> bool:
        """Tell whether each row written since is known, whatever its `updated_at` says; deletions are not."""
        return self._since(stream, ChangedSince(watermark), scope) is not None

    def looks_exactly(self, stream: Stream, scope: SourceFilter, watermark: Watermark, share: float) -> bool:
        """Look exactly where it is time for it; see `SourceSnapshot.looks_exactly`."""
        by_index = self._since(stream, ChangedSince(watermark, exact=False), scope)
        if by_index is not None and not watermark.is_exact_due(self.read_at, share):
            return False
        exact = self._since(stream, ChangedSince(watermark), scope)
        assert exact is not None
        self._require(stream, scope)
        try:
            # A savepoint keeps the snapshot usable after a refusal, and gives the look's locks back.
            with (
                self._connection.transaction(),
                giving_way(self._connection, self._connect) if by_index is not None else nullcontext(),
            ):
                self._written_of(scope.account_id).ids(
                    stream, exact, by_conversations=scope.rules_ask_conversations
                )
        except SnapshotInterrupted as interrupted:
            if by_index is None or interrupted.sqlstate not in _BUSY:
                raise
            log.warning(
                "Chatwoot's database at %s broke off the exact look at its %s (%s): what no index leads to "
                "is looked for in a later run.",
                self._where,
                stream,
                interrupted.sqlstate,
            )
            return False
        return True

    def rows(
        self,
        stream: Stream,
        scope: SourceFilter,
        selection: Selection,
        *,
        since: datetime | None = None,
        chunk: int | None = None,
    ) -> Iterator[Sequence[Row]]:
        """Yield the selected records of a stream by id; see `SourceSnapshot.rows`.

        At no time are more than `chunk` records held; the ids come through a cursor of the server.
        """
        is_whole = scope.transcripts and stream is Stream.CONVERSATIONS
        size = chunk if chunk is not None else _WHOLE_AT_ONCE if is_whole else STREAMS[stream].chunk
        if size < 1:
            msg = f"chunk must be 1 or more, not {chunk}"
            raise ValueError(msg)
        self.check(scope)
        self._require(stream, scope)
        return self._rows(stream, scope, since, selection, size)

    def checksums(
        self, stream: Stream, scope: SourceFilter, *, since: datetime | None = None
    ) -> Iterator[BucketSum]:
        """Yield the checksums of all rows of `scope`; see `SourceSnapshot.checksums`."""
        self.check(scope)
        self._require(stream, scope)
        self._one("session/checksums")
        asked = {**self._parameters(scope, since), "shift": BUCKET_BITS, "keys": None}
        return self._checksums(stream, asked, _given(stream, scope))

    def hashes(
        self, stream: Stream, scope: SourceFilter, keys: Sequence[int], *, since: datetime | None = None
    ) -> dict[int, int]:
        """Return the hashes of those of `keys` that are in `scope`; see `SourceSnapshot.hashes`."""
        self._require(stream, scope)
        asked = {**self._parameters(scope, since), "shift": 0, "keys": list(keys)}
        found = self._all(f"{stream}/checksums", asked, (*_given(stream, scope), _ONE_BY_ONE))
        return {row[0]: row[2] for row in found}

    def there(self, stream: Stream, scope: SourceFilter, keys: Sequence[int]) -> set[int]:
        """Return those of `keys` that the account has; see `SourceSnapshot.there`."""
        self._require(stream)
        asked = {"account_id": scope.account_id, "keys": list(keys)}
        return {row[0] for row in self._all(f"{stream}/exist", asked)}

    def addressed(self, scope: SourceFilter, emails: Sequence[str], phones: Sequence[str]) -> set[int]:
        """Return the contacts with one of these addresses; see `SourceSnapshot.addressed`."""
        asked = {"account_id": scope.account_id, "emails": list(emails), "phones": list(phones)}
        return {row.id for row in self._all("contacts/with_natural_keys", asked)}

    def newest(self, scope: SourceFilter, number: int) -> set[int]:
        """Return the contacts that were made last; see `SourceSnapshot.newest`."""
        asked = {**self._parameters(scope, None), "size": number}
        return {row.id for row in self._all("contacts/newest", asked)}

    @property
    def traces(self) -> TraceReading:
        """By what one tells where contacts went that are not there any more."""
        return TraceReading(self._permitted_chunks)

    def _permitted_chunks(self, name: str, parameters: Mapping[str, Any]) -> Iterator[list[Any]]:
        """Yield rows in chunks, none where the role or the server does not allow it."""
        with _translated(self._where):
            try:
                with (
                    self._connection.transaction(),
                    self._connection.cursor(f"rows_{next(self._numbers)}") as cursor,
                ):
                    cursor.execute(statement(name), parameters)
                    while found := cursor.fetchmany(traces.CHUNK):
                        yield found
            except _REFUSALS:
                return

    def _rows(
        self,
        stream: Stream,
        scope: SourceFilter,
        since: datetime | None,
        selection: Selection,
        size: int,
    ) -> Iterator[Sequence[Row]]:
        table, asked, given = STREAMS[stream], self._parameters(scope, since), _given(stream, scope)
        few, how = (*given, _ONE_BY_ONE), {**asked, **table.parameters}
        if stream is not Stream.CONTACTS and not isinstance(selection, ChangedSince):
            # These ids were found by the rule.
            how["where"] = None
        for ids in self._ids(stream, scope, asked, selection, size):
            found = self._all(f"{stream}/rows", {**how, "ids": ids}, few)
            if found:
                yield [table.record(row) for row in found]

    def _ids(
        self,
        stream: Stream,
        scope: SourceFilter,
        asked: Mapping[str, Any],
        selection: Selection,
        size: int,
    ) -> Iterator[list[int]]:
        """Yield the ids (not keys) of the selected rows, some of which may be of another scope."""
        name, given, all_of = f"{stream}/ids", _given(stream, scope), {**asked, **_ALL}
        if stream is Stream.CONTACTS and isinstance(selection, ListedIds | ByIds):
            # Each is asked for, and is told to be out of the scope where it is.
            all_of |= {"where": None}
        match selection:
            case ListedIds(chunks):
                given = (*given, _ONE_BY_ONE)
                for keys in chunks():
                    found = self._all(name, {**all_of, "since": None, "keys": list(keys)}, given)
                    yield [row[0] for row in found]
                return
            case ByIds(ids):
                given = (*given, _ONE_BY_ONE)
                all_of |= {"since": None, "contact_ids": sorted(ids)}
            case Window(start, end):
                all_of |= {"since": None, "start": start, "end": end}
            case ChangedSince() if (since := self._since(stream, selection, scope)) is not None:
                rows = self._written_of(scope.account_id)
                written = rows.ids(stream, since, by_conversations=scope.rules_ask_conversations)
                for first in range(0, len(written), size):
                    yield written[first : first + size].tolist()
                return
        with _translated(self._where), self._connection.cursor(f"ids_{next(self._numbers)}") as cursor:
            cursor.execute(statement(name, given=given), all_of)
            while found := cursor.fetchmany(size):
                yield [row[0] for row in found]

    def _checksums(
        self, stream: Stream, asked: Mapping[str, Any], given: tuple[str, ...]
    ) -> Iterator[BucketSum]:
        for row in self._copied(f"{stream}/checksums", asked, given):
            yield BucketSum(*map(int, row))

    def _since(
        self, stream: Stream, selection: ChangedSince, scope: SourceFilter | None = None
    ) -> Since | None:
        """Return by what to look for what changed, None where row versions or ids cannot be compared."""
        tables, watermark = written_tables(stream, scope), selection.watermark
        if not self._has_row_versions(tables) or self._lineage is None or watermark.lineage != self._lineage:
            return None
        lately = XidRange.unseen(watermark.snapshot, self._xids)
        since_exact = XidRange.unseen(watermark.exact.snapshot, self._xids)
        if lately is None or since_exact is None:
            return None
        if selection.exact:
            return Since(since_exact)
        after = bounds(watermark, tables)
        return None if after is None else Since(lately, watermark.read_at, after)

    def _written_of(self, account_id: int) -> WrittenRows:
        if self._written is None or self._written.account_id != account_id:
            self._written = WrittenRows(account_id, self._copied)
        return self._written

    def _copied(
        self, name: str, parameters: Mapping[str, Any], given: tuple[str, ...] = ()
    ) -> Iterator[Sequence[str]]:
        # A cursor of the server would be planned for its first rows and without parallel workers.
        with (
            _translated(self._where),
            self._connection.cursor() as cursor,
            cursor.copy(f"COPY ({statement(name, given=given)}) TO STDOUT", parameters) as copy,
        ):
            yield from copy.rows()

    def _newest(self, stream: Stream) -> Mapping[str, int]:
        noun = "contacts" if stream is Stream.CONTACTS else "conversations"
        if noun not in self._highest:
            row = self._one(f"written/newest_of_{noun}")
            self._highest[noun] = {table: highest or 0 for table, highest in row._asdict().items()}
        return self._highest[noun]

    def _has_row_versions(self, tables: tuple[str, ...]) -> bool:
        return bool(self._one("chatwoot/row_versions", tables=list(tables)).comparable)

    def _require(self, stream: Stream, scope: SourceFilter | None = None) -> None:
        # Only a sync that wants conversations, or chooses contacts by them, needs to read their tables.
        asks = stream is not Stream.CONTACTS or (scope is not None and scope.asks_conversations)
        if asks and not self._sees_conversations:
            self._require_tables(CONVERSATION_COLUMNS, LATER_COLUMNS)
            self._sees_conversations = True
        if scope is not None and (scope.handling or scope.by_inbox) and not self._sees_agents:
            self._require_tables(AGENT_COLUMNS, {})
            self._sees_agents = True

    @cached_property
    def _lineage(self) -> str | None:
        if not self._has_row_versions(STREAMS[Stream.CONTACTS].written):
            return None
        row = self._try("chatwoot/lineage") or self._try("chatwoot/lineage_since_start")
        return row.lineage if row else None

    def _require_tables(self, needed: Mapping[str, str], later: Mapping[str, str]) -> None:
        """Make sure that `needed` columns are there, and with those of `later` that are there readable."""
        pairs, others = _columns(needed), _columns(later)
        found = self._all(
            "chatwoot/needed_columns",
            {
                "tables": [table for table, _ in (*pairs, *others)],
                "columns": [column for _, column in (*pairs, *others)],
            },
        )
        found = [row for row in found if row.column_found or (row.table_name, row.column_name) in pairs]
        missing = {
            f"table {row.table_name}" if not row.table_found else f"column {row.table_name}.{row.column_name}"
            for row in found
            if not row.column_found
        }
        if missing:
            elsewhere = [row.schema_name for row in self._all("chatwoot/elsewhere", {})]
            raise NotAChatwootDatabase(self._where, sorted(missing), elsewhere)
        closed = {row.table_name for row in found if not row.readable}
        if closed:
            raise MissingPrivileges(self._where, self._role, sorted(closed))
        # The role itself, or the owner of a view that it reads.
        role = min((row.hidden_from for row in found if row.hidden_from is not None), default=None)
        if role is not None:
            hidden = {row.table_name for row in found if row.hidden_from == role}
            raise RowsHidden(self._where, role, sorted(hidden))

    def _require_account(self, account_id: int) -> None:
        known = self.accounts()
        if all(account.id != account_id for account in known):
            raise UnknownAccount(account_id, known)

    def _parameters(self, scope: SourceFilter, since: datetime | None) -> dict[str, Any]:
        inboxes = None if scope.inboxes is None else sorted(scope.inboxes)
        rules = {
            name: None if rule is None else json.dumps(rule.to_json(self.inboxes(scope.account_id)))
            for name, rule in (("where", scope.where), ("lead", scope.lead))
        }
        return {
            "account_id": scope.account_id,
            "inboxes": inboxes,
            "labels": scope.labels,
            **rules,
            "since": since,
            "transcripts": scope.transcripts,
            "by_inbox": scope.by_inbox,
        }

    def _all(self, name: str, parameters: Mapping[str, Any], given: tuple[str, ...] = ()) -> list[Any]:
        with _translated(self._where):
            return self._connection.execute(statement(name, given=given), parameters).fetchall()

    def _one(self, name: str, **parameters: Any) -> Any:
        row, *_ = self._all(name, parameters)
        return row

    def _try(self, name: str) -> Any:
        """Return the first row, None if there is none or the role or the server does not allow it."""
        with _translated(self._where):
            try:
                # A savepoint keeps the transaction usable after a refusal.
                with self._connection.transaction():
                    return self._connection.execute(statement(name)).fetchone()
            except _REFUSALS:
                return None


@contextmanager
def _translated(where: str) -> Iterator[None]:
    try:
        yield
    except psycopg.OperationalError as error:
        raise SnapshotInterrupted(where, error.sqlstate, str(error).strip()) from error
    except psycopg.Error as error:
        # What the server says of data quotes it.
        raise SnapshotInterrupted(where, error.sqlstate, type(error).__name__) from error


def _given(stream: Stream, scope: SourceFilter) -> tuple[str, ...]:
    """Return what is given to the statements of a stream beside contacts."""
    if stream is Stream.CONTACTS and not scope.asks_conversations:
        return ()
    named = {"handling": scope.handling, "by_inbox": scope.by_inbox}
    return ("conversations", *(name for name, is_asked in named.items() if is_asked))


def _columns(of_tables: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(table, column) for table, columns in of_tables.items() for column in columns.split()]


def _milliseconds(duration: timedelta) -> str:
    return str(int(duration / timedelta(milliseconds=1)))
