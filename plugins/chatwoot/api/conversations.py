"""Conversations, their messages and how far they came, read through Chatwoot's REST API."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from itertools import islice
from typing import TYPE_CHECKING

from chatwoot.api import rows as api_rows
from chatwoot.api.contacts import cutoff
from chatwoot.api.pages import PagedList, PageWalker, after_day, no_stop, read_all
from chatwoot.api.rows import SECOND, is_before, is_public, is_within, moment
from chatwoot.api.spool import Spool
from chatwoot.errors import ChatwootApiRefused, ChatwootApiUnreachable
from chatwoot.records import ENOUGH_LETTERS, RECENT, RECENT_LETTERS, WHOLE, WHOLE_LETTERS
from chatwoot.source import ByIds, Everything, ListedIds, Window
from chatwoot.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from chatwoot.api.contacts import ApiContacts
    from chatwoot.api.rows import Json
    from chatwoot.api.scope import ApiScope
    from chatwoot.api.session import ApiSession
    from chatwoot.records import BrokenRow, Conversation, Progress, SentMessage
    from chatwoot.source import Row, Selection, SourceFilter

log = logging.getLogger(__name__)

PAGE = 25
_OF_CONTACT = 20
_LATEST = 20
_RANGE = 1_000
_BEYOND = 2**31
# All matches come in one answer: of more than a day they could be too many.
LONGEST_WITHIN = timedelta(days=1)
# Conversations of one moment come in any order, page by page another: a second order shows the rest.
_ORDERS = ("created_at_asc", "last_activity_at_desc", "created_at_desc")
# What others said may be a private note; it is read again where it is needed, without those.
_SAYING = ("messages", "last_non_activity_message")


@dataclass(frozen=True, slots=True)
class ApiConversations:
    """Reads what was said in one account.

    Attributes:
        contacts: the same reading's contacts.
        listed: the list of conversations.
        inbox_names: the inboxes' names by their ids.
        parallel: how many conversations are asked for their messages at once.
        judge: tells which contacts are in scope by its rule.
    """

    contacts: ApiContacts
    listed: PagedList
    inbox_names: Mapping[int, str]
    parallel: int
    judge: ApiScope

    @property
    def session(self) -> ApiSession:
        """The account's API."""
        return self.contacts.session

    def rows(
        self, stream: Stream, scope: SourceFilter, selection: Selection, since: datetime | None, chunk: int
    ) -> Iterator[Sequence[Row]]:
        """Yield the selected records of a stream other than contacts; see `SourceSnapshot.rows`."""
        match stream:
            case Stream.CONVERSATIONS:
                return self._conversations(scope, selection, since, chunk)
            case Stream.MESSAGES:
                return self._sent_messages(scope, selection, since, chunk)
            case _:
                return self._progress(scope, selection, since, chunk)

    def _conversations(
        self, scope: SourceFilter, selection: Selection, since: datetime | None, chunk: int
    ) -> Iterator[Sequence[Row]]:
        with self._selected(scope, selection, since) as spool, _threads(self.parallel) as threads:
            for rows in spool.chunks(chunk):
                whole = [scope.transcripts and row.get("status") == "resolved" for row in rows]
                said = threads.map(self._public, [row["id"] for row in rows], whole)
                yield [self._conversation(*one) for one in zip(rows, said, whole, strict=True)]

    def _sent_messages(
        self, scope: SourceFilter, selection: Selection, since: datetime | None, chunk: int
    ) -> Iterator[Sequence[Row]]:
        if isinstance(selection, ListedIds):
            yield from self._listed_messages(scope, selection, chunk)
            return
        start, end = self._said_in(selection, since)
        # In a window something may be said in a conversation that began before and changed after it.
        chosen = Window(start, datetime.max.replace(tzinfo=UTC)) if start and end else selection
        with self._selected(scope, chosen, since) as spool, _threads(self.parallel) as threads:
            for rows in spool.chunks(self.parallel * 4):
                said = threads.map(lambda row: list(self._said(row["id"], start, end)), rows)
                found = (self._sent(one, row) for row, some in zip(rows, said, strict=True) for one in some)
                while some := list(islice(found, chunk)):
                    yield some

    def _progress(
        self, scope: SourceFilter, selection: Selection, since: datetime | None, chunk: int
    ) -> Iterator[Sequence[Row]]:
        with Spool() as contacts:
            if isinstance(selection, ListedIds):
                for keys in selection.chunks():
                    contacts.put({"id": key} for key in keys)
            else:
                self._spool_contacts(contacts, scope, selection, since)
            with _threads(self.parallel) as threads:
                for some in contacts.chunks(chunk):
                    read = threads.map(lambda row: self._progress_of(scope, row["id"]), some)
                    found = [one for one in read if one is not None]
                    if found:
                        yield found

    def _spool_contacts(
        self, contacts: Spool, scope: SourceFilter, selection: Selection, since: datetime | None
    ) -> None:
        with self._selected(scope, selection, since) as spool:
            for rows in spool.chunks(PAGE):
                numbers = (api_rows.contact_id_of(row) for row in rows)
                contacts.put({"id": number} for number in numbers if number is not None)

    def _listed_messages(
        self, scope: SourceFilter, selection: ListedIds, chunk: int
    ) -> Iterator[Sequence[Row]]:
        """Read all messages and give those listed: the API does not tell a message's conversation."""
        with Spool() as wanted:
            for keys in selection.chunks():
                wanted.put({"id": key} for key in keys)
            if not len(wanted):
                return
            for read in self._sent_messages(scope, Everything(), None, chunk):
                kept = {one["id"] for one in wanted.of(row.key for row in read)}
                found = [row for row in read if row.key in kept]
                if found:
                    yield found

    # --- which conversations -------------------------------------------------------------------

    @contextmanager
    def _selected(self, scope: SourceFilter, selection: Selection, since: datetime | None) -> Iterator[Spool]:
        with Spool() as spool:
            for rows in self._listed(scope, selection, since):
                spool.put(
                    {key: value for key, value in row.items() if key not in _SAYING}
                    for row in rows
                    if scope.inboxes is None or row.get("inbox_id") in scope.inboxes
                    if self.judge.has(scope, api_rows.contact_id_of(row))
                )
            yield spool

    def _listed(
        self, scope: SourceFilter, selection: Selection, since: datetime | None
    ) -> Iterator[list[Json]]:
        match selection:
            case ByIds(ids):
                for contact_id in sorted(ids):
                    yield self.of_contact(contact_id)
                return
            case ListedIds(chunks):
                for keys in chunks():
                    found = (self.session.find(f"/conversations/{key}") for key in keys)
                    yield [api_rows.single(row, self.session.where) for row in found if row is not None]
                return
            case Window(start, end):
                for rows in self.listed.filtered(after_day("last_activity_at", start)).from_the_start(
                    no_stop
                ):
                    yield [
                        row
                        for row in rows
                        if any(is_within(key, start, end, row) for key in ("created_at", "updated_at"))
                    ]
                return
            case _ if (changed := cutoff(selection)) is not None:
                yield from self._updated_since(changed)
                return
        for inbox in [None] if scope.inboxes is None else sorted(scope.inboxes):
            yield from self.all(inbox, since)

    def all(self, inbox: int | None = None, since: datetime | None = None) -> Iterator[list[Json]]:
        """Yield all conversations, as the API gives them: of one inbox, with activity since then."""
        if since is None:
            short = self.contacts.short
            yield from read_all(lambda order: self._walk(order, inbox), _ORDERS, "conversations", short)
            return
        is_old = partial(is_before, "last_activity_at", since)
        for rows in self._walk("last_activity_at_desc", inbox).from_the_start(is_old):
            yield [row for row in rows if not is_old(row)]

    def _updated_since(self, start: datetime) -> Iterator[list[Json]]:
        gap = self.contacts.read_at - start
        if gap <= LONGEST_WITHIN:
            rows = self._within(max(1, int(gap.total_seconds()) + 1))
            if rows is not None:
                now = self.contacts.read_at
                fresh = [row for row in rows if (moment(row.get("updated_at")) or now) >= start - SECOND]
                yield fresh
                # A Chatwoot that does not know the parameter answers the first page of all.
                if len(fresh) == len(rows) != PAGE:
                    return
        is_old = partial(is_before, "last_activity_at", start)
        yield from self._walk("last_activity_at_desc", None).from_the_start(is_old)

    def _within(self, seconds: int) -> list[Json] | None:
        """Return what changed in the last seconds, None where so much cannot be answered at once."""
        try:
            answer = self.session.get("/conversations", status="all", updated_within=seconds)
        except ChatwootApiUnreachable as error:
            # Asked again with the next run it would be even more.
            log.warning(
                "What changed in conversations in the last %d seconds cannot be read at once (%s): read by "
                "their last activity instead.",
                seconds,
                error.reason,
            )
            return None
        return self.listed.page(answer).rows

    def of_contact(self, contact_id: int) -> list[Json]:
        """Return a contact's conversations, as the API gives them."""
        answer = self.session.find(f"/contacts/{contact_id}/conversations")
        rows: list[Json] = api_rows.listed(answer, self.session.where) if answer is not None else []
        if len(rows) < _OF_CONTACT:
            return rows
        # There may be more than the latest twenty.
        pages = self.listed.filtered(("contact_id", "equal_to", contact_id)).from_the_start(no_stop)
        try:
            found = [row for some in pages for row in some]
        except ChatwootApiRefused as refused:
            if refused.status != HTTPStatus.UNPROCESSABLE_ENTITY:
                raise
            # The first Chatwoots 4 do not filter by contact.
            found = self._by_source(contact_id)
        return list({row["id"]: row for row in [*rows, *found]}.values())

    def _by_source(self, contact_id: int) -> list[Json]:
        """Return a contact's conversations by the ids it has in its inboxes."""
        inboxes = api_rows.inboxes_of(self.session.contact(contact_id) or {})
        found: list[Json] = []
        for source_id in sorted({one.source_id for one in inboxes} - {""}):
            pages = self._walk("created_at_asc", None, source_id=source_id).from_the_start(no_stop)
            found += (row for rows in pages for row in rows if api_rows.contact_id_of(row) == contact_id)
        return found

    def _walk(self, sort_by: str, inbox: int | None, **further: str) -> PageWalker:
        in_inbox = {} if inbox is None else {"inbox_id": inbox}
        return self.listed.walk(status="all", sort_by=sort_by, **further, **in_inbox)

    # --- what was said in them -----------------------------------------------------------------

    def _conversation(self, row: Json, said: list[Json], is_whole: bool) -> Conversation | BrokenRow:  # noqa: FBT001
        shown = _enough(said) if is_whole else said[-RECENT:]
        return api_rows.conversation(
            row,
            self.session.account_id,
            self._inbox_name(row),
            self._earlier_ids(row),
            shown,
            WHOLE_LETTERS if is_whole else RECENT_LETTERS,
            len(said) - len(shown) if is_whole else None,
        )

    def _sent(self, said: Json, row: Json) -> SentMessage | BrokenRow:
        return api_rows.sent_message(
            said, row, self.session.account_id, self._inbox_name(row), self._earlier_ids(row)
        )

    def _inbox_name(self, row: Json) -> str:
        return self.inbox_names.get(row.get("inbox_id") or 0, "")

    def _earlier_ids(self, row: Json) -> tuple[str, ...]:
        contact_id = api_rows.contact_id_of(row)
        return () if contact_id is None else self.contacts.earlier_ids(contact_id)

    def _public(self, display_id: int, is_whole: bool) -> list[Json]:  # noqa: FBT001
        """Return the public messages, the latest at least or all of them, oldest first."""
        newest = self._messages(display_id)
        said = [row for row in newest if is_public(row)]
        if len(newest) == _LATEST and (is_whole or len(said) < RECENT):
            # There are more, or too many templates among them.
            said = sorted(self._range(display_id, 0, _BEYOND), key=_chronological)
        return said

    def _said(self, display_id: int, start: datetime | None, end: datetime | None) -> Iterator[Json]:
        for row in self._range(display_id, 0, _BEYOND):
            at = moment(row.get("created_at"))
            if at is None or ((start is None or at > start - SECOND) and (end is None or at < end)):
                yield row

    def _range(self, display_id: int, low: int, high: int) -> Iterator[Json]:
        """Yield the public messages with ids from `low` to below `high`.

        Chatwoot answers the oldest thousand of a range of ids, but ids need not follow the times (an
        import brings old messages with new ids): a range that is not whole is halved, not gone on from.
        """
        rows = self._messages(display_id, after=low, before=high)
        if len(rows) < _RANGE:
            yield from (row for row in rows if is_public(row))
            return
        middle = sorted(row["id"] for row in rows)[len(rows) // 2]
        yield from self._range(display_id, low, middle)
        yield from self._range(display_id, middle, high)

    def _messages(self, display_id: int, **bounds: int) -> list[Json]:
        path = f"/conversations/{display_id}/messages"
        # The filter leaves out private notes and the log's lines: they never come here.
        answer = self.session.find(path, filter_internal_messages="true", **bounds)
        # Deleted since it was listed: nothing was said.
        return [] if answer is None else api_rows.listed(answer, self.session.where)

    def _said_in(
        self, selection: Selection, since: datetime | None
    ) -> tuple[datetime | None, datetime | None]:
        match selection:
            case Window(start, end):
                return start, end
            case ByIds():
                return None, None
            case _ if cutoff(selection) is not None:
                # All of a conversation in which something was said: what was deleted in it shows.
                return None, None
            case _:
                return since, None

    # --- how far they came ---------------------------------------------------------------------

    def _progress_of(self, scope: SourceFilter, contact_id: int) -> Progress | BrokenRow | None:
        rows = [
            row
            for row in self.of_contact(contact_id)
            if scope.inboxes is None or row.get("inbox_id") in scope.inboxes
            if self.judge.has(scope, contact_id)
        ]
        if not rows:
            return None
        found = [(row, self._resolved_at(row)) for row in rows]
        return api_rows.progress(contact_id, found, by_inbox=scope.by_inbox)

    def _resolved_at(self, row: Json) -> datetime | None:
        if row.get("status") != "resolved":
            return None
        try:
            events = self.session.find(f"/conversations/{row['id']}/reporting_events")
        except ChatwootApiRefused as refused:
            # Reports may be for administrators only.
            if refused.status not in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
                raise
            return None
        times = (
            moment(event.get("event_end_time"))
            for event in (events if isinstance(events, list) else ())
            if isinstance(event, dict) and event.get("name") == "conversation_resolved"
        )
        return max((at for at in times if at is not None), default=None)


@contextmanager
def _threads(number: int) -> Iterator[ThreadPoolExecutor]:
    threads = ThreadPoolExecutor(number, thread_name_prefix="chatwoot-api")
    try:
        yield threads
    finally:
        # After a failure nothing more is asked.
        threads.shutdown(cancel_futures=True)


def _enough(said: Sequence[Json]) -> list[Json]:
    """Return the latest of what was said, as much as is read of a whole conversation."""
    shown: list[Json] = []
    letters = 0
    for row in reversed(said):
        if len(shown) == WHOLE or letters >= ENOUGH_LETTERS:
            break
        shown.append(row)
        letters += api_rows.letters_of(row)
    return shown[::-1]


def _chronological(row: Json) -> tuple[int, int]:
    return row.get("created_at") or 0, row["id"]
