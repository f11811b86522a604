"""A hundred mails, and a hundred whole ones as they come over the wire, as activities of both Krayins."""

from __future__ import annotations

import html
from datetime import timedelta
from typing import TYPE_CHECKING

from sandbox.chatwoot import conversations
from tests.reconciliation.model.mails import LETTERS, MAILS
from tests.reconciliation.model.whole_mails import WHOLE_MAILS, stored
from tests.reconciliation.run.test_activity_run import NOON, activities, ada_with_a_talk, chatwoot, writes
from tests.reconciliation.world import on_each_krayin

if TYPE_CHECKING:
    from tests.reconciliation.world import World


@on_each_krayin
def test_a_hundred_mails_are_read_in_krayin_as_they_were_written(world: World) -> None:
    _, talk = ada_with_a_talk(world, "Channel::Email")
    with chatwoot(world) as connection:
        for number, mail in enumerate(MAILS):
            # Where Chatwoot found HTML alone it keeps that beside the content.
            parts = {"html_content": {"full": mail.body, "reply": mail.body}} if mail in LETTERS else {}
            conversations.add_message(
                connection,
                talk,
                None if parts else mail.body,
                content_type=8,
                content_attributes={"email": {"subject": mail.subject, **parts}},
                created_at=NOON + timedelta(minutes=number),
            )
    run = world.run(sync_messages=True)
    assert run.summary["failed"] == 0
    assert writes(world, run.id).count("POST activities") == len(MAILS)
    shown = activities(world)
    assert {row["type"] for row in shown} == {"email"}
    for mail, row in zip(MAILS, shown, strict=True):
        subject, _, said = row["comment"].split("<br>", 2)
        assert html.unescape(subject) == f"Subject: {mail.subject}", mail.name
        assert html.unescape(said.replace("<br>", "\n")) == mail.says, mail.name


@on_each_krayin
def test_a_hundred_whole_mails_are_read_in_krayin_as_they_were_written(world: World) -> None:
    assert len(WHOLE_MAILS) >= 100
    _, talk = ada_with_a_talk(world, "Channel::Email")
    with chatwoot(world) as connection:
        for number, mail in enumerate(WHOLE_MAILS):
            kept = stored(mail.raw)
            message = conversations.add_message(
                connection,
                talk,
                kept.content,
                content_type=8,
                content_attributes={"email": kept.attributes},
                created_at=NOON + timedelta(minutes=number),
            )
            for name, kind, size in kept.files:
                conversations.add_attachment(connection, message, name, kind, size)
    world.run(sync_messages=True)
    for mail, row in zip(WHOLE_MAILS, activities(world), strict=True):
        assert row["type"] == "email"
        subject, _, *said = html.unescape(row["comment"]).split("<br>")
        assert subject == f"Subject: {mail.subject}", mail.name
        files = tuple(line for line in said if line.startswith("Attachment: "))
        lines = tuple(line.strip() for line in said if line.strip() and line not in files)
        assert lines == mail.says, mail.name
        assert not mail.absent or mail.absent not in row["comment"], mail.name
        assert tuple(line.removeprefix("Attachment: ").rpartition(" (")[0] for line in files) == mail.files
