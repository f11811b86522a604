"""What a look by index finds, what it leaves to an exact look, and that between them nothing is missed."""

from __future__ import annotations

import random
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from chatwoot.database import written
from chatwoot.database.written import KEPT_KEYS, bounds, note_keys
from chatwoot.errors import SnapshotInterrupted
from chatwoot.source import ChangedSince, ExactLook, SourceFilter, Watermark
from chatwoot.streams import Stream

from sandbox.chatwoot import changes, conversations
from tests.chaos.seed import SEED
from tests.soak import SOAK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatwoot.database.source import DatabaseSource
    from psycopg import Connection

ACCOUNT = SourceFilter(1)
NOW = datetime(2026, 5, 5, 12, tzinfo=UTC)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
CONTACTS, MESSAGES, CONVERSATIONS = Stream.CONTACTS, Stream.MESSAGES, Stream.CONVERSATIONS


def look(
    source: DatabaseSource, stream: Stream, mark: Watermark, *, exact: bool = False
) -> tuple[list[int], Watermark]:
    """Return the keys of what changed since a mark, and the next mark."""
    selection = ChangedSince(mark, exact=exact)
    with source.snapshot() as snapshot:
        assert exact or not snapshot.looks_exactly(stream, ACCOUNT, _just_looked(mark), 0.01)
        keys = [one.key for chunk in snapshot.rows(stream, ACCOUNT, selection) for one in chunk]
        return keys, snapshot.watermark(stream, selection)


def _just_looked(mark: Watermark) -> Watermark:
    """Return the mark as of an exact look a moment ago that took an hour."""
    return replace(mark, exact=replace(mark.exact, read_at=mark.read_at, seconds=3600.0))


def mark_of(source: DatabaseSource, stream: Stream) -> Watermark:
    with source.snapshot() as snapshot:
        return snapshot.watermark(stream)


@pytest.fixture(autouse=True)
def _no_slack(monkeypatch: pytest.MonkeyPatch) -> None:
    # Nobody else draws ids here, and a few rows would all lie within it.
    monkeypatch.setattr(written, "SLACK", 0)


@pytest.fixture
def ada(chatwoot: Connection[Any], website: int) -> int:
    # Not active lately.
    return changes.add_contact(chatwoot, 1, inbox_id=website, name="Ada", email="ada@example.com")


class TestContacts:
    def test_who_is_new_or_was_active_or_got_a_label_or_an_inbox_is_found(
        self, chatwoot: Connection[Any], source: DatabaseSource, ada: int, website: int
    ) -> None:
        mark = mark_of(source, CONTACTS)
        assert look(source, CONTACTS, mark)[0] == []
        grace = changes.add_contact(chatwoot, 1, created_at=LONG_AGO, name="Grace")
        found, mark = look(source, CONTACTS, mark)
        assert found == [grace]
        chatwoot.execute("UPDATE contacts SET last_activity_at = now() WHERE id = %s", (ada,))
        found, mark = look(source, CONTACTS, mark)
        assert found == [ada]
        changes.label_contact(chatwoot, grace, "vip")
        found, mark = look(source, CONTACTS, mark)
        assert found == [grace]
        changes.link_inbox(chatwoot, grace, website, "grace")
        found, mark = look(source, CONTACTS, mark)
        assert found == [grace]
        assert look(source, CONTACTS, mark)[0] == []

    def test_a_quiet_edit_is_left_to_the_next_exact_look_which_finds_it(
        self, chatwoot: Connection[Any], source: DatabaseSource, ada: int
    ) -> None:
        mark = mark_of(source, CONTACTS)
        chatwoot.execute("UPDATE contacts SET name = 'Ada L.' WHERE id = %s", (ada,))
        found, mark = look(source, CONTACTS, mark)
        assert found == []
        found, mark = look(source, CONTACTS, mark)
        assert found == []
        found, mark = look(source, CONTACTS, mark, exact=True)
        assert found == [ada]
        assert look(source, CONTACTS, mark, exact=True)[0] == []


class TestConversations:
    def test_a_message_or_a_log_line_leads_to_its_conversation(
        self, chatwoot: Connection[Any], source: DatabaseSource, ada: int, website: int
    ) -> None:
        talk = conversations.add_conversation(chatwoot, ada, website, created_at=LONG_AGO)
        mark = mark_of(source, CONVERSATIONS)
        conversations.add_message(chatwoot, talk, "Ada resolved this", message_type=2, created_at=LONG_AGO)
        found, mark = look(source, CONVERSATIONS, mark)
        assert found == [talk]
        first = conversations.add_message(chatwoot, talk, "one", created_at=LONG_AGO)
        assert look(source, MESSAGES, mark)[0] == [first]
        assert look(source, Stream.PROGRESS, mark)[0] == [ada]
        found, mark = look(source, CONVERSATIONS, mark)
        conversations.add_attachment(chatwoot, first, "a.png", "image/png", 1)
        assert look(source, MESSAGES, mark)[0] == [first]
        assert look(source, CONVERSATIONS, mark)[0] == [talk]

    def test_edits_of_late_messages_are_found_those_of_old_ones_are_left(
        self, chatwoot: Connection[Any], source: DatabaseSource, ada: int, website: int
    ) -> None:
        talk = conversations.add_conversation(chatwoot, ada, website, created_at=LONG_AGO)
        old = conversations.add_message(chatwoot, talk, "old", created_at=LONG_AGO)
        late = conversations.add_message(chatwoot, talk, "late", created_at=datetime.now(UTC))
        conversations.add_message(chatwoot, talk, "newest", created_at=LONG_AGO)
        mark = mark_of(source, MESSAGES)
        chatwoot.execute("UPDATE messages SET content = 'x' WHERE id = ANY(%s)", ([old, late],))
        found, mark = look(source, MESSAGES, mark)
        assert found == [late]
        assert look(source, MESSAGES, mark, exact=True)[0] == [old, late]


class TestKeys:
    """Which ids bound a look, by the snapshots of earlier readings."""

    def test_a_reading_bounds_the_next_look_once_whoever_wrote_then_has_ended(self) -> None:
        first = note_keys({}, {"messages": 5000}, "90:100:90")
        mark = Watermark.of("90:100:90", "c/1/5", NOW, keys=first)
        # Transaction 90 may have drawn any id.
        assert bounds(mark, ["messages"]) is None
        second = note_keys(first, {"messages": 9000}, "100:130:101")
        mark = replace(mark, snapshot="100:130:101", keys=second)
        assert bounds(mark, ["messages"]) == {"messages": 5000}
        assert bounds(mark, ["messages", "contacts"]) is None

    def test_few_are_kept_and_the_one_that_counts_is_among_them(self) -> None:
        keys = note_keys({}, {"messages": 1}, "10:10:")
        for number in range(100):
            keys = note_keys(keys, {"messages": number + 2}, f"11:{number + 20}:11")
        assert keys["messages"][0] == [10, 1]
        assert len(keys["messages"]) == 1 + KEPT_KEYS
        assert note_keys(keys, {"messages": 200}, "500:500:")["messages"] == [[500, 200]]


def test_an_open_transaction_of_the_time_of_a_mark_is_not_slipped_under(
    chatwoot: Connection[Any], source: DatabaseSource
) -> None:
    mark = mark_of(source, CONTACTS)
    with psycopg.connect(source.conninfo) as late:
        low = changes.add_contact(late, 1, name="Low", last_activity_at=LONG_AGO)
        high = changes.add_contact(chatwoot, 1, name="High")
        found, mark = look(source, CONTACTS, mark)
        assert found == [high]
        # Read again while the other one is open: it began before both.
        found, mark = look(source, CONTACTS, mark)
        assert found == [high]
    found, mark = look(source, CONTACTS, mark)
    assert found == [low, high]


class TestHowOften:
    @pytest.mark.parametrize(
        ("seconds", "minutes", "due"),
        [
            (None, 0, True),
            (0.3, 0, True),
            (5.9, 10, True),
            (6.1, 10, False),
            (40.0, 66, False),
            (40.0, 67, True),
        ],
    )
    def test_as_often_as_a_share_of_the_time_allows(
        self, seconds: float | None, minutes: int, due: bool
    ) -> None:
        mark = Watermark("1:1:", "c/1/5", NOW, ExactLook("1:1:", NOW, seconds))
        assert mark.is_exact_due(NOW + timedelta(minutes=minutes), 0.01) is due

    def test_over_a_day_it_keeps_below_its_ceiling(self) -> None:
        mark, spent = Watermark.of("1:1:", "c/1/5", NOW), 0.0
        for run in range(1, 144):
            now = NOW + timedelta(minutes=10 * run)
            if mark.is_exact_due(now, 0.01):
                mark, spent = replace(mark, exact=ExactLook("1:1:", now, 40.0)), spent + 40
        assert spent <= 0.01 * 86_400

    def test_a_table_is_read_once_for_all_streams_and_its_time_is_kept(
        self, chatwoot: Connection[Any], source: DatabaseSource, ada: int, website: int
    ) -> None:
        talk = conversations.add_conversation(chatwoot, ada, website, created_at=LONG_AGO)
        mark = mark_of(source, MESSAGES)
        said = conversations.add_message(chatwoot, talk, "one", created_at=LONG_AGO)
        with source.snapshot() as snapshot:
            copied: list[str] = []
            copy = snapshot._copied

            def noting(name: str, parameters: Any) -> Any:
                copied.append(name)
                return copy(name, parameters)

            snapshot._copied = noting  # type: ignore[method-assign]
            for stream in (CONVERSATIONS, MESSAGES, Stream.PROGRESS):
                assert snapshot.looks_exactly(stream, ACCOUNT, mark, 0.01)
                list(snapshot.rows(stream, ACCOUNT, ChangedSince(mark)))
            after = [snapshot.watermark(stream, ChangedSince(mark)) for stream in (CONVERSATIONS, MESSAGES)]
        assert copied.count("written/messages") == copied.count("written/conversations") == 1
        assert after[0].exact == after[1].exact
        assert after[0].exact.seconds
        assert said

    def test_one_that_the_server_breaks_off_is_put_off(
        self, source: DatabaseSource, ada: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mark = mark_of(source, CONTACTS)
        with source.snapshot() as snapshot:

            def broken(*_: Any) -> Any:
                where = "here"
                raise SnapshotInterrupted(where, "57014", "canceling statement due to statement timeout")

            with monkeypatch.context() as patch:
                patch.setattr(snapshot, "_copied", broken)
                assert not snapshot.looks_exactly(CONTACTS, ACCOUNT, mark, 1)
                unbounded = replace(mark, keys={})
                with pytest.raises(SnapshotInterrupted):
                    snapshot.looks_exactly(CONTACTS, ACCOUNT, unbounded, 1)
            snapshot._written = None
            assert snapshot.looks_exactly(CONTACTS, ACCOUNT, mark, 1)
        assert ada


def test_an_earlier_version_s_mark_counts_as_an_exact_look() -> None:
    stored = {"snapshot": "755:760:755", "lineage": "c/1/5", "read_at": "2026-05-05T14:00:00+02:00"}
    mark = Watermark.from_json(stored)
    assert mark == Watermark.of("755:760:755", "c/1/5", NOW)
    assert mark.read_at.tzinfo is UTC
    assert Watermark.from_json(mark.to_json()) == mark


@pytest.mark.parametrize("seed", range(SEED, SEED + (60 if SOAK else 4)))
def test_whoever_writes_how_nothing_is_missed(
    chatwoot: Connection[Any], source: DatabaseSource, website: int, seed: int
) -> None:
    """New rows are in the first look after their commit; whatever else was written is in the next exact one."""
    dice = random.Random(seed)
    old = [
        changes.add_contact(chatwoot, 1, inbox_id=website, name=f"old {one}", last_activity_at=LONG_AGO)
        for one in range(5)
    ]
    mark = mark_of(source, CONTACTS)
    owed: dict[int, bool] = {}
    """Contacts written since they were found, and whether an index leads to them."""
    with ExitStack() as stack:
        writers: list[tuple[psycopg.Connection[Any], dict[int, bool]]] = [
            (stack.enter_context(psycopg.connect(source.conninfo)), {}) for _ in range(4)
        ]
        for _ in range(60):
            writer, pending = dice.choice(writers)
            match dice.randrange(6):
                case 0 | 1:
                    pending[changes.add_contact(writer, 1, name="new", last_activity_at=LONG_AGO)] = True
                case 2:
                    # As an importer does that keeps the ids it found.
                    low = -dice.randrange(1, 2**31)
                    columns = {"id": low, "created_at": LONG_AGO, "updated_at": LONG_AGO}
                    pending[changes.add_contact(writer, 1, name="imported", **columns)] = False
                case 3:
                    quiet = dice.choice(old)
                    if all(quiet not in theirs for _, theirs in writers):
                        writer.execute("UPDATE contacts SET name = name || '.' WHERE id = %s", (quiet,))
                        pending[quiet] = False
                case 4:
                    writer.commit()
                    owed |= pending
                    pending.clear()
                case _:
                    exact = dice.random() < 0.3
                    found, mark = _next(source, mark, exact=exact)
                    missed = {one for one, is_indexed in owed.items() if exact or is_indexed} - {*found}
                    assert not missed
                    owed = {one: is_indexed for one, is_indexed in owed.items() if one not in found}
        for writer, pending in writers:
            writer.commit()
            owed |= pending
    assert not {*owed} - {*_next(source, mark, exact=True)[0]}


def _next(source: DatabaseSource, mark: Watermark, *, exact: bool) -> tuple[Sequence[int], Watermark]:
    with source.snapshot() as snapshot:
        due = replace(mark, exact=replace(mark.exact, seconds=None))
        exact = snapshot.looks_exactly(CONTACTS, ACCOUNT, due if exact else _just_looked(mark), 0.01)
        selection = ChangedSince(mark, exact=exact)
        keys = [one.key for chunk in snapshot.rows(CONTACTS, ACCOUNT, selection) for one in chunk]
        return keys, snapshot.watermark(CONTACTS, selection)
