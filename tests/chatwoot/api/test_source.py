"""The API tells what the database tells, but for what Chatwoot does not show there."""

from __future__ import annotations

import dataclasses
import json
import logging
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest
from chatwoot.api.rows import message, moment
from chatwoot.api.source import ApiSource
from chatwoot.database.source import DatabaseSource
from chatwoot.errors import ChatwootApiRefused, ChatwootApiUnreachable, UnknownAccount, UnknownInbox
from chatwoot.records import Author, BrokenRow
from chatwoot.source import (
    ByIds,
    ChangedSince,
    Everything,
    ListedIds,
    SourceFilter,
    Watermark,
    Window,
)
from chatwoot.streams import Stream

from sandbox.chatwoot import changes, conversations
from sandbox.chatwoot.insertion import insert_row
from sandbox.chatwoot.sample import Sample, fill
from sandbox.chatwoot.schema import create_schema
from sandbox.chatwoot_api.errors import AnsweredError
from sandbox.chatwoot_api.testing import running_chatwoot_api

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg import Connection

    from sandbox.chatwoot_api.testing import RunningChatwootApi

ALL = SourceFilter(1)
TALK = ("conversations", "messages", "progress")

# --- what the API does not tell: the same table stands in docs/chatwoot-api.md -----------------
SECONDS = "whole seconds"
ABSENT = "not told"
GAPS = {
    "contacts.created_at": SECONDS,
    "contacts.last_activity_at": SECONDS,
    "contacts.updated_at": ABSENT,
    "contacts.last_name": ABSENT,
    "contacts.middle_name": ABSENT,
    "contacts.contact_type": ABSENT,
    "contacts.location": ABSENT,
    "contacts.country_code": ABSENT,
    "contacts.labels": ABSENT,
    "conversations.id": ABSENT,
    "conversations.created_at": SECONDS,
    "conversations.messages.created_at": SECONDS,
    "conversations.messages.author": "campaign",
    "messages.message.created_at": SECONDS,
    "messages.message.author": "campaign",
    "progress.created_at": SECONDS,
    "progress.responded_at": SECONDS,
    "progress.resolved_at": SECONDS,
}


def mail(text: str = "", html: str = "", full: str = "", subject: str | None = "Order 17") -> dict[str, Any]:
    parts = {
        "text_content": {"reply": text, "full": text or full},
        "html_content": {"reply": html, "full": html},
    }
    return {"email": {"subject": subject, **parts}}


# Content, content type and attributes of messages that say more than their content.
TAKEN_APART: list[tuple[str | None, int, Any]] = [
    ("Yes", 8, mail("Yes")),
    ("Yes\n> No", 8, mail("Yes")),
    (None, 8, mail(html="<p>Only <b>HTML</b></p>")),
    ("  ", 8, mail(full=" Whole ")),
    ("x", 8, mail(f"<style>{'a' * 70_000}</style><!-- b -->c", subject="s" * 2_000)),
    ("x", 8, mail("y" * 70_000, subject=None)),
    ("Odd", 8, {"email": "text"}),
    ("Odd", 8, {"email": {"subject": None, "text_content": []}}),
    ("Choose", 4, {"items": [{"title": "A", "value": None}], "submitted_values": [{"title": "A"}]}),
    ("Too much", 5, {"items": [{"title": "x" * 30_000}]}),
    ("Voice Call", 12, {"data": {"status": "completed", "duration_seconds": 65}}),
    (None, 11, {}),
    ("Mail", 3, {"submitted_email": "ada@example.com"}),
    ("\N{THUMBS UP SIGN}", 0, {"is_reaction": True, "in_reply_to": 4}),
    ("Odd", 0, {"items": "many", "data": [None, {"a": None}]}),
]


@pytest.fixture(scope="module")
def sample_url(new_database: Callable[..., str]) -> str:
    url = new_database("chatwoot")
    with psycopg.connect(url, autocommit=True) as connection:
        create_schema(connection)
        fill(connection, Sample(contacts=120, conversations=90, messages=700))
        decorate(connection)
    return url


def decorate(connection: Connection[Any]) -> None:
    """Add what a sample lacks: files, a long talk, a bot's, an automation's, AI's and a campaign's message."""
    row = connection.execute(
        "SELECT talk.id, talk.contact_id, message.id FROM conversations AS talk JOIN messages AS message "
        "ON message.conversation_id = talk.id WHERE talk.account_id = 1 AND message.message_type = 0 "
        "ORDER BY message.id LIMIT 1"
    ).fetchone()
    assert row is not None
    talk, contact, first = row
    conversations.add_attachment(connection, first, "Rechnung März 1.pdf", "application/pdf", 4_096)
    agent = conversations.agent_named(connection, "Ada Brandt")
    outgoing: dict[str, Any] = {"message_type": 1}
    by_agent = {**outgoing, "sender_type": "User", "sender_id": agent}
    say = conversations.add_message
    say(connection, talk, "By a rule", content_attributes={"automation_rule_id": 4}, **by_agent)
    say(connection, talk, "From the phone", content_attributes={"external_echo": True}, **outgoing)
    say(connection, talk, "Nobody's", **outgoing)
    assistant = insert_row(
        connection,
        "captain_assistants",
        {
            "name": "Captain",
            "account_id": 1,
            "created_at": datetime.now(UTC),
            "updated_at": datetime.now(UTC),
        },
    )
    say(connection, talk, "AI's", sender_type="Captain::Assistant", sender_id=assistant, **outgoing)
    say(connection, talk, "Campaign's", additional_attributes={"campaign_id": 1}, **by_agent)
    say(connection, talk, "x" * 70_000, content_type=8)
    say(connection, talk, "Failed", status=3, **by_agent)
    for content, content_type, attributes in TAKEN_APART:
        say(connection, talk, content, content_type=content_type, content_attributes=attributes)
    answer = {"submitted_values": {"csat_survey_response": {"rating": 4, "feedback_message": "Fine"}}}
    say(connection, talk, "Secret: rate us", message_type=3, content_type=9, content_attributes=answer)
    say(connection, talk, "Secret: rate us", message_type=3, content_type=9)
    say(connection, talk, "Secret", private=True, **by_agent)
    mailbox = connection.execute(
        "SELECT id FROM inboxes WHERE account_id = 1 AND channel_type = 'Channel::Email'"
    ).fetchone()
    assert mailbox is not None
    mail = conversations.add_conversation(
        connection, contact, mailbox[0], priority=3, additional_attributes={"mail_subject": "Hello"}
    )
    say(connection, mail, "By mail")
    conversations.resolve(connection, mail, datetime(2026, 11, 1, 12, 0, 5, 500_000, tzinfo=UTC))
    changes.link_inbox(connection, contact, mailbox[0], "krayin:person:123|krayin:lead:456")
    # Names that Chatwoot shows for itself.
    connection.execute("UPDATE users SET display_name = 'Ada B.' WHERE id = %s", (agent,))


@pytest.fixture(scope="module")
def sample_api(sample_url: str) -> Iterator[RunningChatwootApi]:
    with running_chatwoot_api(sample_url, requests_per_minute=1_000_000) as api:
        yield api


@pytest.fixture
def api(chatwoot_url: str) -> Iterator[RunningChatwootApi]:
    """The API of a small Chatwoot whose rows a test makes itself."""
    with running_chatwoot_api(chatwoot_url, requests_per_minute=1_000_000) as running:
        yield running


def source_of(api: RunningChatwootApi, **options: Any) -> ApiSource:
    return ApiSource(api.url, api.token, 1, **{"requests_per_minute": 1_000_000, **options})


def read(
    source: Any, what: str, selection: Any = None, scope: SourceFilter = ALL, **options: Any
) -> dict[int, Any]:
    """The records by the key of their stream; none comes twice, and they come in order but for messages."""
    with source.snapshot() as snapshot:
        rows = [
            row
            for chunk in snapshot.rows(Stream(what), scope, selection or Everything(), **options)
            for row in chunk
        ]
    keys = [row.key for row in rows]
    assert len(set(keys)) == len(keys)
    if what != "messages":
        assert keys == sorted(keys)
    return dict(zip(keys, rows, strict=True))


def differences(told: Any, known: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    if dataclasses.is_dataclass(told) and type(told) is type(known):
        for field in dataclasses.fields(told):
            yield from differences(
                getattr(told, field.name), getattr(known, field.name), f"{path}.{field.name}"
            )
    elif isinstance(told, tuple) and isinstance(known, tuple) and len(told) == len(known):
        for one, other in zip(told, known, strict=True):
            yield from differences(one, other, path)
    elif told != known:
        yield path, told, known


def unexplained(told: dict[int, Any], known: dict[int, Any], what: str) -> list[Any]:
    found = []
    for key, row in told.items():
        for path, here, there in differences(row, known[key], what):
            gap = GAPS.get(path)
            explained = (
                gap == ABSENT
                or (gap == SECONDS and here == there.replace(microsecond=0))
                or (gap == "campaign" and there is Author.CAMPAIGN)
            )
            if not explained:
                found.append((key, path, here, there))
    return found


@pytest.mark.parametrize("what", ["contacts", *TALK])
def test_records_are_equal_field_by_field_but_for_the_named_gaps(sample_url, sample_api, what):
    told = read(source_of(sample_api), what)
    known = read(DatabaseSource(sample_url), what)
    assert unexplained(told, known, what) == []
    missing = known.keys() - told.keys()
    if what == "contacts":
        listed = {key for key, row in known.items() if row.email or row.phone_number or row.identifier}
        assert told.keys() == listed
        assert any(one.source_id.startswith("krayin:") for row in told.values() for one in row.inboxes)
    else:
        assert missing == set()
    assert len(told) > 50


@pytest.mark.parametrize("letters", [100, 12_000])
def test_a_resolved_conversation_is_read_whole_as_far_as_it_fits(
    api, chatwoot_url, chatwoot, website, letters
):
    """2,000 messages, some of them private: the same ones come from both, the latest of them."""
    contact = changes.add_contact(chatwoot, 1, email="a@example.com", inbox_id=website)
    talks = [conversations.add_conversation(chatwoot, contact, website, status=status) for status in (0, 1)]
    chatwoot.execute(
        """
        INSERT INTO messages (content, account_id, inbox_id, conversation_id, message_type, private, created_at,
            updated_at)
        SELECT number || ' ' || repeat('é', %(letters)s), 1, %(inbox)s, talk, 0, number %% 50 = 0,
            timestamp '2026-01-01' + (number * 7919 %% 2000) * interval '1 minute', now()
        FROM unnest(%(talks)s::bigint[]) AS talk, generate_series(1, 2000) AS number
        """,
        {"inbox": website, "talks": talks, "letters": letters},
    )
    scope = SourceFilter(1, transcripts=True)
    told = read(source_of(api), "conversations", scope=scope)
    known = read(DatabaseSource(chatwoot_url), "conversations", scope=scope)
    assert unexplained(told, known, "conversations") == []
    is_open, resolved = known.values()
    assert (len(is_open.messages), is_open.earlier) == (10, None)
    most = 500 if letters == 100 else 17
    assert (len(resolved.messages), resolved.earlier) == (most, 2_000 - 40 - most)
    assert len(resolved.messages[0].content) == min(letters, 10_000) + (5 if letters == 100 else 0)
    times = [one.created_at for one in resolved.messages]
    assert times == sorted(times)
    assert read(source_of(api), "conversations")[2].earlier is None


@pytest.mark.parametrize("what", TALK)
def test_with_transcripts_the_records_are_equal_too(sample_url, sample_api, what):
    scope = SourceFilter(1, transcripts=True)
    told = read(source_of(sample_api), what, scope=scope)
    known = read(DatabaseSource(sample_url), what, scope=scope)
    assert unexplained(told, known, what) == []
    assert told.keys() == known.keys() != set()


def test_messages_of_every_author_and_with_files_are_among_those_compared(sample_api):
    told = read(source_of(sample_api), "messages")
    authors = {row.message.author for row in told.values()}
    assert authors >= set(Author) - {Author.CAMPAIGN}
    assert not any("Secret" in row.message.content for row in told.values())
    files = [one for row in told.values() for one in row.message.attachments if one.name]
    assert ("Rechnung März 1.pdf", "application/pdf", 4_096) in [
        (one.name, one.content_type, one.size) for one in files
    ]
    assert any(row.earlier_ids == ("krayin:person:123|krayin:lead:456",) for row in told.values())


def test_what_messages_say_beside_their_content_is_the_same_from_both(sample_url, sample_api):
    told, known = read(source_of(sample_api), "messages"), read(DatabaseSource(sample_url), "messages")
    said = [(row.message.subject, row.message.body, row.message.details) for row in known.values()]
    assert said == [
        (told[key].message.subject, told[key].message.body, told[key].message.details) for key in known
    ]
    found = [one for one in said if one != ("", None, {})]
    assert len(found) == len(TAKEN_APART) - 3 + 2  # An answered survey, and a mail longer than is read.
    assert ("Order 17", "Only <b>HTML</b>", {}) not in found
    assert ("Order 17", "<p>Only <b>HTML</b></p>", {}) in found
    assert ("s" * 1_000, "c", {}) in found
    assert ("", "y" * 66_000, {}) in found
    assert (
        "",
        None,
        {"submitted_values": {"csat_survey_response": {"rating": 4, "feedback_message": "Fine"}}},
    ) in found


@pytest.mark.parametrize("what", ["contacts", *TALK])
def test_a_scope_of_some_inboxes_holds_the_same(sample_url, sample_api, what):
    with DatabaseSource(sample_url).snapshot() as snapshot:
        inboxes = frozenset(inbox.id for inbox in snapshot.inboxes(1)[:2])
    told = read(source_of(sample_api), what, scope=SourceFilter(1, inboxes))
    known = read(DatabaseSource(sample_url), what, scope=SourceFilter(1, inboxes))
    reachable = {
        key
        for key, row in known.items()
        if what != "contacts" or row.email or row.phone_number or row.identifier
    }
    assert told.keys() == reachable != set()


@pytest.mark.parametrize("what", TALK)
def test_selected_by_contacts_the_same_comes(sample_url, sample_api, what):
    some = ByIds(frozenset(range(1, 40)))
    told = read(source_of(sample_api), what, some)
    known = read(DatabaseSource(sample_url), what, some)
    assert told.keys() == known.keys() != set()
    assert unexplained(told, known, what) == []


@pytest.mark.parametrize("what", ["contacts", *TALK])
def test_a_window_holds_the_same(sample_url, sample_api, what):
    """In the sample a contact's updated_at is that of its last activity, which the API shows."""
    window = Window(datetime(2026, 3, 10, 9, tzinfo=UTC), datetime(2026, 5, 20, 15, 30, tzinfo=UTC))
    told = read(source_of(sample_api), what, window)
    known = read(DatabaseSource(sample_url), what, window)
    reachable = {
        key
        for key, row in known.items()
        if what != "contacts" or row.email or row.phone_number or row.identifier
    }
    assert told.keys() == reachable != set()


def test_what_was_said_in_a_window_comes_though_the_talk_began_before_and_went_on(
    api, chatwoot, chatwoot_url, website
):
    contact = changes.add_contact(chatwoot, 1, email="a@example.com", inbox_id=website)
    begun = datetime(2026, 2, 1, tzinfo=UTC)
    talk = conversations.add_conversation(chatwoot, contact, website, created_at=begun)
    said = [
        conversations.add_message(chatwoot, talk, f"{month}", created_at=begun.replace(month=month))
        for month in range(2, 10)
    ]
    window = Window(datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC))
    assert list(read(source_of(api), "messages", window)) == said[2:4]
    assert list(read(DatabaseSource(chatwoot_url), "messages", window)) == said[2:4]


def test_a_contact_that_no_list_shows_is_read_by_its_id(sample_url, sample_api):
    known = read(DatabaseSource(sample_url), "contacts")
    hidden = next(
        row for row in known.values() if not (row.email or row.phone_number or row.identifier) and row.name
    )
    told = read(source_of(sample_api), "contacts", ByIds(frozenset({hidden.id, 999_999, 2**31})))
    assert {key: row.name for key, row in told.items()} == {hidden.id: hidden.name}


def test_history_bounds_what_is_read(sample_url, sample_api):
    since = datetime(2026, 6, 1, tzinfo=UTC)
    for what in TALK:
        told = read(source_of(sample_api), what, since=since)
        known = read(DatabaseSource(sample_url), what, since=since)
        assert told.keys() == known.keys() != set(), what


# --- going on from a mark ----------------------------------------------------------------------


def mark_of(source: ApiSource) -> Watermark:
    with source.snapshot() as snapshot:
        return snapshot.watermark(Stream.CONTACTS)


def past(mark: Watermark, hours: float = 1) -> Watermark:
    """The mark, as if nothing that happened lately were within its overlap."""
    return dataclasses.replace(mark, read_at=mark.read_at + timedelta(hours=hours))


def test_what_is_new_or_was_active_comes_and_nothing_else(api, chatwoot, website):
    long_ago = datetime.now(UTC) - timedelta(days=3)
    old = {"created_at": long_ago, "updated_at": long_ago, "last_activity_at": long_ago}
    ids = [
        changes.add_contact(chatwoot, 1, email=f"c{n}@example.com", inbox_id=website, **old)
        for n in range(40)
    ]
    quiet = conversations.add_conversation(chatwoot, ids[5], website, created_at=long_ago)
    conversations.add_message(chatwoot, quiet, "Long ago", touch=False, created_at=long_ago)
    source = source_of(api)
    mark = mark_of(source)
    assert Watermark.from_json(mark.to_json()) == mark
    changed = ChangedSince(mark)

    assert all(read(source, what, changed) == {} for what in ("contacts", *TALK))
    new = changes.add_contact(chatwoot, 1, email="new@example.com", inbox_id=website)
    changes.update_contact(chatwoot, ids[3], last_activity_at=datetime.now(UTC))
    talk = conversations.add_conversation(chatwoot, ids[7], website, created_at=long_ago)
    message = conversations.add_message(chatwoot, talk, "Now")
    assert list(read(source, "contacts", changed)) == [ids[3], new]
    assert [row.contact_id for row in read(source, "conversations", changed).values()] == [ids[7]]
    assert list(read(source, "messages", changed)) == [message]
    assert list(read(source, "progress", changed)) == [ids[7]]
    # A mark ahead of Chatwoot's clock may cost a look at what is known, never hide anything.
    assert read(source, "contacts", ChangedSince(past(mark))) == {}


def test_what_the_list_cannot_tell_of_is_found_by_a_sweep(api, chatwoot, website):
    long_ago = datetime.now(UTC) - timedelta(days=3)
    contact = changes.add_contact(
        chatwoot, 1, email="a@example.com", name="Before", created_at=long_ago, inbox_id=website
    )
    source = source_of(api)
    mark = mark_of(source)

    def stream_diff() -> dict[int, int]:
        with source.snapshot() as snapshot:
            return {one.number: one.checksum for one in snapshot.checksums(Stream.CONTACTS, ALL)}

    before = stream_diff()
    assert stream_diff() == before
    changes.update_contact(chatwoot, contact, name="After")
    assert read(source, "contacts", ChangedSince(mark)) == {}
    assert stream_diff().keys() == before.keys()
    assert stream_diff() != before


def test_a_mark_of_the_database_does_not_count(api, chatwoot_url):
    source = source_of(api)
    with DatabaseSource(chatwoot_url).snapshot() as database, source.snapshot() as snapshot:
        assert snapshot.tells_since(Stream.CONTACTS, snapshot.watermark(Stream.CONTACTS))
        assert not snapshot.tells_since(Stream.CONTACTS, database.watermark(Stream.CONTACTS))
        assert not database.tells_since(Stream.CONTACTS, snapshot.watermark(Stream.CONTACTS))


@pytest.mark.parametrize("knows", [True, False])
def test_conversations_changed_since_long_ago_come_in_pages(chatwoot_url, chatwoot, website, knows):
    """And so they do from a Chatwoot that does not answer `updated_within`."""
    contact = changes.add_contact(chatwoot, 1, email="a@example.com", inbox_id=website)
    now = datetime.now(UTC)
    for hours in range(60):
        conversations.add_conversation(chatwoot, contact, website, created_at=now - timedelta(hours=hours))
    with running_chatwoot_api(
        chatwoot_url, requests_per_minute=1_000_000, knows_updated_within=knows
    ) as running:
        source = source_of(running)
        mark = mark_of(source)
        since = dataclasses.replace(mark, read_at=mark.read_at - timedelta(hours=40 if knows else 4))
        found = read(source, "conversations", ChangedSince(since))
        assert (40 if knows else 4) <= len(found) <= 60
        assert running.calls("last_activity_at_desc")


def test_a_change_without_activity_comes_though_exactly_a_page_changed(api, chatwoot, website):
    """A Chatwoot that does not know `updated_within` would answer as many."""
    contact = changes.add_contact(chatwoot, 1, email="a@example.com", inbox_id=website)
    long_ago = datetime.now(UTC) - timedelta(days=3)
    for _ in range(30):
        conversations.add_conversation(chatwoot, contact, website, created_at=long_ago)
    chatwoot.execute("UPDATE conversations SET last_activity_at = %s, updated_at = %s", (long_ago, long_ago))
    source = source_of(api)
    mark = mark_of(source)
    chatwoot.execute(
        "UPDATE conversations SET custom_attributes = '{\"a\": 1}', updated_at = now() AT TIME ZONE 'UTC' "
        "WHERE id IN (SELECT id FROM conversations ORDER BY id LIMIT 25)"
    )
    changed = {
        row[0] for row in chatwoot.execute("SELECT display_id FROM conversations ORDER BY id LIMIT 25")
    }
    assert changed <= read(source, "conversations", ChangedSince(mark)).keys()


def test_more_changes_than_chatwoot_can_answer_at_once_are_read_in_pages(api, chatwoot, website, caplog):
    """It would fail again and again, with more each time."""
    contact = changes.add_contact(chatwoot, 1, email="a@example.com", inbox_id=website)
    for _ in range(3):
        conversations.add_conversation(chatwoot, contact, website)

    def fail(name: str) -> None:
        if "updated_within" in name:
            raise AnsweredError(500, {"error": "Rack::Timeout"})

    source = source_of(api, sleep=lambda _: None)
    with api.meanwhile(fail):
        assert len(read(source, "conversations", ChangedSince(mark_of(source)))) == 3
    assert "cannot be read at once" in caplog.text


def test_a_quiet_time_costs_one_call(api, chatwoot, website):
    source = source_of(api)
    mark = mark_of(source)
    assert read(source, "conversations", ChangedSince(mark)) == {}
    assert len(api.calls("/conversations")) == 1


@pytest.mark.parametrize("size", [10, 40])
def test_pages_of_another_size_hide_no_conversation(chatwoot_url, chatwoot, website, size):
    """CONVERSATION_RESULTS_PER_PAGE of whoever runs Chatwoot."""
    contact = changes.add_contact(chatwoot, 1, email="a@example.com", inbox_id=website)
    for _ in range(60):
        conversations.add_conversation(chatwoot, contact, website)
    with running_chatwoot_api(
        chatwoot_url, requests_per_minute=1_000_000, conversations_per_page=size
    ) as running:
        assert len(read(source_of(running), "conversations")) == 60
        since = datetime(2020, 1, 1, tzinfo=UTC)
        assert len(read(source_of(running), "conversations", since=since)) == 60


def test_a_window_of_another_time_zone_holds_the_same(api, chatwoot, chatwoot_url, website):
    """Chatwoot filters by days of UTC: the first hours of an Indian day are of the day before."""
    at = datetime(2026, 6, 16, 19, tzinfo=UTC)
    contact = changes.add_contact(chatwoot, 1, email="a@example.com", inbox_id=website, created_at=at)
    talk = conversations.add_conversation(chatwoot, contact, website, created_at=at)
    said = conversations.add_message(chatwoot, talk, "Hello", created_at=at)
    # What came later in the same conversation would show it anyhow.
    chatwoot.execute("UPDATE conversations SET last_activity_at = %s, updated_at = %s", (at, at))
    chatwoot.execute("UPDATE contacts SET last_activity_at = %s, updated_at = %s", (at, at))
    india = timezone(timedelta(hours=5, minutes=30))
    window = Window(datetime(2026, 6, 17, tzinfo=india), datetime(2026, 6, 18, tzinfo=india))
    source = source_of(api)
    for what, key in (("contacts", contact), ("messages", said)):
        assert list(read(DatabaseSource(chatwoot_url), what, window)) == [key]
        assert list(read(source, what, window)) == [key]


# --- pages that shift --------------------------------------------------------------------------


@pytest.fixture
def crowd(chatwoot) -> list[int]:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        changes.add_contact(
            chatwoot,
            1,
            email=f"c{number}@example.com",
            name=f"C {number:03}",
            created_at=start + timedelta(minutes=number),
            last_activity_at=start + timedelta(minutes=number),
        )
        for number in range(100)
    ]


class Meddler:
    """Does one thing after another, one before each page of a list."""

    def __init__(self, *acts: Callable[[], object]) -> None:
        self.acts = list(acts)

    def __call__(self, name: str) -> None:
        if "/contacts?" in name and "page=1&" not in f"{name}&" and self.acts:
            self.acts.pop(0)()


def test_rows_deleted_between_pages_hide_no_other(api, chatwoot, crowd):
    gone = [crowd[number] for number in (0, 1, 2, 40, 41, 70, 99)]
    acts = [lambda number=number: changes.delete_contact(chatwoot, number) for number in gone]
    with api.meanwhile(Meddler(*acts)):
        found = read(source_of(api), "contacts")
    assert set(crowd) - set(gone) <= found.keys() <= set(crowd)


def test_rows_added_between_pages_hide_no_other(api, chatwoot, crowd):
    """At the end, where new ones stand, and in the middle, where those go who can be reached at last."""
    early = datetime(2026, 1, 1, 0, 10, 30, tzinfo=UTC)
    acts = [
        lambda number=number: changes.add_contact(
            chatwoot,
            1,
            email=f"n{number}@example.com",
            created_at=early if number % 2 else datetime.now(UTC),
        )
        for number in range(6)
    ]
    with api.meanwhile(Meddler(*acts)):
        found = read(source_of(api), "contacts")
    assert set(crowd) <= found.keys()


def test_rows_that_move_to_the_top_while_they_are_read_hide_no_other(api, chatwoot, crowd):
    now = datetime.now(UTC)
    for position, number in enumerate(crowd[20:]):
        changes.update_columns(chatwoot, number, last_activity_at=now - timedelta(minutes=100 - position))
    source = source_of(api)
    mark = dataclasses.replace(mark_of(source), read_at=now - timedelta(hours=2))
    movers = crowd[85:95]
    acts = [
        lambda number=number: changes.update_contact(chatwoot, number, last_activity_at=datetime.now(UTC))
        for number in movers
    ]
    gone = [lambda: changes.delete_contact(chatwoot, crowd[99]), lambda: None]
    with api.meanwhile(Meddler(*gone, *acts)):
        found = read(source, "contacts", ChangedSince(mark))
    assert set(crowd[20:]) - {crowd[99]} - set(movers) <= found.keys()
    # Who moved ahead unseen was active after the reading began: the next one begins before that.
    later = read(source, "contacts", ChangedSince(mark_of(source)))
    assert set(movers) <= found.keys() | later.keys()


def test_rows_of_one_moment_in_no_order_are_all_found(api, chatwoot):
    """An import gives hundreds of contacts one time; pages then show some twice and others never."""
    moment = datetime(2026, 2, 1, tzinfo=UTC)
    ids = {
        changes.add_contact(
            chatwoot, 1, email=f"i{number}@example.com", name=f"I {number}", created_at=moment
        )
        for number in range(80)
    }
    assert read(source_of(api), "contacts").keys() == ids


def test_an_import_of_one_moment_is_found_whole_by_what_is_new_and_by_windows(api, chatwoot):
    """Chatwoot's import of a file gives a thousand contacts one time."""
    source = source_of(api)
    mark = mark_of(source)
    at = datetime.now(UTC)
    ids = {
        changes.add_contact(chatwoot, 1, email=f"i{number}@example.com", name=f"I {number}", created_at=at)
        for number in range(80)
    }
    assert read(source, "contacts", ChangedSince(mark)).keys() == ids
    window = Window(at - timedelta(hours=1), at + timedelta(hours=1))
    assert read(source, "contacts", window).keys() == ids


def test_conversations_of_one_moment_in_no_order_are_all_found(api, chatwoot, website):
    contact = changes.add_contact(chatwoot, 1, email="a@example.com", inbox_id=website)
    moment = datetime(2026, 2, 1, tzinfo=UTC)
    for number in range(90):
        conversations.add_conversation(
            chatwoot,
            contact,
            website,
            created_at=moment,
            last_activity_at=moment + timedelta(minutes=number),
        )
    assert len(read(source_of(api), "conversations")) == 90


def test_conversations_opened_and_deleted_between_pages_hide_no_other(api, chatwoot, website):
    contact = changes.add_contact(chatwoot, 1, email="a@example.com", inbox_id=website)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    ids = [
        conversations.add_conversation(
            chatwoot, contact, website, created_at=start + timedelta(minutes=number)
        )
        for number in range(90)
    ]
    acts: list[Callable[[], object]] = [
        lambda: chatwoot.execute("DELETE FROM conversations WHERE id = ANY(%s)", (ids[:3],)),
        lambda: conversations.add_conversation(chatwoot, contact, website),
        lambda: chatwoot.execute("DELETE FROM conversations WHERE id = ANY(%s)", (ids[60:62],)),
    ]

    def act(name: str) -> None:
        if "/conversations?" in name and "page=1&" not in f"{name}&" and acts:
            acts.pop(0)()

    with api.meanwhile(act):
        found = read(source_of(api), "conversations")
    display_ids = {
        row[0]: row[1]
        for row in chatwoot.execute("SELECT id, display_id FROM conversations WHERE account_id = 1")
    }
    left = set(ids) - set(ids[:3]) - set(ids[60:62])
    assert {display_ids[number] for number in left} <= found.keys()
    assert not acts


def test_an_old_import_within_a_long_conversation_is_read_whole(api, chatwoot, website):
    """2,300 messages whose numbers do not follow their times, as an importer leaves them."""
    contact = changes.add_contact(chatwoot, 1, email="a@example.com", inbox_id=website)
    talk = conversations.add_conversation(chatwoot, contact, website)
    chatwoot.execute(
        """
        INSERT INTO messages (content, account_id, inbox_id, conversation_id, message_type, private, created_at,
            updated_at)
        SELECT 'No. ' || number, 1, %(inbox)s, %(talk)s, 0, number %% 50 = 0,
            timestamp '2026-01-01' + (number * 7919 %% 2300) * interval '1 minute', now()
        FROM generate_series(1, 2300) AS number
        """,
        {"inbox": website, "talk": talk},
    )
    found = read(source_of(api), "messages", ByIds(frozenset({contact})))
    assert len(found) == 2_300 - 46


def test_more_than_twenty_conversations_of_one_contact_are_all_read(api, chatwoot, website):
    contact = changes.add_contact(chatwoot, 1, email="a@example.com", inbox_id=website)
    for _ in range(57):
        conversations.add_conversation(chatwoot, contact, website)
    assert len(read(source_of(api), "conversations", ByIds(frozenset({contact})))) == 57


def test_they_are_read_from_a_chatwoot_that_does_not_filter_by_contact(chatwoot_url, chatwoot, website):
    """As the first versions 4; another contact's conversation by the same id is not taken along."""
    contact = changes.add_contact(chatwoot, 1, email="a@example.com", inbox_id=website)
    other = changes.add_contact(chatwoot, 1, email="b@example.com", inbox_id=website)
    for _ in range(57):
        conversations.add_conversation(chatwoot, contact, website)
    conversations.add_conversation(chatwoot, other, website)
    chatwoot.execute(
        "UPDATE conversations SET contact_inbox_id = (SELECT id FROM contact_inboxes WHERE contact_id = %s)",
        (contact,),
    )
    with running_chatwoot_api(
        chatwoot_url, requests_per_minute=1_000_000, filters_by_contact=False
    ) as running:
        found = read(source_of(running), "conversations", ByIds(frozenset({contact})))
    assert len(found) == 57
    assert {row.contact_id for row in found.values()} == {contact}


# --- comparisons of everything -----------------------------------------------------------------


@pytest.mark.parametrize("stream", list(Stream))
def test_what_a_sweep_says_is_made_of_what_is_read(sample_api, stream):
    source = source_of(sample_api)
    keys = set(read(source, str(stream)))
    with source.snapshot() as snapshot:
        buckets = list(snapshot.checksums(stream, ALL, since=datetime(2026, 6, 1, tzinfo=UTC)))
        found = snapshot.hashes(stream, ALL, [*sorted(keys), 999_999], since=datetime(2026, 6, 1, tzinfo=UTC))
        few = sorted(keys)[:3]
        assert snapshot.there(stream, ALL, [*few, 999_999]) == set(few)
        listed = [
            row.key for chunk in snapshot.rows(stream, ALL, ListedIds(lambda: iter([few]))) for row in chunk
        ]
        everything = {
            row.key
            for chunk in snapshot.rows(stream, ALL, ListedIds(lambda: iter([sorted(keys)])))
            for row in chunk
        }
    assert found.keys() == keys == everything
    assert sorted(listed) == few
    assert [one.number for one in buckets] == sorted({key >> 6 for key in keys})
    assert sum(one.rows for one in buckets) == len(keys)
    first = [value for key, value in found.items() if key >> 6 == buckets[0].number]
    assert buckets[0].checksum == sum(first) % (2**63 - 1)
    assert 0 < sum(value & 1 for value in found.values()) < len(found)


def test_a_sweep_that_fails_midway_begins_anew(api, chatwoot, crowd):
    """Half of the hashes would tell that the other half is gone."""
    source = source_of(api, sleep=lambda _: None)
    calls = []

    def fail(name: str) -> None:
        calls.append(name)
        if len(calls) == 4:
            raise AnsweredError(422, {"error": "now"})

    with source.snapshot() as snapshot:
        snapshot.check(ALL)
        with api.meanwhile(fail), pytest.raises(ChatwootApiRefused):
            list(snapshot.checksums(Stream.CONTACTS, ALL))
        found = list(snapshot.checksums(Stream.CONTACTS, ALL))
    assert sum(one.rows for one in found) == len(crowd)


def test_what_an_agent_does_not_see_does_not_count_as_deleted(api, chatwoot, website):
    contact = changes.add_contact(chatwoot, 1, email="a@example.com", inbox_id=website)
    talk = conversations.add_conversation(chatwoot, contact, website)
    agent = token_of_an_agent(chatwoot)
    display_id = chatwoot.execute("SELECT display_id FROM conversations WHERE id = %s", (talk,)).fetchone()[0]

    def hide(name: str) -> None:
        if "/conversations" in name:
            raise AnsweredError(401, {"error": "You are not authorized to do this action"})

    with ApiSource(api.url, agent, 1).snapshot() as snapshot, api.meanwhile(hide):
        assert snapshot.there(Stream.CONVERSATIONS, ALL, [display_id]) == {display_id}
        assert snapshot.there(Stream.MESSAGES, ALL, [1, 2]) == {1, 2}
        assert snapshot.there(Stream.PROGRESS, ALL, [contact]) == {contact}
        assert snapshot.there(Stream.CONTACTS, ALL, [contact, 999_999]) == {contact}


def token_of_an_agent(chatwoot: Connection[Any]) -> str:
    agent = chatwoot.execute(
        "SELECT user_id FROM account_users WHERE account_id = 1 AND role = 0 LIMIT 1"
    ).fetchone()[0]
    now = datetime.now(UTC)
    insert_row(
        chatwoot,
        "access_tokens",
        {"owner_type": "User", "owner_id": agent, "token": "agents", "created_at": now, "updated_at": now},
    )
    return "agents"


# --- refusals ----------------------------------------------------------------------------------


def test_a_wrong_token_is_told_clearly_and_never_shown(api, caplog):
    source = ApiSource(api.url, "a-wrong-token", 1)
    with caplog.at_level(logging.DEBUG), pytest.raises(ChatwootApiRefused) as caught, source.snapshot():
        pass
    assert caught.value.status == 401
    assert "access token" in str(caught.value)
    assert "account 1" in str(caught.value)
    assert "a-wrong-token" not in str(caught.value) + repr(caught.value) + repr(source) + caplog.text


def test_the_token_stands_in_no_log_nor_repr(api, chatwoot, crowd, caplog):
    source = source_of(api)
    with caplog.at_level(logging.DEBUG), source.snapshot() as snapshot:
        assert list(snapshot.rows(Stream.CONTACTS, ALL, Everything()))
        assert api.token not in repr(snapshot.session) + repr(source)
    assert api.token not in caplog.text


def test_an_account_or_inbox_that_is_not_there_is_named(api):
    with source_of(api).snapshot() as snapshot:
        with pytest.raises(UnknownInbox, match="4711"):
            snapshot.rows(Stream.CONTACTS, SourceFilter(1, frozenset({4711})), Everything())
        with pytest.raises(UnknownAccount, match="Acme Support"):
            snapshot.check(SourceFilter(2))
    with ApiSource(api.url, api.token, 2).snapshot() as snapshot, pytest.raises(UnknownAccount):
        snapshot.inboxes(2)


def test_an_agents_token_is_taken_and_warned_of(api, chatwoot, caplog):
    with ApiSource(api.url, token_of_an_agent(chatwoot), 1).snapshot() as snapshot:
        snapshot.check(ALL)
        snapshot.check(ALL)
    assert caplog.text.count("conversations of inboxes that are not theirs") == 1


def test_a_suspended_account_is_called_that(api, chatwoot):
    with source_of(api).snapshot() as snapshot:
        chatwoot.execute("UPDATE accounts SET status = 1 WHERE id = 1")
        with pytest.raises(ChatwootApiRefused, match="suspended"):
            list(snapshot.rows(Stream.CONTACTS, ALL, Everything()))
    with source_of(api).snapshot() as snapshot:
        assert [account.suspended for account in snapshot.accounts()] == [True]


def test_reports_that_only_administrators_may_see_are_done_without(api, chatwoot, website):
    contact = changes.add_contact(chatwoot, 1, email="a@example.com", inbox_id=website)
    active = datetime(2026, 3, 1, 8, tzinfo=UTC)
    talk = conversations.add_conversation(chatwoot, contact, website, last_activity_at=active)
    conversations.resolve(chatwoot, talk, datetime(2026, 3, 1, 7, tzinfo=UTC))

    def refuse(name: str) -> None:
        if name.endswith("/reporting_events"):
            raise AnsweredError(401, {"error": "You are not authorized to do this action"})

    with api.meanwhile(refuse):
        assert read(source_of(api), "progress")[contact].resolved_at == active
    assert read(source_of(api), "progress")[contact].resolved_at == datetime(2026, 3, 1, 7, tzinfo=UTC)


@pytest.mark.parametrize("says_how_long", [True, False])
def test_a_throttled_call_waits_and_is_made_again(chatwoot_url, chatwoot, crowd, says_how_long):
    with running_chatwoot_api(chatwoot_url, requests_per_minute=5, retry_after=says_how_long) as running:
        pauses: list[float] = []

        def sleep(seconds: float) -> None:
            pauses.append(seconds)
            # The next minute.
            running.server.limiter._counts.clear()

        source = source_of(running, sleep=sleep)
        assert len(read(source, "contacts")) == len(crowd)
    assert pauses
    assert all(0 < pause <= 61 for pause in pauses)


def test_who_throttles_for_ever_is_said_to_be_unreachable_for_now():
    pauses: list[float] = []
    source = ApiSource(
        "https://chat.example.com",
        "t",
        1,
        transport=httpx.MockTransport(lambda _: httpx.Response(429, headers={"Retry-After": "7"})),
        sleep=pauses.append,
    )
    with pytest.raises(ChatwootApiUnreachable, match="429"), source.snapshot():
        pass
    assert pauses == [7.0] * 5


def test_a_reading_keeps_within_its_own_limit():
    """120 calls at 50 a minute: the 51st waits until a minute after the first."""
    from chatwoot.api.session import Pace

    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    pace = Pace(50, clock=lambda: now[0], sleep=sleep)
    starts = []
    for _ in range(120):
        pace.wait()
        starts.append(now[0])
        now[0] += 0.1
    assert all(sum(1 for other in starts if start <= other < start + 60) <= 50 for start in starts)
    assert now[0] < 60 * 120 / 50


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"accounts": [{"name": "no id"}]}),
        httpx.Response(500),
        httpx.Response(302, headers={"Location": "/app/login"}),
        httpx.ConnectError("refused"),
    ],
)
def test_other_answers_may_be_tried_again_later(answer):
    def reply(_: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    source = ApiSource(
        "https://chat.example.com", "t", 1, transport=httpx.MockTransport(reply), sleep=lambda _: None
    )
    with pytest.raises(ChatwootApiUnreachable, match=r"chat\.example\.com"), source.snapshot():
        pass


def test_a_row_that_cannot_be_read_is_named_and_hides_no_other():
    good = {"id": 2, "email": "a@example.com", "created_at": 1_700_000_000, "contact_inboxes": []}
    rows = [
        {**good, "id": 1, "additional_attributes": ["not", "an", "object"]},
        good,
        {**good, "id": 3, "created_at": "soon"},
        {**good, "id": 4, "contact_inboxes": "none"},
    ]

    def reply(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/profile"):
            return httpx.Response(200, json={"accounts": [{"id": 1, "role": "administrator"}]})
        return httpx.Response(200, json={"meta": {"count": len(rows)}, "payload": rows})

    source = ApiSource("https://chat.example.com", "t", 1, transport=httpx.MockTransport(reply))
    found = read(source, "contacts")
    broken = {key: row.reason for key, row in found.items() if isinstance(row, BrokenRow)}
    assert found[2].email == "a@example.com"
    assert broken.keys() == {1, 3, 4}
    assert broken[1] == "additional_attributes: a JSON list instead of an object"
    assert broken[3] == "created_at: no time of the years 1 to 9999"
    assert not any("soon" in reason for reason in broken.values())


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {"payload": {"id": 1}},
        {"payload": [{"id": "1"}]},
        {"payload": [{"name": "no id"}]},
        {"payload": ["none"]},
        {"data": []},
        {"data": {"meta": [], "payload": None}},
    ],
)
@pytest.mark.parametrize("what", ["contacts", "conversations"])
def test_a_list_of_another_form_is_told_as_one(answer, what):
    def reply(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/profile"):
            return httpx.Response(200, json={"accounts": [{"id": 1, "role": "administrator"}]})
        if request.url.path.endswith("/inboxes"):
            return httpx.Response(200, json={"payload": []})
        return httpx.Response(200, json=answer)

    source = ApiSource("https://chat.example.com", "t", 1, transport=httpx.MockTransport(reply))
    with pytest.raises(ChatwootApiUnreachable, match="another form"):
        read(source, what)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (1_781_773_953, datetime(2026, 6, 18, 9, 12, 33, tzinfo=UTC)),
        ("1781773953", datetime(2026, 6, 18, 9, 12, 33, tzinfo=UTC)),
        (1_781_773_953.25, datetime(2026, 6, 18, 9, 12, 33, 250_000, tzinfo=UTC)),
        ("2026-06-18T09:12:33.000Z", datetime(2026, 6, 18, 9, 12, 33, tzinfo=UTC)),
        ("2026-06-18T14:42:33+05:30", datetime(2026, 6, 18, 9, 12, 33, tzinfo=UTC)),
        ("2026-06-18 09:12:33", datetime(2026, 6, 18, 9, 12, 33, tzinfo=UTC)),
        (0, None),
        (None, None),
        ("soon", None),
        (10**18, None),
        (float("nan"), None),
    ],
)
def test_times_are_read_in_every_form_chatwoot_has_for_them(given, expected):
    assert moment(given) == expected


def test_a_file_whose_address_is_none_does_not_cost_the_message():
    row = {
        "id": 1,
        "message_type": 0,
        "created_at": 1_781_773_953,
        "attachments": [{"file_type": "file", "data_url": "http://[nowhere"}, {"file_type": "image"}],
    }
    assert [one.kind for one in message(row, 100).attachments] == ["file", "image"]


@pytest.mark.parametrize("events", [{"payload": []}, ["odd"], [{"name": "conversation_resolved"}], None])
def test_reports_of_another_form_are_done_without(api, chatwoot, website, events):
    contact = changes.add_contact(chatwoot, 1, email="a@example.com", inbox_id=website)
    active = datetime(2026, 3, 1, 8, tzinfo=UTC)
    talk = conversations.add_conversation(chatwoot, contact, website, last_activity_at=active)
    conversations.resolve(chatwoot, talk, datetime(2026, 3, 1, 7, tzinfo=UTC))

    def odd(name: str) -> None:
        if name.endswith("/reporting_events"):
            raise AnsweredError(200, events)

    with api.meanwhile(odd):
        assert read(source_of(api), "progress")[contact].resolved_at == active


def test_a_message_that_is_deleted_while_it_is_read_ends_nothing(api, chatwoot, website):
    contact = changes.add_contact(chatwoot, 1, email="a@example.com", inbox_id=website)
    talks = [conversations.add_conversation(chatwoot, contact, website) for _ in range(3)]
    for talk in talks:
        conversations.add_message(chatwoot, talk, "Hello")

    def act(name: str) -> None:
        if name.endswith("/messages?filter_internal_messages=true"):
            chatwoot.execute("DELETE FROM conversations WHERE id = %s", (talks[1],))

    with api.meanwhile(act):
        found = read(source_of(api, parallel=1), "conversations")
    assert sorted(len(row.messages) for row in found.values()) == [0, 1, 1]


def test_nothing_private_is_kept_of_a_list(api, chatwoot, website):
    """The list carries each conversation's latest message, which may be a note."""
    from chatwoot.api.spool import Spool

    contact = changes.add_contact(chatwoot, 1, email="a@example.com", inbox_id=website)
    talk = conversations.add_conversation(chatwoot, contact, website)
    conversations.add_message(chatwoot, talk, "the secret", private=True, message_type=1)
    kept: list[str] = []
    put = Spool.put

    def spy(self: Spool, rows: Any) -> None:
        rows = list(rows)
        kept.append(json.dumps(rows))
        put(self, rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Spool, "put", spy)
        assert len(read(source_of(api), "conversations")) == 1
    assert kept
    assert not any("the secret" in text for text in kept)
