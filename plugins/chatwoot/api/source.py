"""Chatwoot read through its REST API, where its database cannot be reached."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from chatwoot.api import rows as api_rows
from chatwoot.api.access import HttpOptions
from chatwoot.api.checksums import FORMULA, ApiChecksums
from chatwoot.api.conversations import ApiConversations, filter_body
from chatwoot.api.pages import Page, PageWalker, read_all
from chatwoot.api.rows import moment
from chatwoot.api.session import REQUESTS_PER_MINUTE, ApiSession
from chatwoot.api.spool import Spool
from chatwoot.errors import ChatwootApiRefused, ChatwootApiUnreachable, UnknownAccount, UnknownInbox
from chatwoot.records import Account, Inbox
from chatwoot.source import (
    ByIds,
    ChangeCoverage,
    ChangedSince,
    Everything,
    ListedIds,
    Vouch,
    Watermark,
    Window,
)
from chatwoot.versions import Version, version_of_api

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import httpx

    from chatwoot.api.rows import Json
    from chatwoot.checksums import BucketSum, Stream
    from chatwoot.conversations import Conversation, Progress, SentMessage
    from chatwoot.records import BrokenRow, Contact
    from chatwoot.source import Selection, SourceFilter

log = logging.getLogger(__name__)

PAGE = 15
PARALLEL = 4
LINEAGE = "chatwoot-api"
"""The lineage of the API's marks: they say nothing to a database, nor a database's to the API."""
OVERLAP = timedelta(minutes=5)
"""How long before the last reading a next one begins: what was committed late is seen all the same."""
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)
# Rows of one moment come in any order, page by page another: a second order shows the rest.
_ORDERS = ("created_at", "name", "-created_at")
# Two or three within a second happen to come together.
_TIED = 4


@dataclass(frozen=True, slots=True)
class ApiSource:
    """One account of a Chatwoot 4 through its API; the token of any of its users is enough.

    Attributes:
        base_url: the address in the browser.
        token: a user's access token; agents see the conversations of their inboxes only.
        account_id: the account.
        installation: the name to go by, when another than the address; it is part of every key.
        requests_per_minute: how many calls a reading makes at most.
        parallel: how many of them at once, where one does not depend on another.
        contact_labels: whether contacts come with their labels, which takes a call for each contact.
        http: how calls are made: certificates, proxies, further headers.
    """

    base_url: str
    token: str = field(repr=False)
    account_id: int
    installation: str | None = None
    requests_per_minute: int = REQUESTS_PER_MINUTE
    parallel: int = PARALLEL
    contact_labels: bool = False
    http: HttpOptions = field(default_factory=HttpOptions)
    transport: httpx.BaseTransport | None = field(default=None, repr=False)
    sleep: Callable[[float], None] | None = field(default=None, repr=False)

    @contextmanager
    def snapshot(self) -> Iterator[ApiSnapshot]:
        """Begin a reading. The API has no snapshots: what is read later is of a later moment.

        Raises:
            ChatwootApiUnreachable: no answer, or not from a Chatwoot.
            ChatwootApiRefused: the token is refused.
        """
        with self.session() as session:
            profile, read_at = session.root("/api/v1/profile")
            snapshot = ApiSnapshot(self, session, _memberships(profile, session.where), read_at)
            try:
                yield snapshot
            finally:
                snapshot.close()

    def session(self) -> ApiSession:
        """Return the way to the account; nothing is called yet."""
        waiting = {} if self.sleep is None else {"sleep": self.sleep}
        return ApiSession(
            self.base_url,
            self.token,
            self.account_id,
            requests_per_minute=self.requests_per_minute,
            http=self.http,
            transport=self.transport,
            **waiting,
        )


class ApiSnapshot:
    """One reading through the API, from `read_at` on; see `chatwoot.source.SourceSnapshot`."""

    def __init__(
        self, source: ApiSource, session: ApiSession, memberships: list[Json], read_at: datetime
    ) -> None:
        """Begin a reading."""
        self._source = source
        self.session = session
        self._memberships = memberships
        self._read_at = read_at
        self._earlier = Spool()
        self._all_listed = False
        self._short: list[str] = []
        self._total: int | None = None
        self._warned = False
        self._checksums = ApiChecksums(self)

    def close(self) -> None:
        """Forget what was kept for comparisons and for conversations."""
        self._checksums.close()
        self._earlier.close()

    @property
    def installation(self) -> str:
        """The name given to the source, else the address."""
        return self._source.installation or self.session.where

    @property
    def read_at(self) -> datetime:
        """When the reading began by Chatwoot's clock, UTC, whole seconds."""
        return self._read_at

    @property
    def watermark(self) -> Watermark:
        """How far this reading sees: a moment, no snapshot."""
        return Watermark("", LINEAGE, self._read_at, self._read_at)

    @cached_property
    def version(self) -> Version:
        """Chatwoot's version as its API says it."""
        try:
            answer, _ = self.session.root("/api")
        except (ChatwootApiRefused, ChatwootApiUnreachable):
            # Not everybody lets that through.
            answer = None
        return version_of_api(str(answer.get("version") or "") if isinstance(answer, dict) else None)

    @property
    def vouch(self) -> Vouch:
        """What this reading says of its own completeness so far; see `chatwoot.source.Vouch`."""
        agents = () if self.sees_all else ("the access token is an agent's, who sees only some inboxes",)
        return Vouch(LINEAGE, narrow=agents, passing=tuple(self._short), contacts=self._total)

    def accounts(self) -> list[Account]:
        """Return the accounts of the token's user by id."""
        found = (
            Account(one["id"], one.get("name") or "", one.get("status") == "suspended")
            for one in self._memberships
        )
        return sorted(found, key=lambda account: account.id)

    @property
    def sees_all(self) -> bool:
        """Whether the token's user sees all conversations, as administrators do."""
        mine = (one for one in self._memberships if one["id"] == self._source.account_id)
        return any(one.get("role") == "administrator" for one in mine)

    def inboxes(self, account_id: int) -> list[Inbox]:
        """Return the inboxes of an account by id.

        Raises:
            UnknownAccount: the token's user is not in it, or the source is another account's.
        """
        self._require_account(account_id)
        return self._inboxes

    def check(self, scope: SourceFilter) -> None:
        """Make sure that the account and the inboxes of `scope` exist for the token's user.

        Raises:
            UnknownAccount, UnknownInbox: they do not.
        """
        self._require_account(scope.account_id)
        self._warn_of_agents()
        if scope.inboxes is not None:
            unknown = scope.inboxes - {inbox.id for inbox in self._inboxes}
            if unknown:
                raise UnknownInbox(scope.account_id, unknown, self._inboxes)

    def reach(self, selection: ChangedSince) -> ChangeCoverage:
        """Tell how completely `selection` can be answered: never exactly."""
        if selection.watermark is None:
            return ChangeCoverage.EVERYTHING
        return ChangeCoverage.RECENT if selection.watermark.lineage == LINEAGE else ChangeCoverage.LOOKBACK

    def contacts(
        self, scope: SourceFilter, selection: Selection, *, chunk: int = 2000
    ) -> Iterator[list[Contact | BrokenRow]]:
        """Yield the selected contacts of `scope` by id, in lists of at most `chunk`, none empty.

        ListedIds are contacts with an e-mail, phone or identifier only; `ByIds` finds the others too.

        Raises:
            UnknownAccount, UnknownInbox: the scope does not exist (at the call).
            ChatwootApiUnreachable, ChatwootApiRefused: the API does not answer (while iterating).
        """
        if chunk < 1:
            msg = f"chunk must be 1 or more, not {chunk}"
            raise ValueError(msg)
        self.check(scope)
        return self._contacts(scope, selection, chunk)

    def conversations(
        self, scope: SourceFilter, selection: Selection, *, since: datetime | None = None, chunk: int = 500
    ) -> Iterator[list[Conversation | BrokenRow]]:
        """Yield the selected conversations by display id; see `SourceSnapshot.conversations`."""
        return self._conversations.conversations(scope, selection, since, chunk)

    def messages(
        self, scope: SourceFilter, selection: Selection, *, since: datetime | None = None, chunk: int = 500
    ) -> Iterator[list[SentMessage | BrokenRow]]:
        """Yield the selected public messages by conversation; see `SourceSnapshot.messages`."""
        return self._conversations.messages(scope, selection, since, chunk)

    def progress(
        self, scope: SourceFilter, selection: Selection, *, since: datetime | None = None, chunk: int = 2000
    ) -> Iterator[list[Progress | BrokenRow]]:
        """Yield how far conversations came by contact; see `SourceSnapshot.progress`."""
        return self._conversations.progress(scope, selection, since, chunk)

    @property
    def formula(self) -> str:
        """How the hashes of a diff are made."""
        return FORMULA

    def checksums(
        self, stream: Stream, scope: SourceFilter, *, since: datetime | None = None
    ) -> Iterator[BucketSum]:
        """Yield the checksums of all rows of `scope`, reading them all; see `SourceSnapshot.checksums`."""
        self.check(scope)
        return self._checksums.checksums(stream, scope, since)

    def hashes(
        self, stream: Stream, scope: SourceFilter, keys: Sequence[int], *, since: datetime | None = None
    ) -> dict[int, int]:
        """Return the hashes of those of `keys` that are in `scope`; see `SourceSnapshot.hashes`."""
        return self._checksums.hashes(stream, scope, since, keys)

    def there(self, stream: Stream, scope: SourceFilter, keys: Sequence[int]) -> set[int]:
        """Return those of `keys` that the account has; see `SourceSnapshot.there`."""
        return self._checksums.there(stream, scope, keys)

    # --- contacts ------------------------------------------------------------------------------

    def _contacts(
        self, scope: SourceFilter, selection: Selection, chunk: int
    ) -> Iterator[list[Contact | BrokenRow]]:
        with Spool() as spool:
            self._spool(spool, selection)
            for rows in spool.chunks(chunk):
                self._remember(rows)
                inside = [
                    row for row in rows if scope.inboxes is None or api_rows.inboxes_of(row) & scope.inboxes
                ]
                if inside:
                    yield [self._contact(row) for row in inside]
        cutoff = self._cutoff(selection) if isinstance(selection, ChangedSince) else None
        if isinstance(selection, Everything | ChangedSince) and cutoff is None:
            self._all_listed = True

    def _spool(self, spool: Spool, selection: Selection) -> None:
        match selection:
            case ByIds(ids):
                self._spool_ids(spool, sorted(ids))
            case ListedIds(chunks):
                self._spool_listed(spool, chunks)
            case Window(start, end):
                for key in ("created_at", "last_activity_at"):
                    for rows in self._filtered(key, start, end):
                        spool.put(row for row in rows if _within(row, key, start, end))
            case ChangedSince() if (cutoff := self._cutoff(selection)) is not None:
                for key in ("created_at", "last_activity_at"):
                    for rows in self._newest(key, cutoff):
                        spool.put(row for row in rows if not _before(key, cutoff, row))
            case _:
                self._spool_all(spool)

    def _spool_ids(self, spool: Spool, ids: Iterable[int]) -> None:
        for contact_id in ids:
            found = self.session.find(f"/contacts/{contact_id}")
            if found is not None:
                spool.put([self._one(found)])

    def _spool_listed(self, spool: Spool, chunks: Callable[[], Iterator[Sequence[int]]]) -> None:
        """Ask for each of few contacts, and list all of them where that takes fewer calls."""
        with Spool() as wanted:
            for keys in chunks():
                wanted.put({"id": key} for key in keys)
            count = self._list("created_at", 1).count or 0
            if len(wanted) > count / PAGE:
                with Spool() as everything:
                    self._spool_all(everything)
                    for rows in everything.chunks(PAGE):
                        kept = {one["id"] for one in wanted.of(row["id"] for row in rows)}
                        spool.put(row for row in rows if row["id"] in kept)
            for some in wanted.chunks(PAGE):
                ids = [one["id"] for one in some]
                listed = {row["id"] for row in spool.of(ids)}
                self._spool_ids(spool, (number for number in ids if number not in listed))

    def _spool_all(self, spool: Spool) -> None:
        for rows in read_all(self._walk, _ORDERS, "contacts", self._short):
            spool.put(rows)

    def _newest(self, key: str, cutoff: datetime) -> Iterator[list[Json]]:
        """Yield pages with all contacts whose `key` is not before `cutoff`, and some others."""
        before: list[Json] = []
        is_tied = False
        for rows in self._walk(f"-{key}").from_the_start(partial(_before, key, cutoff)):
            is_tied = is_tied or _tied(key, before, rows)
            before = rows
            yield rows
        if is_tied:
            yield from self._filtered(key, cutoff, self._read_at + _DAY)

    def _walk(self, sort: str) -> PageWalker:
        return PageWalker(lambda page: self._list(sort, page), PAGE)

    def _list(self, sort: str, page: int) -> Page:
        answer = self._page(self.session.get("/contacts", sort=sort, page=page))
        self._total = answer.count
        return answer

    def _filtered(self, key: str, start: datetime, end: datetime) -> Iterator[list[Json]]:
        """Filter by day (UTC): Chatwoot compares dates only, and leaves out the day it is given."""
        body = filter_body(
            (key, "is_greater_than", (start.astimezone(UTC) - _DAY).date().isoformat()),
            (key, "is_less_than", (end.astimezone(UTC) + _DAY).date().isoformat()),
        )

        def walk_by(sort: str) -> PageWalker:
            return PageWalker(
                lambda page: self._page(self.session.post("/contacts/filter", body, sort=sort, page=page)),
                PAGE,
            )

        yield from read_all(walk_by, _ORDERS, "contacts", self._short)

    def _page(self, answer: Any) -> Page:
        return Page(api_rows.listed(answer, self.session.where), api_rows.total(answer, "count"))

    def _one(self, answer: Any) -> Json:
        return api_rows.single(
            answer.get("payload") if isinstance(answer, dict) else None, self.session.where
        )

    def _contact(self, row: Json) -> Contact | BrokenRow:
        labels = ()
        if self._source.contact_labels:
            labels = (self.session.find(f"/contacts/{row['id']}/labels") or {}).get("payload") or ()
        return api_rows.contact(row, self._source.account_id, labels)

    def _cutoff(self, selection: ChangedSince) -> datetime | None:
        watermark = selection.watermark
        return watermark.read_at - OVERLAP if watermark is not None and watermark.lineage == LINEAGE else None

    # --- what conversations need ---------------------------------------------------------------

    @cached_property
    def _conversations(self) -> ApiConversations:
        return ApiConversations(
            self.session,
            self._read_at,
            self._cutoff,
            self._earlier_ids,
            {inbox.id: inbox.name for inbox in self._inboxes},
            self._source.parallel,
            self._short,
        )

    def _remember(self, rows: list[Json]) -> None:
        self._earlier.put({"id": row["id"], "texts": api_rows.earlier_ids_of(row)} for row in rows)

    def _earlier_ids(self, contact_id: int) -> tuple[str, ...]:
        known = self._earlier.of([contact_id])
        if not known and not self._all_listed:
            found = self.session.find(f"/contacts/{contact_id}")
            self._remember([{"id": contact_id} if found is None else self._one(found)])
            known = self._earlier.of([contact_id])
        return tuple(known[0]["texts"]) if known else ()

    @cached_property
    def _inboxes(self) -> list[Inbox]:
        answer = self.session.get("/inboxes")
        # For administrators an inbox carries its channel's secrets: only these three are taken.
        try:
            found = [
                Inbox(
                    one["id"], self._source.account_id, one.get("name") or "", one.get("channel_type") or ""
                )
                for one in answer["payload"]
            ]
        except (KeyError, TypeError):
            raise self._strange() from None
        return sorted(found, key=lambda inbox: inbox.id)

    def _require_account(self, account_id: int) -> None:
        known = [account for account in self.accounts() if account.id == self._source.account_id]
        if account_id != self._source.account_id or not known:
            raise UnknownAccount(account_id, self.accounts())

    def _warn_of_agents(self) -> None:
        if not self.sees_all and not self._warned:
            self._warned = True
            log.warning(
                "The access token is an agent's: conversations of inboxes that are not theirs are not seen."
            )

    def _strange(self) -> ChatwootApiUnreachable:
        return ChatwootApiUnreachable(self.session.where, "the answer has another form than Chatwoot 4's")


def _memberships(profile: Any, where: str) -> list[Json]:
    found = profile.get("accounts") if isinstance(profile, dict) else None
    if not isinstance(found, list) or not all(isinstance(one, dict) and "id" in one for one in found):
        raise ChatwootApiUnreachable(where, "the answer is not a Chatwoot user's profile")
    return found


def _tied(key: str, before: list[Json], rows: list[Json]) -> bool:
    """Tell whether several rows of one moment stand on both sides of a page's edge, as an import leaves them.

    In which order they come is then another matter for each page: some come twice and others never.
    """
    if not before or not rows:
        return False
    at = moment(rows[0].get(key))
    if moment(before[-1].get(key)) != at:
        return False
    return sum(moment(row.get(key)) == at for row in (*before, *rows)) >= _TIED


def _before(key: str, cutoff: datetime, row: Json) -> bool:
    at = moment(row.get(key))
    return at is None or at < cutoff - _SECOND


def _within(row: Json, key: str, start: datetime, end: datetime) -> bool:
    at = moment(row.get(key))
    return at is not None and start - _SECOND < at < end
