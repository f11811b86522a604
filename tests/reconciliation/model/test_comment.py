"""What a comment says, and that it says so within Krayin's column and markup."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from chatwoot.records import Attachment, Author, Conversation, Message, Priority, SentMessage, Status
from hypothesis import given
from hypothesis import strategies as st
from krayin.text import CUT_MARK, TEXT_BYTES
from reconciliation.model.activity import (
    ActivityRules,
    earlier_person,
    map_conversation,
    map_message,
    short_name,
)
from reconciliation.model.comment import comment_of, escaped, size
from reconciliation.model.desired_activity import ActivitySkip, DesiredActivity

from tests.reconciliation.samples import texts

NOON = datetime(2026, 5, 5, 12, tzinfo=UTC)
RULES = ActivityRules("abcd1234", "https://chat.example.com/")
MESSAGE = Message(
    5, Author.AGENT, "Ada Brandt", "Hello", is_deleted=False, is_failed=False, is_email=False, created_at=NOON
)
SENT = SentMessage(MESSAGE, 1, 12, 7, (), "Website", "Channel::WebWidget")
TALK = Conversation(
    id=90,
    account_id=1,
    display_id=12,
    contact_id=7,
    earlier_ids=(),
    status=Status.RESOLVED,
    priority=Priority.HIGH,
    created_at=NOON,
    inbox_name="Help <desk>",
    channel_type="Channel::Email",
    assignee="Greeter",
    assignee_id=3,
    assignee_is_bot=True,
    team="sales",
    team_id=4,
    labels=("bug", "vip"),
    custom_attributes={"order": "A-1", "paid": True, "tags": ["x", 2], "empty": ""},
    is_email=True,
    messages=(MESSAGE,),
)
ALLOWED = re.compile(r'<br>|<a href="[^"<>]*" target="_blank">[^<>]*</a>')
ENTITY = re.compile(r"&(?:amp|lt|gt|quot|#x27);")


def message(**given: object) -> DesiredActivity:
    found = map_message(replace(SENT, message=replace(MESSAGE, **given)), RULES, mapped=False)
    assert isinstance(found, DesiredActivity)
    return found


def test_a_conversation_tells_its_details() -> None:
    found = map_conversation(TALK, RULES, mapped=False)
    assert isinstance(found, DesiredActivity)
    address = "https://chat.example.com/app/accounts/1/conversations/12"
    assert found.comment.split("<br>") == [
        "Status: resolved",
        "Inbox: Help &lt;desk&gt; (E-mail)",
        "Assignee: Greeter (bot)",
        "Team: sales",
        "Priority: high",
        "Labels: bug, vip",
        "order: A-1",
        "paid: yes",
        "tags: x, 2",
        "Started: 2026-05-05 12:00 UTC",
        f'<a href="{address}" target="_blank">{address}</a>',
        "",
        "Latest messages:",
        "2026-05-05 12:00 UTC Ada Brandt (agent):",
        "Hello",
    ]
    assert (found.type, found.is_done, found.key) == ("email", True, "abcd1234:conversation:1:12")


def test_times_are_those_of_the_account_and_make_no_difference() -> None:
    there = replace(RULES, zone=ZoneInfo("Europe/Berlin"))
    for record, mapped in ((TALK, map_conversation), (SENT, map_message)):
        here, now = mapped(record, RULES, mapped=False), mapped(record, there, mapped=False)
        assert isinstance(here, DesiredActivity)
        assert isinstance(now, DesiredActivity)
        assert now.comment == here.comment.replace("12:00 UTC", "14:00 CEST")
        assert (now.comment != here.comment, now.hash()) == (True, here.hash())


def test_a_state_of_a_later_chatwoot_is_unknown_and_not_done() -> None:
    found = map_conversation(replace(TALK, status=None), RULES, mapped=False)
    assert isinstance(found, DesiredActivity)
    assert found.comment.startswith("Status: unknown<br>")
    assert not found.is_done


@pytest.mark.parametrize(
    ("author", "name", "shown", "title"),
    [
        (Author.CONTACT, "Anna", "Anna (customer)", "Anna"),
        (Author.AGENT, "Ada", "Ada (agent)", "Ada"),
        (Author.BOT, "Greeter", "Greeter (bot)", "Greeter"),
        (Author.ASSISTANT, "", "AI assistant (AI)", "AI assistant"),
        (Author.AUTOMATION, "", "Automation (automation)", "Automation"),
        (Author.CAMPAIGN, "", "Campaign (campaign)", "Campaign"),
        (Author.UNKNOWN, "", "Team (sender unknown)", "Team"),
    ],
)
def test_people_and_machines_are_told_apart(author: Author, name: str, shown: str, title: str) -> None:
    found = message(author=author, sender_name=name)
    assert found.title == f"Message from {title} - Conversation #12"
    assert shown in found.comment


@pytest.mark.parametrize(
    ("given", "last"),
    [
        ({"content": "", "is_deleted": True}, "(message deleted)"),
        ({"content": ""}, "(no text)"),
        ({"is_failed": True}, "(not delivered)"),
        (
            {"attachments": (Attachment("file", "a&b.pdf", "application/pdf", 12_345),)},
            "Attachment: a&amp;b.pdf (application/pdf, 12.1 KB)",
        ),
        ({"attachments": (Attachment("image", None, None, None),)}, "Attachment: (image) (image)"),
    ],
)
def test_what_is_no_text_is_said_in_words(given: dict[str, object], last: str) -> None:
    assert message(**given).comment.split("<br>")[-1] == last


def test_a_long_name_is_cut_and_the_conversation_stays_in_the_title() -> None:
    title = message(sender_name="x" * 400).title
    assert len(title) < 255
    assert title.endswith("… [cut] - Conversation #12")


@given(texts)
def test_nothing_said_can_become_markup(text: str) -> None:
    comment = message(content=text, sender_name=text).comment
    assert "<" not in ALLOWED.sub("", comment)
    assert ">" not in ALLOWED.sub("", comment)


@given(st.text(alphabet='&<>"é😀\n x', max_size=30), st.integers(0, 40))
def test_a_cut_is_visible_and_tears_nothing(text: str, more: int) -> None:
    repeated = (text + "&") * (TEXT_BYTES // max(len(escaped(text + "&").encode()), 1) + 1)
    comment = comment_of(f"{repeated}\n{'x' * more}")
    assert len(comment.encode()) <= TEXT_BYTES
    if CUT_MARK in comment:
        assert comment.endswith(CUT_MARK)
    assert "<" not in ALLOWED.sub("", comment)
    assert "&" not in ENTITY.sub("", comment)


def test_a_whole_conversation_shows_the_latest_that_fit() -> None:
    text = "é & " * 500
    said = tuple(replace(MESSAGE, id=one, content=f"No. {one} {text}") for one in range(40))
    found = map_conversation(replace(TALK, messages=said, earlier=2), RULES, mapped=False)
    assert isinstance(found, DesiredActivity)
    shown = [int(one) for one in re.findall(r"No\. (\d+)", found.comment)]
    assert shown == list(range(40 - len(shown), 40))
    assert 10 < len(shown) < 40
    assert f"<br><br>The latest {len(shown)} of 42 messages:<br>" in found.comment
    assert TEXT_BYTES - 12_000 < len(found.comment.encode()) <= TEXT_BYTES
    assert CUT_MARK not in found.comment


def test_a_whole_conversation_of_one_message_beyond_the_column_is_cut() -> None:
    long = replace(MESSAGE, content="&" * 10_000, attachments=(Attachment("file", "&" * 250, None, 1),) * 50)
    found = map_conversation(replace(TALK, messages=(MESSAGE, long), earlier=0), RULES, mapped=False)
    assert isinstance(found, DesiredActivity)
    assert found.comment.endswith(CUT_MARK)
    assert "The latest 1 of 2 messages:" in found.comment


def test_a_conversation_that_is_not_resolved_waits_for_its_transcript() -> None:
    rules = replace(RULES, only_resolved=True)
    for status in (*Status, None):
        found = map_conversation(replace(TALK, status=status, earlier=0), rules, mapped=True)
        assert (found is ActivitySkip.NOT_RESOLVED) == (status is not Status.RESOLVED)


def test_only_the_whole_address_is_a_link() -> None:
    comment = comment_of(
        "https://x.example/1\n(https://x.example/1) https://x.example/12", "https://x.example/1"
    )
    assert comment.count('<a href="https://x.example/1" target="_blank">https://x.example/1</a>') == 2
    assert comment.endswith(" https://x.example/12")


def test_escaping_can_be_undone() -> None:
    assert html.unescape(escaped("a \"b\" <c> & 'd'").replace("<br>", "\n")) == "a \"b\" <c> & 'd'"


def test_who_is_left_out() -> None:
    late = ActivityRules("x", history_start=datetime(2026, 6, 1, tzinfo=UTC))
    assert map_message(replace(SENT, contact_id=None), RULES, mapped=False) is ActivitySkip.NO_CONTACT
    assert map_message(SENT, late, mapped=False) is ActivitySkip.BEFORE_HISTORY
    assert isinstance(map_message(SENT, late, mapped=True), DesiredActivity)
    assert map_conversation(TALK, late, mapped=False) is ActivitySkip.BEFORE_HISTORY


def test_earlier_ids_and_short_names() -> None:
    assert earlier_person(("x", "krayin:lead:4|krayin:person:123")) == 123
    assert earlier_person(("krayin:lead:4",)) is None
    assert re.fullmatch("[0-9a-f]{8}", short_name("localhost:5432/chatwoot, production"))
    assert [size(number) for number in (0, 1023, 1024, 5 * 1024**2)] == ["0 B", "1023 B", "1.0 KB", "5.0 MB"]
