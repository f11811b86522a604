"""How Chatwoot writes without a trace, or leaves one without a change: each as the SQL it issues.

The names in the statements are ids of the scenario: contacts `ada` and `bob` (who was silent for long);
`talk`, Ada's resolved conversation in inbox `website` with agent `agent` and team `team`, with the
messages `asked` (hers, with the file `file`, stored as `blob`), `said` (the agent's) and `greeted`
(bot `bot`'s); `other`, Bob's open conversation in inbox `mailbox` handled by the bot, with `wrote`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chatwoot.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTACTS, CONVERSATIONS, MESSAGES, PROGRESS = Stream
NOBODY: Mapping[Stream, str] = {}


@dataclass(frozen=True)
class WritePath:
    """A write, the records it changes (names of the scenario by stream), and what the watermark misses of them."""

    name: str
    sql: str
    changed: Mapping[Stream, str] = field(default_factory=dict)
    vanished: Mapping[Stream, str] = field(default_factory=dict)
    left: Mapping[Stream, str] = field(default_factory=dict)
    missed: frozenset[Stream] = frozenset()


def _path(
    name: str,
    sql: str,
    changed: Mapping[Stream, str] = NOBODY,
    vanished: Mapping[Stream, str] = NOBODY,
    left: Mapping[Stream, str] = NOBODY,
    missed: tuple[Stream, ...] = (),
) -> WritePath:
    return WritePath(name, sql, changed, vanished, left, frozenset(missed))


ALL_TALK = {CONVERSATIONS: "talk other", MESSAGES: "asked said greeted wrote"}

PATHS = (
    # Columns written without updated_at.
    _path(
        "a company found by the e-mail's domain",
        """UPDATE contacts SET company_id = 7,
           additional_attributes = additional_attributes || '{"company_name": "Ada Ltd"}' WHERE id = %(ada)s""",
        {CONTACTS: "ada"},
    ),
    _path(
        "a label deleted from conversations",
        "UPDATE conversations SET cached_label_list = 'bug' WHERE id = %(talk)s",
        {CONVERSATIONS: "talk"},
    ),
    _path(
        "an agent removed from the account",
        "UPDATE conversations SET assignee_id = NULL WHERE assignee_id = %(agent)s",
        {CONVERSATIONS: "talk"},
    ),
    _path(
        "a team destroyed",
        """UPDATE conversations SET team_id = NULL WHERE team_id = %(team)s;
           DELETE FROM teams WHERE id = %(team)s""",
        {CONVERSATIONS: "talk"},
    ),
    _path(
        "a bot destroyed",
        """UPDATE conversations SET assignee_agent_bot_id = NULL WHERE assignee_agent_bot_id = %(bot)s;
           UPDATE messages SET sender_id = NULL, sender_type = NULL WHERE id = %(greeted)s;
           DELETE FROM agent_bots WHERE id = %(bot)s""",
        {CONVERSATIONS: "talk other", MESSAGES: "greeted"},
    ),
    _path(
        "a user destroyed",
        """UPDATE messages SET sender_id = NULL, sender_type = NULL
           WHERE sender_type = 'User' AND sender_id = %(agent)s""",
        {CONVERSATIONS: "talk", MESSAGES: "said"},
    ),
    _path(
        "the first reply moved by a migration",
        "UPDATE conversations SET first_reply_created_at = created_at + interval '3 hours' WHERE id = %(talk)s",
        {PROGRESS: "ada"},
    ),
    _path(
        "reporting events moved by a migration",
        """UPDATE reporting_events SET event_end_time = event_end_time + interval '1 hour'
           WHERE conversation_id = %(talk)s""",
        {PROGRESS: "ada"},
        missed=(PROGRESS,),
    ),
    # Facts of other tables.
    _path(
        "an agent renamed",
        "UPDATE users SET name = 'Ada B. Brandt', display_name = NULL, updated_at = now() WHERE id = %(agent)s",
        {CONVERSATIONS: "talk", MESSAGES: "said"},
        missed=(CONVERSATIONS, MESSAGES),
    ),
    _path(
        "an inbox renamed",
        "UPDATE inboxes SET name = 'Shop', updated_at = now() WHERE id IN (%(website)s, %(mailbox)s)",
        ALL_TALK,
        missed=(CONVERSATIONS, MESSAGES),
    ),
    _path(
        "a team renamed",
        "UPDATE teams SET name = 'retail', updated_at = now() WHERE id = %(team)s",
        {CONVERSATIONS: "talk"},
        missed=(CONVERSATIONS,),
    ),
    _path(
        "a bot renamed",
        "UPDATE agent_bots SET name = 'Robot', updated_at = now() WHERE id = %(bot)s",
        {CONVERSATIONS: "talk other", MESSAGES: "greeted"},
        missed=(CONVERSATIONS, MESSAGES),
    ),
    _path(
        "a contact renamed",
        "UPDATE contacts SET name = 'Ada L.', updated_at = now() WHERE id = %(ada)s",
        {CONTACTS: "ada", CONVERSATIONS: "talk", MESSAGES: "asked"},
        missed=(CONVERSATIONS, MESSAGES),
    ),
    _path(
        "ids of an earlier integration noted",
        """INSERT INTO contact_inboxes (contact_id, inbox_id, source_id, created_at, updated_at)
           VALUES (%(ada)s, %(website)s, 'krayin:person:5|krayin:lead:6', now(), now())""",
        {CONTACTS: "ada", CONVERSATIONS: "talk", MESSAGES: "asked said greeted"},
        missed=(CONVERSATIONS, MESSAGES),
    ),
    _path(
        "ids of an earlier integration forgotten",
        "DELETE FROM contact_inboxes WHERE contact_id = %(bob)s AND source_id LIKE 'krayin:%%'",
        {CONTACTS: "bob", CONVERSATIONS: "other", MESSAGES: "wrote"},
        missed=(CONTACTS, CONVERSATIONS, MESSAGES),
    ),
    _path(
        "a file removed",
        "DELETE FROM attachments WHERE id = %(file)s",
        {CONVERSATIONS: "talk", MESSAGES: "asked"},
        missed=(CONVERSATIONS, MESSAGES),
    ),
    _path(
        "a file's type found out later",
        "UPDATE active_storage_blobs SET content_type = 'application/zip' WHERE id = %(blob)s",
        {CONVERSATIONS: "talk", MESSAGES: "asked"},
        missed=(CONVERSATIONS, MESSAGES),
    ),
    _path(
        "a file attached later",
        """INSERT INTO attachments (account_id, message_id, file_type, fallback_title, created_at, updated_at)
           VALUES (1, %(said)s, 5, 'Map', now(), now())""",
        {CONVERSATIONS: "talk", MESSAGES: "said"},
    ),
    # Rows with times of another system.
    _path(
        "an imported contact",
        """INSERT INTO contacts (account_id, name, email, created_at, updated_at)
           VALUES (1, 'Old', 'old@example.com', '2019-01-01', '2019-01-01')""",
        {CONTACTS: "new"},
    ),
    _path(
        "a contact overwritten by an import",
        "UPDATE contacts SET phone_number = '+4930123456', updated_at = '2019-01-01' WHERE id = %(bob)s",
        {CONTACTS: "bob"},
    ),
    _path(
        "an imported conversation",
        """INSERT INTO conversations (account_id, inbox_id, contact_id, created_at, updated_at, last_activity_at)
           VALUES (1, %(mailbox)s, %(bob)s, '2019-01-01', '2019-01-01', '2019-01-01')""",
        {CONVERSATIONS: "new"},
    ),
    _path(
        "an imported message",
        """INSERT INTO messages (account_id, inbox_id, conversation_id, message_type, content, source_id,
               sender_type, sender_id, created_at, updated_at)
           VALUES (1, %(mailbox)s, %(other)s, 0, 'Old', 'intercom:1', 'Contact', %(bob)s, '2019-01-01', '2019-01-01')""",
        {CONVERSATIONS: "other", MESSAGES: "new"},
    ),
    _path(
        "a message with the remote channel's time",
        """INSERT INTO messages (account_id, inbox_id, conversation_id, message_type, content,
               sender_type, sender_id, created_at, updated_at)
           VALUES (1, %(mailbox)s, %(other)s, 0, 'Hi', 'Contact', %(bob)s, '2026-05-05 11:00', now())""",
        {CONVERSATIONS: "other", MESSAGES: "new"},
    ),
    # Ordinary changes.
    _path(
        "a contact blocked",
        "UPDATE contacts SET blocked = true, updated_at = now() WHERE id = %(ada)s",
        {CONTACTS: "ada"},
    ),
    _path(
        "an identifier set",
        "UPDATE contacts SET identifier = 'shop-5', updated_at = now() WHERE id = %(ada)s",
        {CONTACTS: "ada"},
    ),
    _path(
        "an attribute removed",
        "UPDATE contacts SET custom_attributes = custom_attributes - 'plan', updated_at = now() WHERE id = %(ada)s",
        {CONTACTS: "ada"},
    ),
    _path(
        "two attributes exchanged",
        """UPDATE contacts SET custom_attributes = '{"plan": true, "vat": "gold"}' WHERE id = %(ada)s""",
        {CONTACTS: "ada"},
    ),
    _path(
        "a number that became a text",
        """UPDATE contacts SET custom_attributes = custom_attributes || '{"seats": "3"}' WHERE id = %(ada)s""",
        {CONTACTS: "ada"},
    ),
    _path(
        "e-mail and phone exchanged between contacts",
        """UPDATE contacts SET email = NULL WHERE id = %(ada)s;
           UPDATE contacts SET email = 'ada@example.com' WHERE id = %(bob)s""",
        {CONTACTS: "ada bob"},
    ),
    _path(
        "a conversation reopened",
        "UPDATE conversations SET status = 0, updated_at = now() WHERE id = %(talk)s",
        {CONVERSATIONS: "talk", PROGRESS: "ada"},
    ),
    _path(
        "a priority set",
        "UPDATE conversations SET priority = 0, updated_at = now() WHERE id = %(talk)s",
        {CONVERSATIONS: "talk"},
    ),
    _path(
        "a message that could not be delivered",
        "UPDATE messages SET status = 3, updated_at = now() WHERE id = %(said)s",
        {CONVERSATIONS: "talk", MESSAGES: "said"},
    ),
    _path(
        "a message deleted",
        """UPDATE messages SET content = 'This message was deleted', content_type = 0,
               content_attributes = '"{\\"deleted\\":true}"', updated_at = now() WHERE id = %(asked)s;
           DELETE FROM attachments WHERE message_id = %(asked)s""",
        {CONVERSATIONS: "talk", MESSAGES: "asked"},
    ),
    _path(
        "a message made private",
        "UPDATE messages SET private = true WHERE id = %(said)s",
        {CONVERSATIONS: "talk"},
        left={MESSAGES: "said"},
    ),
    # Rows that go.
    _path(
        "a contact deleted, its conversations not yet",
        "DELETE FROM contacts WHERE id = %(ada)s",
        {CONVERSATIONS: "talk", MESSAGES: "asked"},
        {CONTACTS: "ada"},
        missed=(CONVERSATIONS, MESSAGES),
    ),
    _path(
        "a contact deleted with all that was said",
        """DELETE FROM attachments WHERE message_id = %(asked)s;
           DELETE FROM messages WHERE conversation_id = %(talk)s;
           DELETE FROM conversations WHERE id = %(talk)s;
           DELETE FROM contact_inboxes WHERE contact_id = %(ada)s;
           DELETE FROM contacts WHERE id = %(ada)s""",
        {},
        {CONTACTS: "ada", CONVERSATIONS: "talk", MESSAGES: "asked said greeted", PROGRESS: "ada"},
    ),
    _path(
        "contacts merged",
        """UPDATE conversations SET contact_id = %(bob)s, updated_at = now() WHERE contact_id = %(ada)s;
           UPDATE messages SET sender_id = %(bob)s, updated_at = now()
           WHERE sender_type = 'Contact' AND sender_id = %(ada)s;
           UPDATE contact_inboxes SET contact_id = %(bob)s, updated_at = now() WHERE contact_id = %(ada)s;
           DELETE FROM contacts WHERE id = %(ada)s;
           UPDATE contacts SET phone_number = '+4930555', updated_at = now() WHERE id = %(bob)s""",
        {CONTACTS: "bob", CONVERSATIONS: "talk", MESSAGES: "asked said greeted", PROGRESS: "bob"},
        {CONTACTS: "ada", PROGRESS: "ada"},
    ),
    _path(
        "a conversation deleted",
        """DELETE FROM messages WHERE conversation_id = %(other)s; DELETE FROM conversations WHERE id = %(other)s""",
        {},
        {CONVERSATIONS: "other", MESSAGES: "wrote", PROGRESS: "bob"},
    ),
    _path(
        "a message destroyed",
        "DELETE FROM messages WHERE id = %(said)s",
        {CONVERSATIONS: "talk"},
        {MESSAGES: "said"},
        missed=(CONVERSATIONS,),
    ),
)

NOISE = (
    _path(
        "an avatar",
        """UPDATE contacts SET additional_attributes = additional_attributes
               || '{"last_avatar_sync_at": "2026-05-05", "avatar_url_hash": "x"}' WHERE id = %(ada)s""",
    ),
    _path("an avatar's touch", "UPDATE contacts SET updated_at = now() WHERE id = %(ada)s"),
    _path(
        "activity of a contact",
        "UPDATE contacts SET last_activity_at = now(), updated_at = now() WHERE id = %(ada)s",
    ),
    _path("a company's number", "UPDATE contacts SET company_id = 9 WHERE id = %(ada)s"),
    _path("a visitor who became a lead", "UPDATE contacts SET contact_type = 1 WHERE id = %(ada)s"),
    _path(
        "a label of a contact deleted",
        "DELETE FROM taggings WHERE taggable_type = 'Contact' AND taggable_id = %(ada)s",
    ),
    _path(
        "labels of a contact by CSV import",
        """INSERT INTO taggings (tag_id, taggable_type, taggable_id, context, created_at)
           SELECT min(id), 'Contact', %(bob)s, 'labels', now() FROM tags""",
    ),
    _path("a resolving that clears the waiting", "UPDATE conversations SET waiting_since = NULL"),
    _path(
        "an agent who looked",
        """UPDATE conversations SET agent_last_seen_at = now(), assignee_last_seen_at = now(),
               contact_last_seen_at = now(), updated_at = now()""",
    ),
    _path(
        "a conversation's activity without a message of people",
        """UPDATE conversations SET last_activity_at = now(), updated_at = now() WHERE id = %(other)s;
           INSERT INTO messages (account_id, inbox_id, conversation_id, message_type, content, created_at, updated_at)
           VALUES (1, %(mailbox)s, %(other)s, 2, 'Bob was assigned', now(), now())""",
    ),
    _path(
        "a private note",
        """INSERT INTO messages (account_id, inbox_id, conversation_id, message_type, content, private,
               sender_type, sender_id, created_at, updated_at)
           VALUES (1, %(mailbox)s, %(other)s, 1, 'secret', true, 'User', %(agent)s, now(), now())""",
    ),
    _path(
        "a message delivered and read", "UPDATE messages SET status = 2, updated_at = now() WHERE status <> 3"
    ),
    _path(
        "a translation",
        """UPDATE messages SET content_attributes = '"{\\"translations\\":{\\"de\\":\\"Hallo\\"}}"' WHERE id = %(said)s""",
    ),
    _path(
        "a transcription",
        """UPDATE attachments SET meta = '{"transcribed_text": "x"}', updated_at = now() WHERE id = %(file)s""",
    ),
    _path(
        "a note about a contact",
        """INSERT INTO notes (content, account_id, contact_id, created_at, updated_at)
           VALUES ('x', 1, %(ada)s, now(), now())""",
    ),
    _path(
        "another inbox of a contact",
        """INSERT INTO contact_inboxes (contact_id, inbox_id, source_id, created_at, updated_at)
           VALUES (%(ada)s, %(mailbox)s, 'ada@example.com', now(), now())""",
    ),
    _path("another agent's name", "UPDATE users SET name = 'Nobody' WHERE id <> %(agent)s"),
    _path("everything of another account", "UPDATE contacts SET name = 'x' WHERE account_id <> 1"),
)
