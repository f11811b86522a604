"""What happens in every world of the matrix, told truthfully or not: a small Chatwoot, its Krayin, their people."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
from chatwoot.errors import ChatwootError
from krayin.errors import KrayinError
from reconciliation.admin.approval import answer, ask
from reconciliation.drift.request import ReconcileRequest
from reconciliation.drift.run import compare, repair
from reconciliation.errors import ReconciliationError
from reconciliation.run.request import RunRequest
from reconciliation.store.run_rows import RunKind

from sandbox.chatwoot import changes, conversations
from sandbox.krayin.testing import running_krayin
from tests.reconciliation.another_krayin import WRITES
from tests.reconciliation.world import ACCOUNT, World, api_world, reading_role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PEOPLE = 16
TALKING = (1, 2, 5, 6)
LONG_AGO = datetime.now(UTC) - timedelta(days=3)
ANYTHING_GOES = {
    "max_changes_without_approval": {"number": 100_000, "share": 1.0},
    "max_removals_without_approval": {"number": 100_000, "share": 1.0},
}
"""Nobody is asked: what a look gets wrong is not caught by the guard."""
ATTRIBUTES = [
    {"code": "tier", "name": "Tier", "type": "text", "entity_type": "persons"},
    {"code": "vip", "name": "VIP", "type": "boolean", "entity_type": "persons"},
]
# What a run may say instead of working: each of these is shown to people in a sentence.
SAID = (ChatwootError, KrayinError, ReconciliationError)


@dataclass
class Rewriting(httpx.BaseTransport):
    """Stands between a sync and Chatwoot's API; `rewrite` answers in its place where it likes to."""

    rewrite: Callable[[httpx.Request, httpx.Response], httpx.Response | None] | None = None
    _wire: httpx.HTTPTransport = field(default_factory=httpx.HTTPTransport)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answered = self._wire.handle_request(request)
        if self.rewrite is None:
            return answered
        answered.read()
        plain = httpx.Response(
            answered.status_code,
            headers={name: value for name, value in answered.headers.items() if name != "content-encoding"},
            content=answered.content,
            request=request,
        )
        return self.rewrite(request, plain) or plain


@dataclass
class Watched(httpx.BaseTransport):
    """Between the sync and Krayin: `after_write` happens once, right after the next call that changes something."""

    after_write: Callable[[], object] | None = None
    _wire: httpx.HTTPTransport = field(default_factory=httpx.HTTPTransport)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answered = self._wire.handle_request(request)
        if self.after_write is not None and request.method in WRITES:
            answered.read()
            happens, self.after_write = self.after_write, None
            happens()
        return answered


@dataclass
class Scenario:
    """A world and what happens in it; `krayin` is the way to Krayin, `wire` is there where Chatwoot is read by its API.

    `told` are the contacts whose webhooks no run has taken yet, `said` is what runs said instead of working, and
    `kept` what the lie of the world needs to remember.
    """

    world: World
    krayin: Watched
    wire: Rewriting | None
    told: set[int] = field(default_factory=set)
    said: list[str] = field(default_factory=list)
    kept: dict[str, Any] = field(default_factory=dict)

    # --- Chatwoot and its people -------------------------------------------------------------

    def add(self, number: int) -> int:
        return self.world.add(
            name=f"Person {number}",
            email=f"person{number}@example.com",
            phone_number=f"+4930{1000000 + number}",
            custom_attributes={"tier": "gold"},
        )

    def begin(self, *, load: bool = True) -> None:
        """Fill Chatwoot and bring it over."""
        self.world.krayin.seed(
            persons=[{"name": "Foreign", "emails": [{"value": "foreign@other.example", "label": "work"}]}],
            attributes=ATTRIBUTES,
        )
        with psycopg.connect(self.world.chatwoot_url, autocommit=True) as connection:
            (inbox,) = connection.execute(
                "SELECT min(id) FROM inboxes WHERE account_id = 1 AND channel_type = 'Channel::WebWidget'"
            ).fetchone() or (0,)
            for number in range(1, PEOPLE + 1):
                assert self.add(number) == number
                changes.link_inbox(connection, number, inbox, f"source{number}")
            for number in TALKING:
                at = LONG_AGO + timedelta(minutes=number)
                talk = conversations.add_conversation(connection, number, inbox, created_at=at)
                for word in ("Hello", "Is anybody there?"):
                    conversations.add_message(connection, talk, word, created_at=at)
        if load:
            self.ordinary()
        # What is made from now on is made at another second.
        self.world.krayin.advance(5)

    def salespeople(self) -> None:
        """What only Krayin knows, and nothing of ours may touch."""
        persons = {one["name"]: one["id"] for one in self.world.persons()}
        leads = {one["title"]: one["id"] for one in self.world.leads()}
        self.world.api("PUT", f"leads/stage/edit/{leads['Person 7']}", {"lead_pipeline_stage_id": 3})
        self.world.api("PUT", f"leads/attributes/edit/{leads['Person 8']}", {"title": "Big deal"})
        self.world.krayin.edit(persons=[{"id": persons["Person 9"], "job_title": "Boss"}])

    def news(self, *, deleting: bool = True) -> None:
        """First news: somebody new, somebody renamed, somebody deleted."""
        self.told.add(self.add(PEOPLE + 1))
        self.change(3, "Renamed once")
        if deleting:
            self.delete(4)

    def more_news(self, *, deleting: bool = True) -> None:
        """Later news, of others and of the same."""
        self.told.add(self.add(PEOPLE + 2))
        self.change(3, "Renamed twice")
        self.change(14, "Renamed fourteen")
        self.change(10, "Renamed ten")
        if deleting:
            self.delete(11)

    def change(self, number: int, name: str) -> None:
        self.world.change(number, name=name)
        self.told.add(number)

    def delete(self, number: int) -> None:
        with psycopg.connect(self.world.chatwoot_url, autocommit=True) as connection:
            changes.delete_contact(connection, number)
            changes.finish_deletion(connection, number)

    # --- what the sync does ------------------------------------------------------------------

    def attempt(self, work: Callable[[], object]) -> bool:
        """Do something that may be refused in a sentence; a traceback fails the test."""
        with psycopg.connect(self.world.sync_url, autocommit=True) as connection:
            # So much time has passed that whatever waits is due.
            connection.execute("UPDATE krayin_sync.operation SET next_attempt_at = now()")
        try:
            work()
        except SAID as refused:
            self.said.append(str(refused))
            return False
        return True

    def webhooks(self) -> None:
        """What was told by webhook, told again until a run has taken it."""
        request = RunRequest(kind=RunKind.EVENTS, contact_ids=frozenset(self.told))
        if self.told and self.attempt(lambda: self.world.run(request)):
            self.told.clear()

    def ordinary(self) -> None:
        """A day: a scheduled run, the webhooks, the comparison."""
        self.attempt(self.world.run)
        self.webhooks()
        self.attempt(lambda: self.world.compared(repairing=None))

    def planned(self) -> list[Callable[[], object]]:
        """Plan a run and a comparison; return their loadings."""
        sync = self.world.sync()
        run_id = sync.plan(RunRequest())
        compared = compare(sync, ReconcileRequest(depth="full"))
        self.told.clear()
        return [lambda: self.world.sync().load(run_id), lambda: repair(self.world.sync(), compared)]

    # --- the person who is asked -------------------------------------------------------------

    def reply(self, *, approved: bool) -> int:
        """Answer what is asked, if anything is; return how many questions that were."""
        with psycopg.connect(self.world.sync_url, autocommit=True) as connection:
            question = ask(connection, "test", "a run")
            if question is None:
                return 0
            answer(connection, question.approval_id, approved=approved, decided_by="ada")
            return 1

    def open_matters(self) -> list[Any]:
        """What is left for a person or a later run."""
        return [
            *self.world.kinds(),
            *self.world.rows(
                "SELECT state, source_kind, source_id, error_class FROM operation"
                " WHERE state IN ('planned', 'in_flight', 'unknown', 'held', 'quarantined')"
            ),
            *self.world.rows("SELECT state FROM approval WHERE state IN ('open', 'asked')"),
        ]

    def told_people(self) -> list[Any]:
        """All that tells a person that something is not as it should be."""
        findings = self.world.rows("SELECT class FROM finding WHERE state <> 'repaired'")
        refused = self.world.rows("SELECT source_id, error_message FROM operation WHERE state = 'rejected'")
        messages = self.world.rows("SELECT message FROM sync_run WHERE message IS NOT NULL")
        return [*self.open_matters(), *self.said, *findings, *refused, *messages]


@contextmanager
def a_scenario(
    chatwoot_url: str, sync_url: str, version: str, source: str, settings: Mapping[str, Any]
) -> Iterator[Scenario]:
    """A Chatwoot database and a sync database, both fresh, with a stand-in of a version between them."""
    chatwoot = {"account_id": ACCOUNT, "source": source}
    keys = {
        "chatwoot": chatwoot,
        "sync_conversations": True,
        "sync_messages": True,
        "custom_fields": {"person": {"tier": "tier"}},
        **settings,
    }
    watched = Watched()
    options = {"options": {"transport": watched}}
    with running_krayin(version=version) as krayin:
        if source == "api":
            with api_world(chatwoot_url, sync_url, krayin, **keys) as world:
                world.transport = wire = Rewriting()
                world.access_options = options
                yield Scenario(world, watched, wire)
        else:
            with reading_role(chatwoot_url) as reader:
                yield Scenario(World(chatwoot_url, sync_url, krayin, keys, options, reader), watched, None)
