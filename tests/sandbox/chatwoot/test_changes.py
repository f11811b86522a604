from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from sandbox.chatwoot.changes import (
    add_contact,
    delete_contact,
    finish_deletion,
    merge_contacts,
    update_columns,
    update_contact,
)
from sandbox.chatwoot.sample import Sample, fill
from sandbox.chatwoot.schema import create_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg import Connection


@pytest.fixture(scope="module")
def filled(new_database: Callable[[str], str]) -> Iterator[Connection[Any]]:
    with psycopg.connect(new_database("changes"), autocommit=True) as connection:
        create_schema(connection)
        fill(connection, Sample(contacts=60, conversations=120, messages=400, accounts=1))
        yield connection


def one(connection: Connection[Any], query: str, *parameters: object) -> Any:
    row = connection.execute(query, parameters).fetchone()  # type: ignore[arg-type]
    assert row
    return row[0]


def talkative(connection: Connection[Any], *, nth: int) -> int:
    """The id of a contact that has conversations with messages."""
    return int(
        one(
            connection,
            """
            SELECT contact_id FROM conversations WHERE EXISTS (
                SELECT 1 FROM messages WHERE conversation_id = conversations.id AND sender_type = 'Contact'
            ) GROUP BY contact_id ORDER BY contact_id OFFSET %s LIMIT 1
            """,
            nth,
        )
    )


def test_a_save_moves_updated_at_and_a_job_does_not(filled: Connection[Any]) -> None:
    number = add_contact(filled, 1, updated_at=datetime(2020, 1, 1, tzinfo=UTC))
    filled.execute("SET TimeZone = 'Asia/Tokyo'")
    read = "SELECT updated_at FROM contacts WHERE id = %s"
    assert one(filled, read, number) == datetime(2020, 1, 1)  # noqa: DTZ001 - as stored
    update_columns(filled, number, custom_attributes={"plan": "pro"})
    assert one(filled, read, number).year == 2020
    update_contact(filled, number, name="New")
    now = datetime.now(UTC).replace(tzinfo=None)
    assert abs((now - one(filled, read, number)).total_seconds()) < 3600
    assert one(filled, "SELECT custom_attributes ->> 'plan' FROM contacts WHERE id = %s", number) == "pro"


def test_a_merge_moves_everything_and_deletes_the_mergee(filled: Connection[Any]) -> None:
    base, mergee = talkative(filled, nth=0), talkative(filled, nth=1)
    update_columns(filled, base, email=None, custom_attributes={"plan": "free"})
    update_columns(filled, mergee, email="mergee@example.com", custom_attributes={"plan": "pro", "seats": 3})
    moved = one(filled, "SELECT count(*) FROM conversations WHERE contact_id IN (%s, %s)", base, mergee)

    merge_contacts(filled, base, mergee)

    assert one(filled, "SELECT count(*) FROM contacts WHERE id = %s", mergee) == 0
    for query in (
        "SELECT count(*) FROM conversations WHERE contact_id = %s",
        "SELECT count(*) FROM contact_inboxes WHERE contact_id = %s",
        "SELECT count(*) FROM messages WHERE sender_type = 'Contact' AND sender_id = %s",
        "SELECT count(*) FROM taggings WHERE taggable_type = 'Contact' AND taggable_id = %s",
    ):
        assert one(filled, query, mergee) == 0, query
    assert one(filled, "SELECT count(*) FROM conversations WHERE contact_id = %s", base) == moved
    assert one(filled, "SELECT email FROM contacts WHERE id = %s", base) == "mergee@example.com"
    assert one(filled, "SELECT custom_attributes FROM contacts WHERE id = %s", base) == {
        "plan": "free",
        "seats": 3,
    }


def test_a_deletion_leaves_its_conversations_until_the_jobs_come(filled: Connection[Any]) -> None:
    number = talkative(filled, nth=2)
    delete_contact(filled, number)
    assert one(filled, "SELECT count(*) FROM contacts WHERE id = %s", number) == 0
    assert one(filled, "SELECT count(*) FROM conversations WHERE contact_id = %s", number) > 0
    finish_deletion(filled, number)
    assert one(filled, "SELECT count(*) FROM conversations WHERE contact_id = %s", number) == 0
    assert (
        one(filled, "SELECT count(*) FROM messages WHERE sender_type = 'Contact' AND sender_id = %s", number)
        == 0
    )
