"""Conversations, messages and files in a Chatwoot database, written as Chatwoot itself writes them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from psycopg import sql

from sandbox.chatwoot.insertion import insert_row, stored
from sandbox.chatwoot.message_texts import double_encoded

if TYPE_CHECKING:
    from psycopg import Connection

_OBJECTS = ("custom_attributes", "additional_attributes")


def add_conversation(connection: Connection[Any], contact_id: int, inbox_id: int, **columns: Any) -> int:
    """Insert a conversation of a contact in an inbox and return its id; times default to now."""
    created = columns.pop("created_at", datetime.now(UTC))
    account = connection.execute("SELECT account_id FROM inboxes WHERE id = %s", (inbox_id,)).fetchone()
    assert account is not None
    values = {
        "account_id": account[0],
        "inbox_id": inbox_id,
        "contact_id": contact_id,
        "created_at": created,
        "updated_at": created,
        "last_activity_at": created,
        **columns,
    }
    number: int = insert_row(connection, "conversations", values)
    return number


def change_conversation(connection: Connection[Any], conversation_id: int, **columns: Any) -> None:
    """Set columns and updated_at, as Chatwoot does when an agent changes something."""
    values = {"updated_at": datetime.now(UTC), **columns}
    connection.execute(
        sql.SQL("UPDATE conversations SET {} WHERE id = {}").format(
            sql.SQL(", ").join(
                sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in values
            ),
            sql.Literal(conversation_id),
        ),
        stored(values),
    )


def add_message(
    connection: Connection[Any],
    conversation_id: int,
    content: str | None,
    *,
    touch: bool = True,
    **columns: Any,
) -> int:
    """Insert a message, by default one of the contact, and return its id.

    With `touch` the conversation moves as after every new message; an agent's first public answer
    is noted on it.
    """
    created = columns.pop("created_at", datetime.now(UTC))
    attributes = columns.pop("content_attributes", {})
    found = connection.execute(
        "SELECT account_id, inbox_id, contact_id FROM conversations WHERE id = %s", (conversation_id,)
    ).fetchone()
    assert found is not None
    account, inbox, contact = found
    if "message_type" not in columns:
        columns |= {"message_type": 0, "sender_type": "Contact", "sender_id": contact}
    values = {
        "account_id": account,
        "inbox_id": inbox,
        "conversation_id": conversation_id,
        "content": content,
        "processed_message_content": content,
        "created_at": created,
        "updated_at": created,
        **{name: json.dumps(value) if name in _OBJECTS else value for name, value in columns.items()},
        "content_attributes": double_encoded(attributes),
    }
    number: int = insert_row(connection, "messages", values)
    if touch:
        change_conversation(connection, conversation_id, last_activity_at=created)
        if columns.get("sender_type") == "User" and not columns.get("private"):
            connection.execute(
                "UPDATE conversations SET first_reply_created_at = coalesce(first_reply_created_at, %s) "
                "WHERE id = %s",
                (created.astimezone(UTC).replace(tzinfo=None), conversation_id),
            )
    return number


def delete_message(connection: Connection[Any], message_id: int) -> None:
    """Delete a message as Chatwoot does: its text is replaced, its files go, the row stays."""
    connection.execute(
        """
        UPDATE messages SET content = 'This message was deleted', content_type = 0, content_attributes = %s,
            updated_at = now() AT TIME ZONE 'UTC'
        WHERE id = %s
        """,
        (double_encoded({"deleted": True}), message_id),
    )
    connection.execute("DELETE FROM attachments WHERE message_id = %s", (message_id,))


def add_attachment(
    connection: Connection[Any], message_id: int, name: str, content_type: str, size: int, **columns: Any
) -> int:
    """Insert a stored file of a message, which stays untouched; return the attachment's id."""
    now = datetime.now(UTC)
    row = connection.execute("SELECT account_id FROM messages WHERE id = %s", (message_id,)).fetchone()
    assert row is not None
    stamps = {"created_at": now, "updated_at": now}
    number: int = insert_row(
        connection,
        "attachments",
        {"account_id": row[0], "message_id": message_id, "file_type": 3, **stamps, **columns},
    )
    blob = insert_row(
        connection,
        "active_storage_blobs",
        {
            "key": f"sample-{number}",
            "filename": name,
            "content_type": content_type,
            "byte_size": size,
            "service_name": "local",
            "created_at": now,
        },
    )
    insert_row(
        connection,
        "active_storage_attachments",
        {
            "name": "file",
            "record_type": "Attachment",
            "record_id": number,
            "blob_id": blob,
            "created_at": now,
        },
    )
    return number


def resolve(connection: Connection[Any], conversation_id: int, at: datetime | None = None) -> None:
    """Resolve a conversation at a moment, now by default, and note the event as Chatwoot's reports do."""
    moment = at or datetime.now(UTC)
    change_conversation(connection, conversation_id, status=1)
    row = connection.execute(
        "SELECT account_id, inbox_id, created_at FROM conversations WHERE id = %s", (conversation_id,)
    ).fetchone()
    assert row is not None
    insert_row(
        connection,
        "reporting_events",
        {
            "name": "conversation_resolved",
            "value": 1.0,
            "account_id": row[0],
            "inbox_id": row[1],
            "conversation_id": conversation_id,
            "event_start_time": row[2],
            "event_end_time": moment,
            "created_at": moment,
            "updated_at": moment,
        },
    )


def agent_named(connection: Connection[Any], name: str) -> int:
    """Return the id of the agent with this name."""
    row = connection.execute("SELECT id FROM users WHERE name = %s ORDER BY id", (name,)).fetchone()
    assert row is not None
    return int(row[0])
