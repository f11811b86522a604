"""Channel → type → title → comment, read back from the stand-in for every channel of the sandbox."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from reconciliation.model.activity import CHANNELS, activity_type

from sandbox.chatwoot import changes, conversations

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.reconciliation.world import World

NOON = datetime(2026, 5, 5, 12, tzinfo=UTC)
TYPES = {
    "Channel::Api": "note",
    "Channel::Email": "email",
    "Channel::FacebookPage": "note",
    "Channel::Instagram": "note",
    "Channel::Line": "note",
    "Channel::Sms": "call",
    "Channel::Telegram": "note",
    "Channel::Tiktok": "note",
    "Channel::TwilioSms": "call",
    "Channel::WebWidget": "note",
    "Channel::Whatsapp": "call",
}


DOCUMENTED = Path(__file__).resolve().parents[3] / "docs" / "activities.md"
HEADER = "| channel | type | title | comment |\n|---|---|---|---|\n"


def documented() -> str:
    """The table of docs/activities.md."""
    return HEADER + DOCUMENTED.read_text(encoding="utf-8").partition(HEADER)[2].partition("\n\n")[0]


def test_every_channel_of_the_sandbox_becomes_what_the_table_says(
    world: World, record_property: Callable[[str, object], None]
) -> None:
    expected: dict[str, tuple[str, str, str]] = {}
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        inboxes = connection.execute(
            "SELECT id, name, channel_type FROM inboxes WHERE account_id = 1 ORDER BY id"
        ).fetchall()
        contact = changes.add_contact(connection, 1, name="Ada", email="ada@example.com")
        for number, (inbox, name, channel_type) in enumerate(inboxes, 1):
            talk = conversations.add_conversation(connection, contact, inbox, created_at=NOON)
            conversations.add_message(connection, talk, f"Hello by {name}", created_at=NOON)
            place = f"{name} ({CHANNELS[channel_type].name})"
            expected[channel_type] = (
                f"Conversation #{number}",
                f"Message from Ada - Conversation #{number}",
                place,
            )
    assert set(expected) == set(TYPES)
    world.run(sync_conversations=True, sync_messages=True)
    rows = world.api("GET", "activities?pagination=0&type=note,call,email")["data"]
    by_title = {row["title"]: row for row in rows}
    assert len(by_title) == len(rows) == 2 * len(TYPES)
    shown: list[str] = []
    said = "2026-05-05 12:00 UTC Ada (customer):<br>Hello by"
    for channel_type, (talked, message, place) in expected.items():
        whole, one = by_title[talked], by_title[message]
        shown += [
            f"| {CHANNELS[channel_type].name} | `{row['type']}` | {row['title']} | `{row['comment']}` |"
            for row in (whole, one)
        ]
        assert (whole["type"], one["type"]) == (TYPES[channel_type], TYPES[channel_type])
        inbox = place.partition(" (")[0]
        assert whole["comment"] == (
            f"Status: open<br>Inbox: {place}<br>Started: 2026-05-05 12:00 UTC<br><br>Latest messages:<br>{said} {inbox}"
        )
        assert one["comment"] == f"Ada (customer), 2026-05-05 12:00 UTC, {place}:<br>Hello by {inbox}"
        assert (one["is_done"], whole["is_done"]) == (True, False)
    table = HEADER + "\n".join(shown)
    record_property("channels", table)
    assert documented() == table, f"docs/activities.md should hold this table:\n{table}"


def test_the_api_channel_says_itself_when_it_is_email() -> None:
    assert activity_type("Channel::Api", is_email=True) == "email"
    assert activity_type("Channel::Api", is_email=False) == "note"
    assert activity_type("Channel::Whatsapp", is_email=True) == "call"


@pytest.mark.parametrize("unknown", ["", "Channel::Carrier::Pigeon", "x"])
def test_channels_of_later_versions_become_notes(unknown: str) -> None:
    assert activity_type(unknown, is_email=False) == "note"
