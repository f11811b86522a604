"""Chatwoot read through its REST API, where its database cannot be reached."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from chatwoot.api import contacts
from chatwoot.api.access import HttpOptions
from chatwoot.api.checksums import FORMULA, bucket_sums, row_hash
from chatwoot.api.contacts import LINEAGE, ApiContacts
from chatwoot.api.conversations import PAGE, ApiConversations
from chatwoot.api.pages import PagedList
from chatwoot.api.rows import strange
from chatwoot.api.scope import ApiScope
from chatwoot.api.session import REQUESTS_PER_MINUTE, ApiSession
from chatwoot.api.spool import Spool
from chatwoot.errors import ChatwootApiRefused, ChatwootApiUnreachable, UnknownAccount, UnknownInbox
from chatwoot.records import Account, Inbox, OutOfScope
from chatwoot.source import Everything, SourceFilter, Vouch, Watermark
from chatwoot.streams import Stream
from chatwoot.versions import Version, version_of_api

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    import httpx

    from chatwoot.api.rows import Json
    from chatwoot.source import Row, Selection
    from chatwoot.streams import BucketSum

log = logging.getLogger(__name__)

PARALLEL = 4
_CHUNK = 500


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
        http: how calls are made: certificates, proxies, further headers.
    """

    base_url: str
    token: str = field(repr=False)
    account_id: int
    installation: str | None = None
    requests_per_minute: int = REQUESTS_PER_MINUTE
    parallel: int = PARALLEL
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

    formula = FORMULA

    def __init__(
        self, source: ApiSource, session: ApiSession, memberships: list[Json], read_at: datetime
    ) -> None:
        self._source = source
        self.session = session
        self.read_at = read_at
        self._memberships = memberships
        self._warned = False
        self._short: list[str] = []
        self._contacts = ApiContacts(session, read_at, self._short)
        self._hashed: dict[tuple[Stream, SourceFilter, datetime | None], Spool] = {}

    def close(self) -> None:
        """Forget what was kept for comparisons and for conversations."""
        self._contacts.close()
        while self._hashed:
            self._hashed.popitem()[1].close()

    @property
    def installation(self) -> str:
        """The name given to the source, else the address."""
        return self._source.installation or self.session.where

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
        return Vouch(LINEAGE, narrow=agents, passing=tuple(self._short), contacts=self._contacts.listed.count)

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

    def watermark(self, _: Stream, __: Selection | None = None, ___: SourceFilter | None = None) -> Watermark:
        """Return when this reading began: an API has no other mark."""
        return Watermark.of("", LINEAGE, self.read_at)

    def looks_exactly(self, _: Stream, __: SourceFilter, ___: Watermark, ____: float) -> bool:
        """Return True: an API is always looked at in the same way."""
        return True

    def tells_since(self, _: Stream, watermark: Watermark, __: SourceFilter | None = None) -> bool:
        """Tell whether a watermark is an API's: what is new or was active since is given, no other edits."""
        return contacts.tells_since(watermark)

    def rows(
        self,
        stream: Stream,
        scope: SourceFilter,
        selection: Selection,
        *,
        since: datetime | None = None,
        chunk: int = _CHUNK,
    ) -> Iterator[Sequence[Row]]:
        """Yield the selected records of a stream, messages by conversation; see `SourceSnapshot.rows`."""
        if chunk < 1:
            msg = f"chunk must be 1 or more, not {chunk}"
            raise ValueError(msg)
        self.check(scope)
        if stream is Stream.CONTACTS:
            return self._contacts.rows(scope, selection, chunk, self._judge)
        return self._conversations.rows(stream, scope, selection, since, chunk)

    def checksums(
        self, stream: Stream, scope: SourceFilter, *, since: datetime | None = None
    ) -> Iterator[BucketSum]:
        """Yield the checksums of all rows of `scope`, reading them all; see `SourceSnapshot.checksums`."""
        self.check(scope)
        return bucket_sums(
            (row["id"], row["hash"])
            for rows in self._hashes(stream, scope, since).chunks(_CHUNK)
            for row in rows
        )

    def hashes(
        self, stream: Stream, scope: SourceFilter, keys: Sequence[int], *, since: datetime | None = None
    ) -> dict[int, int]:
        """Return the hashes of those of `keys` that are in `scope`; see `SourceSnapshot.hashes`."""
        return {row["id"]: row["hash"] for row in self._hashes(stream, scope, since).of(keys)}

    def there(self, stream: Stream, scope: SourceFilter, keys: Sequence[int]) -> set[int]:
        """Return those of `keys` that the account has; each is asked for, as lists may lack rows."""
        find, has = self.session.find, self.session.has
        match stream:
            case Stream.CONTACTS | Stream.CONVERSATIONS:
                return {key for key in keys if has(f"/{stream}/{key}")}
            case _ if not self.sees_all:
                # What an agent does not see may be there all the same.
                return set(keys)
            case Stream.PROGRESS:
                talked = {key: find(f"/contacts/{key}/conversations") for key in keys}
                return {key for key, answer in talked.items() if answer and answer.get("payload")}
            case Stream.MESSAGES:
                # A message cannot be asked for: all are read anew, whatever their inbox.
                read = self.rows(stream, SourceFilter(scope.account_id), Everything())
                return {row.key for chunk in read for row in chunk}.intersection(keys)

    def addressed(self, scope: SourceFilter, emails: Sequence[str], phones: Sequence[str]) -> set[int]:
        """Return the contacts with one of these addresses; see `SourceSnapshot.addressed`."""
        self._require_account(scope.account_id)
        return self._contacts.addressed(emails, phones)

    def newest(self, scope: SourceFilter, number: int) -> set[int]:
        """Return the contacts that were made last; see `SourceSnapshot.newest`."""
        self.check(scope)
        return self._contacts.newest(scope, number)

    def _hashes(self, stream: Stream, scope: SourceFilter, since: datetime | None) -> Spool:
        """Return the hashes of all rows, read once and kept until `close`."""
        key = (stream, scope, since)
        if key not in self._hashed:
            spool = Spool()
            try:
                for records in self.rows(stream, scope, Everything()):
                    spool.put(
                        {"id": one.key, "hash": row_hash(one, since)}
                        for one in records
                        if not isinstance(one, OutOfScope)
                    )
            except BaseException:
                # Half of it would say that the other half is gone.
                spool.close()
                raise
            self._hashed[key] = spool
        return self._hashed[key]

    @cached_property
    def _conversations(self) -> ApiConversations:
        return ApiConversations(
            self._contacts,
            PagedList(self.session, "/conversations", PAGE, "all_count"),
            {inbox.id: inbox.name for inbox in self._inboxes},
            self._source.parallel,
            self._judge,
        )

    @cached_property
    def _judge(self) -> ApiScope:
        return ApiScope(
            self.session,
            lambda: {inbox.id: inbox.channel_type for inbox in self._inboxes},
            self._contacts.labelled,
            # They ask for each other.
            lambda contact_id: self._conversations.of_contact(contact_id),  # noqa: PLW0108
            lambda: self._conversations.all(),  # noqa: PLW0108
        )

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
            raise strange(self.session.where) from None
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


def _memberships(profile: Any, where: str) -> list[Json]:
    found = profile.get("accounts") if isinstance(profile, dict) else None
    if not isinstance(found, list) or not all(isinstance(one, dict) and "id" in one for one in found):
        raise ChatwootApiUnreachable(where, "the answer is not a Chatwoot user's profile")
    return found
