"""A hundred mails as activities: what a person reads in Krayin, and that reading takes no time."""

from __future__ import annotations

import html
import time
from dataclasses import replace

import pytest
from chatwoot.records import Attachment
from reconciliation.model.activity import map_message
from reconciliation.model.desired_activity import DesiredActivity
from reconciliation.model.mail_text import mail_text

from tests.reconciliation.model.mails import MAILS, OWN, Mail
from tests.reconciliation.model.test_comment import MESSAGE, RULES, SENT
from tests.reconciliation.model.whole_mails import WHOLE_MAILS, WholeMail, stored

LETTERS = 60_000


def activity(mail: Mail, **given: object) -> DesiredActivity:
    message = replace(MESSAGE, is_email=True, content=mail.body, subject=mail.subject, **given)  # type: ignore[arg-type]
    found = map_message(replace(SENT, message=message, channel_type="Channel::Email"), RULES, mapped=False)
    assert isinstance(found, DesiredActivity)
    return found


@pytest.mark.parametrize("mail", MAILS, ids=[mail.name for mail in MAILS])
def test_a_mail_says_what_its_sender_wrote(mail: Mail) -> None:
    found = activity(mail)
    subject, _, _, *said = found.comment.split("<br>")
    assert html.unescape(subject) == f"Subject: {mail.subject}"
    assert html.unescape("\n".join(said)) == mail.says
    assert html.escape(mail.absent) not in found.comment
    assert found.type == "email"


def test_there_are_a_hundred() -> None:
    assert len(MAILS) >= 100
    assert len({mail.name for mail in MAILS}) == len(MAILS)


def test_files_come_by_name_and_size() -> None:
    files = (
        Attachment("image", "logo.png", "image/png", 2048),
        Attachment("file", "a.pdf", "application/pdf", 10),
    )
    assert activity(Mail("x", OWN), attachments=files).comment.endswith(
        "Köln<br><br>Attachment: logo.png (image/png, 2.0 KB)<br>Attachment: a.pdf (application/pdf, 10 B)"
    )


@pytest.mark.parametrize("mail", WHOLE_MAILS, ids=[mail.name for mail in WHOLE_MAILS])
def test_a_whole_mail_says_what_its_sender_wrote(mail: WholeMail) -> None:
    kept = stored(mail.raw)
    body = next(kept.attributes[one] for one in ("text_content", "html_content") if one in kept.attributes)
    said = activity(Mail(mail.name, "", subject=kept.attributes["subject"]), body=body["reply"]).comment
    subject, _, _, *lines = map(html.unescape, said.split("<br>"))
    assert subject == f"Subject: {mail.subject}"
    assert tuple(line.strip() for line in lines if line.strip()) == mail.says
    # Paragraphs stay apart, and nothing is far from the next.
    assert "<br><br><br>" not in said
    assert tuple(name for name, *_ in kept.files) == mail.files


def test_what_chatwoot_took_apart_counts_before_the_content() -> None:
    assert activity(Mail("x", ""), body="<p>From HTML</p>").comment.endswith("<br>From HTML")


def test_how_it_is_read_makes_no_difference() -> None:
    # Of another reading nothing is sent again: neither of the text nor of the subject.
    read = activity(Mail("x", "<p>Hello</p>"), body="Hello")
    assert read.hash() == activity(Mail("x", "<p>Hello</p>", subject="")).hash()
    assert read.hash() != activity(Mail("x", "<p>Hello again</p>"), body="Hello").hash()


@pytest.mark.parametrize(
    "pattern",
    [
        "a ", "a", "> ", "On ", "On 10:12 wrote\n", "From: x\n", ":\n", "-", "_", "- ", "<a ", "<", "<div>", "=20", "=\n", "\n \n",
        "é", "Ã¼ ", "2026 wrote: \n", "<blockquote type=cite><div class=gmail_quote>", "<div id=appendonsend>x</div>", "<table><tr><td>",
        "<img alt=x>", "[\N{FULLWIDTH COLON}", "QUJD", "----- x -----\n", "\x1b$", "&amp;", "<!--", "<style>",
    ],
)  # fmt: skip
def test_no_mail_takes_long(pattern: str) -> None:
    began = time.process_time()
    mail_text((pattern * LETTERS)[:LETTERS])
    assert time.process_time() - began < 5
