"""Changes to a Chatwoot database, written as Chatwoot itself writes them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from psycopg import sql

from sandbox.chatwoot.insertion import insert_row, stored

if TYPE_CHECKING:
    from psycopg import Connection


def add_contact(
    connection: Connection[Any], account_id: int, *, inbox_id: int | None = None, **columns: Any
) -> int:
    """Insert a contact, and its contact_inboxes row if `inbox_id` is given; return its id.

    `columns` are columns of contacts; the times default to now.
    """
    now = datetime.now(UTC)
    values = {"account_id": account_id, "created_at": now, "updated_at": now, **columns}
    contact_id: int = insert_row(connection, "contacts", values)
    if inbox_id is not None:
        link_inbox(connection, contact_id, inbox_id, f"sample-{contact_id}")
    return contact_id


def update_contact(connection: Connection[Any], contact_id: int, **columns: Any) -> None:
    """Set `columns` and updated_at, as a save in the dashboard, the API or an incoming message does."""
    update_columns(connection, contact_id, **{"updated_at": datetime.now(UTC), **columns})


def update_columns(connection: Connection[Any], contact_id: int, **columns: Any) -> None:
    """Set `columns` and leave updated_at alone, as the company and avatar jobs do."""
    assignments = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in columns
    )
    connection.execute(
        sql.SQL("UPDATE contacts SET {} WHERE id = {}").format(assignments, sql.Literal(contact_id)),
        stored(columns),
    )


def link_inbox(connection: Connection[Any], contact_id: int, inbox_id: int, source_id: str) -> int:
    """Insert a contact_inboxes row without touching the contact; return its id."""
    now = datetime.now(UTC)
    number: int = insert_row(
        connection,
        "contact_inboxes",
        {
            "contact_id": contact_id,
            "inbox_id": inbox_id,
            "source_id": source_id,
            "created_at": now,
            "updated_at": now,
        },
    )
    return number


def label_contact(connection: Connection[Any], contact_id: int, label: str, *, touch: bool = True) -> None:
    """Add `label`; with `touch=False` as the CSV import does it, leaving updated_at alone."""
    now = datetime.now(UTC)
    found = connection.execute("SELECT id FROM tags WHERE name = %s", (label,)).fetchone()
    tag = found[0] if found else insert_row(connection, "tags", {"name": label, "taggings_count": 0})
    insert_row(
        connection,
        "taggings",
        {
            "tag_id": tag,
            "taggable_type": "Contact",
            "taggable_id": contact_id,
            "context": "labels",
            "created_at": now,
        },
    )
    connection.execute("UPDATE tags SET taggings_count = taggings_count + 1 WHERE id = %s", (tag,))
    if touch:
        update_contact(connection, contact_id)


def delete_label(connection: Connection[Any], account_id: int, label: str) -> None:
    """Remove a label of the account from the catalogue and from its contacts, which stay untouched."""
    connection.execute("DELETE FROM labels WHERE account_id = %s AND title = %s", (account_id, label))
    connection.execute(
        """
        DELETE FROM taggings USING tags, contacts
        WHERE tags.id = taggings.tag_id AND tags.name = %s AND taggings.context = 'labels'
            AND taggings.taggable_type = 'Contact' AND contacts.id = taggings.taggable_id
            AND contacts.account_id = %s
        """,
        (label, account_id),
    )


def delete_contact(connection: Connection[Any], contact_id: int) -> None:
    """Delete the contact for good; conversations and messages are left to Chatwoot's later jobs."""
    connection.execute(
        "DELETE FROM taggings WHERE taggable_type = 'Contact' AND taggable_id = %s", (contact_id,)
    )
    connection.execute("DELETE FROM contacts WHERE id = %s", (contact_id,))


def finish_deletion(connection: Connection[Any], contact_id: int) -> None:
    """Do what Chatwoot's jobs do minutes after `delete_contact`."""
    connection.execute(
        """
        DELETE FROM messages WHERE conversation_id IN (SELECT id FROM conversations WHERE contact_id = %s)
        """,
        (contact_id,),
    )
    connection.execute("DELETE FROM conversations WHERE contact_id = %s", (contact_id,))
    connection.execute("DELETE FROM contact_inboxes WHERE contact_id = %s", (contact_id,))


def merge_contacts(connection: Connection[Any], base_id: int, mergee_id: int) -> None:
    """Merge `mergee_id` into `base_id` in one transaction.

    Conversations, messages, contact_inboxes and notes move; the mergee's labels are lost, its row is
    deleted, and the base takes attributes it lacks.
    """
    now = datetime.now(UTC)
    with connection.transaction():
        for table in ("conversations", "contact_inboxes", "notes"):
            connection.execute(
                sql.SQL("UPDATE {} SET contact_id = %s, updated_at = %s WHERE contact_id = %s").format(
                    sql.Identifier(table)
                ),
                (base_id, now, mergee_id),
            )
        connection.execute(
            """
            UPDATE messages SET sender_id = %s, updated_at = %s
            WHERE sender_type = 'Contact' AND sender_id = %s
            """,
            (base_id, now, mergee_id),
        )
        mergee = connection.execute(
            """
            SELECT email, phone_number, identifier, additional_attributes, custom_attributes
            FROM contacts WHERE id = %s
            """,
            (mergee_id,),
        ).fetchone()
        assert mergee is not None
        delete_contact(connection, mergee_id)
        email, phone, identifier, additional, custom = mergee
        connection.execute(
            """
            UPDATE contacts SET
                email = coalesce(email, %s), phone_number = coalesce(phone_number, %s),
                identifier = coalesce(identifier, %s),
                additional_attributes = %s::jsonb || coalesce(additional_attributes, '{}'),
                custom_attributes = %s::jsonb || coalesce(custom_attributes, '{}'),
                updated_at = %s
            WHERE id = %s
            """,
            (email, phone, identifier, json.dumps(additional or {}), json.dumps(custom or {}), now, base_id),
        )
