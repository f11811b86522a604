"""Conversations and messages as the database gives them: who wrote what, and what never leaves it."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from chatwoot.database.source import DatabaseSource
from chatwoot.database.streams import CONVERSATION_COLUMNS
from chatwoot.errors import MissingPrivileges
from chatwoot.records import Attachment, Author, BrokenRow, Conversation, Progress, SentMessage, Status
from chatwoot.source import ByIds, ChangedSince, Everything, SourceFilter, Watermark, Window
from chatwoot.streams import Stream

from sandbox.chatwoot import changes, conversations

if TYPE_CHECKING:
    from psycopg import Connection

ACCOUNT = SourceFilter(1)
EVERYTHING = Everything()
NOON = datetime(2026, 5, 5, 12, tzinfo=UTC)
SECRET = "plum-secret-word"


def read(
    source: DatabaseSource, selection: Any = EVERYTHING, scope: SourceFilter = ACCOUNT
) -> tuple[list[Any], list[Any], Watermark]:
    with source.snapshot() as snapshot:
        talk = [one for chunk in snapshot.rows(Stream.CONVERSATIONS, scope, selection) for one in chunk]
        said = [one for chunk in snapshot.rows(Stream.MESSAGES, scope, selection) for one in chunk]
        return talk, said, snapshot.watermark(Stream.MESSAGES)


@pytest.fixture
def ada(chatwoot: Connection[Any], website: int) -> int:
    return changes.add_contact(chatwoot, 1, inbox_id=website, name="Ada", email="ada@example.com")


@pytest.fixture
def talk(chatwoot: Connection[Any], ada: int, website: int) -> int:
    return conversations.add_conversation(chatwoot, ada, website, created_at=NOON)


def test_everything_a_text_needs_comes_with_the_conversation(
    chatwoot: Connection[Any], source: DatabaseSource, ada: int, website: int
) -> None:
    agent = conversations.agent_named(chatwoot, "Ada Brandt")
    team = chatwoot.execute("SELECT id FROM teams WHERE account_id = 1 AND name = 'sales'").fetchone()
    assert team
    talk = conversations.add_conversation(
        chatwoot,
        ada,
        website,
        created_at=NOON,
        status=int(Status.SNOOZED),
        priority=3,
        assignee_id=agent,
        team_id=team[0],
        cached_label_list="vip, bug",
        custom_attributes={"order_number": "A-1"},
    )
    said = conversations.add_message(chatwoot, talk, "Hello", created_at=NOON)
    conversations.add_attachment(chatwoot, said, "quote.pdf", "application/pdf", 12_345)
    (found,), (message,), _ = read(source)
    assert isinstance(found, Conversation)
    assert isinstance(message, SentMessage)
    assert (found.contact_id, found.status.name, found.priority and found.priority.name) == (
        ada,
        "SNOOZED",
        "URGENT",
    )
    assert (found.inbox_name, found.channel_type) == ("Website", "Channel::WebWidget")
    assert (found.assignee, found.assignee_is_bot, found.team) == ("Ada Brandt", False, "sales")
    assert (found.labels, found.custom_attributes) == (("bug", "vip"), {"order_number": "A-1"})
    assert found.created_at == NOON
    assert found.messages == (message.message,)
    assert message.message.attachments == (Attachment("file", "quote.pdf", "application/pdf", 12_345),)
    assert (message.display_id, message.contact_id, message.channel_type) == (
        found.display_id,
        ada,
        "Channel::WebWidget",
    )


@pytest.mark.parametrize(
    ("columns", "author", "name"),
    [
        ({"message_type": 0, "sender_type": "Contact"}, Author.CONTACT, "Ada"),
        ({"message_type": 1, "sender_type": "User", "sender_id": 1}, Author.AGENT, "Ada Brandt"),
        ({"message_type": 1, "sender_type": "AgentBot", "sender_id": 1}, Author.BOT, "Greeter"),
        ({"message_type": 1, "sender_type": "Captain::Assistant", "sender_id": 1}, Author.ASSISTANT, ""),
        ({"message_type": 1, "content_attributes": {"automation_rule_id": 4}}, Author.AUTOMATION, ""),
        ({"message_type": 1, "additional_attributes": {"campaign_id": 4}}, Author.CAMPAIGN, ""),
        ({"message_type": 1, "content_attributes": {"external_echo": True}}, Author.AGENT, ""),
        ({"message_type": 1}, Author.UNKNOWN, ""),
    ],
)
def test_who_wrote_a_message(
    chatwoot: Connection[Any],
    source: DatabaseSource,
    ada: int,
    talk: int,
    columns: dict[str, Any],
    author: Author,
    name: str,
) -> None:
    if columns.get("sender_type") == "Contact":
        columns = {**columns, "sender_id": ada}
    conversations.add_message(chatwoot, talk, "Hello", **columns)
    (conversation,), (message,), _ = read(source)
    assert (message.message.author, message.message.sender_name) == (author, name)
    assert conversation.messages == (message.message,)


def test_private_notes_log_lines_and_templates_never_leave_the_database(
    chatwoot: Connection[Any], source: DatabaseSource, talk: int
) -> None:
    conversations.add_message(chatwoot, talk, SECRET, message_type=1, private=True)
    conversations.add_message(chatwoot, talk, SECRET, message_type=2)
    conversations.add_message(chatwoot, talk, SECRET, message_type=3, content_type=9)
    conversations.add_message(chatwoot, talk, "public")
    assert SECRET not in repr([_contents(one) for one in read(source)[:2]])
    (conversation,), (message,), _ = read(source)
    assert [one.content for one in conversation.messages] == ["public"]
    assert message.message.content == "public"


def _contents(rows: list[Any]) -> Any:
    return [
        [one.content for one in row.messages] if isinstance(row, Conversation) else row.message.content
        for row in rows
    ]


@pytest.mark.parametrize("encode", [json.dumps, lambda value: json.dumps(json.dumps(value))])
def test_a_deleted_message_is_told_in_both_encodings(
    chatwoot: Connection[Any], source: DatabaseSource, talk: int, encode: Any
) -> None:
    message = conversations.add_message(chatwoot, talk, "This message was deleted")
    chatwoot.execute(
        "UPDATE messages SET content_attributes = %s::json WHERE id = %s",
        (encode({"deleted": True}), message),
    )
    _, (found,), _ = read(source)
    assert found.message.is_deleted
    assert not found.message.content


def test_an_email_that_quotes_a_deletion_is_none(
    chatwoot: Connection[Any], source: DatabaseSource, talk: int
) -> None:
    quoted = {"email": {"text": 'the answer was {"deleted":true}'}}
    conversations.add_message(chatwoot, talk, "See below", content_attributes=quoted, content_type=8)
    _, (found,), _ = read(source)
    assert not found.message.is_deleted
    assert found.message.is_email


ANSWER = {"submitted_values": {"csat_survey_response": {"rating": 4, "feedback_message": "Fine"}}}


def test_of_a_survey_only_the_answer_is_read(
    chatwoot: Connection[Any], source: DatabaseSource, talk: int
) -> None:
    survey = {"message_type": 3, "content_type": 9}
    conversations.add_message(chatwoot, talk, SECRET, content_attributes={"display_type": "emoji"}, **survey)
    conversations.add_message(chatwoot, talk, SECRET, content_attributes=ANSWER, private=True, **survey)
    assert read(source)[1] == []
    *_, mark = read(source)
    conversations.add_message(chatwoot, talk, SECRET, content_attributes=ANSWER, **survey)
    (conversation,), (message,), _ = read(source, ChangedSince(mark))
    assert (message.message.author, message.message.content) == (Author.CONTACT, "")
    assert message.message.details == ANSWER
    assert conversation.messages == (message.message,)


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        # As Rails writes it, as an importer does, and what neither does.
        (
            json.dumps(json.dumps({"email": {"subject": "a\0b", "text_content": {"reply": "c\\u0000\0"}}})),
            ("ab", "c\\u0000"),
        ),
        (json.dumps({"email": {"subject": "a\0b", "text_content": {"reply": "c"}}}), ("ab", "c")),
        ('"plain words with \\"email\\": in them"', ("", None)),
        ("[1]", ("", None)),
        ('"{}"', ("", None)),
        ("null", ("", None)),
    ],
)
def test_odd_attributes_of_a_mail_end_nothing(
    chatwoot: Connection[Any],
    source: DatabaseSource,
    talk: int,
    attributes: str,
    said: tuple[str, str | None],
) -> None:
    number = conversations.add_message(chatwoot, talk, "See below", content_type=8)
    chatwoot.execute("UPDATE messages SET content_attributes = %s::json WHERE id = %s", (attributes, number))
    _, (found,), _ = read(source)
    assert (found.message.subject, found.message.body) == said
    with source.snapshot() as snapshot:
        assert snapshot.hashes(Stream.MESSAGES, SourceFilter(1), [number])


@pytest.mark.parametrize(
    "attributes",
    [
        {"email": {"subject": "Other"}},
        {"email": {"text_content": {"reply": "Other"}}},
        {"email": {"html_content": {"full": "Other"}}},
        {"submitted_values": [{"title": "A"}]},
        {"data": {"status": "completed"}},
        {"items": [{"title": "A"}]},
    ],
)
def test_what_is_read_of_attributes_changes_a_hash_and_nothing_else_does(
    chatwoot: Connection[Any], source: DatabaseSource, talk: int, attributes: dict[str, Any]
) -> None:
    number = conversations.add_message(chatwoot, talk, None, content_type=8)
    seen = set()
    for told in ({}, {"translations": {"de": "x"}}, attributes, {**attributes, "cc_emails": ["a@b.example"]}):
        chatwoot.execute(
            "UPDATE messages SET content_attributes = %s::json WHERE id = %s",
            (json.dumps(json.dumps(told)), number),
        )
        with source.snapshot() as snapshot:
            seen.add(snapshot.hashes(Stream.MESSAGES, SourceFilter(1), [number])[number])
    assert len(seen) == 2


def test_only_what_was_written_since_is_read(
    chatwoot: Connection[Any], source: DatabaseSource, ada: int, talk: int, website: int
) -> None:
    other = conversations.add_conversation(chatwoot, ada, website, created_at=NOON)
    first = conversations.add_message(chatwoot, talk, "one")
    *_, mark = read(source)
    assert read(source, ChangedSince(mark))[:2] == ([], [])
    # Neither moves the conversation: an edit, and a file described later.
    chatwoot.execute("UPDATE messages SET content = 'edited' WHERE id = %s", (first,))
    found, (message,), mark = read(source, ChangedSince(mark))
    assert ([one.id for one in found], message.message.content) == ([talk], "edited")
    conversations.add_attachment(chatwoot, first, "a.png", "image/png", 1)
    found, said, mark = read(source, ChangedSince(mark))
    assert ([one.id for one in found], [one.key for one in said]) == ([talk], [first])
    # A deleted label leaves updated_at alone.
    chatwoot.execute("UPDATE conversations SET cached_label_list = NULL WHERE id = %s", (other,))
    found, said, mark = read(source, ChangedSince(mark))
    assert ([one.id for one in found], said) == ([other], [])
    conversations.add_message(chatwoot, talk, SECRET, message_type=1, private=True, touch=False)
    found, said, mark = read(source, ChangedSince(mark))
    assert ([one.id for one in found], said) == ([talk], [])


def test_a_merge_shows_in_conversation_and_all_its_messages(
    chatwoot: Connection[Any], source: DatabaseSource, ada: int, talk: int, website: int
) -> None:
    by_agent = conversations.add_message(
        chatwoot, talk, "Hi", message_type=1, sender_type="User", sender_id=1
    )
    base = changes.add_contact(chatwoot, 1, inbox_id=website, name="Base", email="base@example.com")
    *_, mark = read(source)
    changes.merge_contacts(chatwoot, base, ada)
    (found,), (message,), _ = read(source, ChangedSince(mark))
    assert (found.contact_id, message.key, message.contact_id) == (base, by_agent, base)


def test_contacts_windows_inboxes_and_bounds(
    chatwoot: Connection[Any], source: DatabaseSource, ada: int, talk: int, mailbox: int, website: int
) -> None:
    late = conversations.add_conversation(chatwoot, ada, mailbox, created_at=NOON + timedelta(days=40))
    stranger = changes.add_contact(chatwoot, 1, name="Eve", email="eve@example.com")
    foreign = conversations.add_conversation(chatwoot, stranger, website, created_at=NOON + timedelta(days=1))
    for one, day in ((talk, 0), (late, 40), (foreign, 1)):
        conversations.add_message(chatwoot, one, "x", created_at=NOON + timedelta(days=day))

    def ids(selection: Any, scope: SourceFilter = ACCOUNT) -> tuple[set[int], set[int]]:
        talks, said, _ = read(source, selection, scope)
        shown = {one.display_id: one.id for one in read(source)[0]}
        return {one.id for one in talks}, {shown[one.display_id] for one in said}

    assert ids(ByIds(frozenset({ada}))) == ({talk, late}, {talk, late})
    assert ids(Window(NOON, NOON + timedelta(days=2))) == ({talk, foreign}, {talk, foreign})
    assert ids(Everything(), SourceFilter(1, frozenset({mailbox}))) == ({late}, {late})
    assert ids(Everything(), SourceFilter(2)) == (set(), set())
    with source.snapshot() as snapshot:
        since = NOON + timedelta(days=30)
        kept = [
            one.id
            for chunk in snapshot.rows(Stream.CONVERSATIONS, ACCOUNT, Everything(), since=since)
            for one in chunk
        ]
        said = [
            one.display_id
            for chunk in snapshot.rows(Stream.MESSAGES, ACCOUNT, Everything(), since=since)
            for one in chunk
        ]
    assert (kept, len(said)) == ([late], 1)


def test_what_cannot_be_read_is_named_and_stops_nobody(
    chatwoot: Connection[Any], source: DatabaseSource, ada: int, talk: int, website: int
) -> None:
    odd = conversations.add_conversation(chatwoot, ada, website, created_at=NOON)
    chatwoot.execute("UPDATE conversations SET created_at = 'infinity' WHERE id = %s", (odd,))
    found, _, _ = read(source)
    assert [type(one) for one in found] == [Conversation, BrokenRow]
    assert found[1].reason == "created_at: no time of the years 1 to 9999"


def test_a_role_without_conversations_still_reads_contacts(
    chatwoot: Connection[Any], chatwoot_url: str, ada: int
) -> None:
    role = f"narrow_{uuid.uuid4().hex[:8]}"
    chatwoot.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'tests'")
    for table in ("accounts", "inboxes", "contacts", "contact_inboxes", "tags", "taggings"):
        chatwoot.execute(f"GRANT SELECT ON {table} TO {role}")
    conninfo = psycopg.conninfo.make_conninfo(chatwoot_url, user=role, password="tests")
    with DatabaseSource(conninfo).snapshot() as snapshot:
        assert [
            one.id for chunk in snapshot.rows(Stream.CONTACTS, ACCOUNT, Everything()) for one in chunk
        ] == [ada]
        with pytest.raises(MissingPrivileges, match="messages"):
            list(snapshot.rows(Stream.CONVERSATIONS, ACCOUNT, Everything()))


def test_how_far_a_contact_s_conversations_came(
    chatwoot: Connection[Any], source: DatabaseSource, ada: int, talk: int, website: int
) -> None:
    def progress() -> Progress:
        with source.snapshot() as snapshot:
            ((found,),) = snapshot.rows(Stream.PROGRESS, ACCOUNT, Everything())
        assert isinstance(found, Progress)
        return found

    assert progress() == Progress(ada, NOON)
    later = NOON + timedelta(hours=1)
    conversations.add_message(chatwoot, talk, "beep", message_type=1, sender_type="AgentBot", sender_id=1)
    assert progress().responded_at is None
    conversations.add_message(
        chatwoot, talk, "Hi", message_type=1, sender_type="User", sender_id=1, created_at=later
    )
    assert progress() == Progress(ada, NOON, later)
    other = conversations.add_conversation(chatwoot, ada, website, created_at=NOON - timedelta(days=1))
    end = NOON + timedelta(hours=5)
    conversations.resolve(chatwoot, other, end)
    assert progress() == Progress(ada, NOON, later, end)
    conversations.change_conversation(chatwoot, other, status=0)
    assert progress().resolved_at is None
    # Without an event its last activity is the resolution.
    conversations.change_conversation(chatwoot, talk, status=1)
    assert progress().resolved_at == later


def test_a_chatwoot_of_the_first_4_has_fewer_columns(
    chatwoot: Connection[Any], source: DatabaseSource, talk: int, ada: int
) -> None:
    robot = chatwoot.execute(
        "INSERT INTO agent_bots (name, created_at, updated_at) VALUES ('Robo', now(), now()) RETURNING id"
    ).fetchone()
    assert robot
    chatwoot.execute("UPDATE conversations SET assignee_agent_bot_id = %s", robot)
    (later,), _, _ = read(source)
    assert (later.assignee, later.assignee_is_bot) == ("Robo", True)
    with source.snapshot() as snapshot:
        hashes = snapshot.hashes(Stream.CONVERSATIONS, ACCOUNT, [later.display_id])
    chatwoot.execute("UPDATE conversations SET assignee_agent_bot_id = NULL")
    with source.snapshot() as snapshot:
        unassigned = snapshot.hashes(Stream.CONVERSATIONS, ACCOUNT, [later.display_id])
    assert unassigned != hashes
    chatwoot.execute("ALTER TABLE conversations DROP COLUMN assignee_agent_bot_id")
    chatwoot.execute("ALTER TABLE contacts DROP COLUMN company_id")
    (first,), _, _ = read(source)
    assert (first.assignee, first.assignee_is_bot) == (None, False)
    with source.snapshot() as snapshot:
        assert snapshot.hashes(Stream.CONVERSATIONS, ACCOUNT, [later.display_id]) == unassigned
        assert [one.id for chunk in snapshot.rows(Stream.CONTACTS, ACCOUNT, EVERYTHING) for one in chunk] == [
            ada
        ]


def test_an_assistant_of_a_later_chatwoot_is_not_taken_for_the_bot_of_its_number(
    chatwoot: Connection[Any], source: DatabaseSource, talk: int
) -> None:
    chatwoot.execute("ALTER TABLE conversations ADD COLUMN ai_assignee_type text")
    chatwoot.execute(
        """
        WITH robot AS (
            INSERT INTO agent_bots (name, created_at, updated_at) VALUES ('Robo', now(), now()) RETURNING id
        )
        UPDATE conversations SET assignee_agent_bot_id = robot.id, ai_assignee_type = 'AgentBot' FROM robot
        """
    )
    (found,), _, _ = read(source)
    assert found.assignee == "Robo"
    with source.snapshot() as snapshot:
        before = snapshot.hashes(Stream.CONVERSATIONS, ACCOUNT, [found.display_id])
    chatwoot.execute("UPDATE conversations SET ai_assignee_type = 'Captain::Assistant'")
    (found,), _, _ = read(source)
    assert (found.assignee, found.assignee_is_bot) == ("AI assistant", True)
    with source.snapshot() as snapshot:
        assert snapshot.hashes(Stream.CONVERSATIONS, ACCOUNT, [found.display_id]) != before


def test_a_later_column_that_may_not_be_read_is_named(chatwoot: Connection[Any], talk: int) -> None:
    from tests.chatwoot.database.test_source import role

    tables = (
        "accounts, inboxes, contacts, contact_inboxes, tags, taggings, messages, attachments, "
        "active_storage_attachments, active_storage_blobs, users, agent_bots, teams, reporting_events"
    )
    columns = CONVERSATION_COLUMNS["conversations"].replace(" ", ", ")
    url = role(
        chatwoot,
        f"GRANT SELECT ON {tables} TO {{role}}",
        f"GRANT SELECT ({columns}) ON conversations TO {{role}}",
    )
    with DatabaseSource(url).snapshot() as snapshot, pytest.raises(MissingPrivileges) as error:
        list(snapshot.rows(Stream.CONVERSATIONS, ACCOUNT, EVERYTHING))
    assert error.value.tables == ("conversations",)


def test_a_status_or_priority_of_a_later_chatwoot_hides_nothing_else(
    chatwoot: Connection[Any], source: DatabaseSource, talk: int
) -> None:
    chatwoot.execute("UPDATE conversations SET status = 7, priority = 9")
    ((found,), _, _) = read(source)
    assert isinstance(found, Conversation)
    assert (found.status, found.priority, found.id) == (None, None, talk)
