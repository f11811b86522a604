from __future__ import annotations

import re
from random import Random
from typing import TYPE_CHECKING, Any

import phonenumbers
import psycopg
import pytest
from typer.testing import CliRunner

from sandbox.chatwoot.phones import REGIONS, PhoneBook
from sandbox.chatwoot.sample import AlreadyFilledError, Sample, fill, quotas
from sandbox.chatwoot.schema import create_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg import Connection

SAMPLE = Sample(contacts=400, conversations=500, messages=3000, seed=7)


@pytest.fixture(scope="module")
def filled(new_database: Callable[[str], str]) -> Iterator[Connection[Any]]:
    with psycopg.connect(new_database("sample"), autocommit=True) as connection:
        create_schema(connection)
        fill(connection, SAMPLE)
        yield connection


def column(connection: Connection[Any], query: str) -> list[Any]:
    return [row[0] for row in connection.execute(query)]  # type: ignore[arg-type]


def test_the_numbers_asked_for_are_there(filled: Connection[Any]) -> None:
    counted = {
        table: column(filled, f"SELECT count(*) FROM {table} WHERE account_id = 1")[0]
        for table in ("contacts", "conversations", "messages")
    }
    assert counted == {"contacts": 400, "conversations": 500, "messages": 3000}
    assert column(filled, "SELECT count(*) FROM contacts WHERE account_id = 2") == [20]
    assert column(filled, "SELECT name FROM accounts WHERE id = 1") == ["Acme Support"]


def test_the_same_seed_gives_the_same_rows(
    filled: Connection[Any], new_database: Callable[[str], str]
) -> None:
    query = """
        SELECT md5(string_agg(row_text, '' ORDER BY row_text)) FROM (
            SELECT contacts::text AS row_text FROM contacts
            UNION ALL SELECT conversations::text FROM conversations
            UNION ALL SELECT messages::text FROM messages
            UNION ALL SELECT contact_inboxes::text FROM contact_inboxes
            UNION ALL SELECT taggings::text FROM taggings
            UNION ALL SELECT installation_configs::text FROM installation_configs
        ) AS every
    """
    sums = [column(filled, query)]
    for seed in (7, 8):
        with psycopg.connect(new_database("again"), autocommit=True) as connection:
            # A session in another zone must not move the times.
            connection.execute("SET TimeZone = 'Asia/Tokyo'")
            create_schema(connection)
            fill(connection, Sample(contacts=400, conversations=500, messages=3000, seed=seed))
            sums.append(column(connection, query))
    assert sums[0] == sums[1]
    assert sums[0] != sums[2]


def test_a_filled_database_is_left_alone(filled: Connection[Any]) -> None:
    with pytest.raises(AlreadyFilledError):
        fill(filled, SAMPLE)
    assert column(filled, "SELECT count(*) FROM accounts") == [2]


def test_no_address_or_number_can_belong_to_anyone(filled: Connection[Any]) -> None:
    emails = column(filled, "SELECT email FROM contacts WHERE email IS NOT NULL")
    assert emails
    assert all(
        re.fullmatch(r"[a-z0-9.-]+@([a-z0-9-]+\.)*(example\.(com|org|net)|[a-z]+\.test)", e) for e in emails
    )
    assert len(set(emails)) >= len(emails) - 20  # the second account repeats the odd ones
    phones = column(
        filled, "SELECT phone_number FROM contacts WHERE account_id = 1 AND phone_number IS NOT NULL"
    )
    assert all(phonenumbers.is_valid_number(phonenumbers.parse(phone)) for phone in phones)
    assert len(set(phones)) == len(phones)


def test_every_kind_of_contact_is_there(filled: Connection[Any]) -> None:
    for condition in (
        "email IS NOT NULL AND phone_number IS NOT NULL",
        "email IS NOT NULL AND phone_number IS NULL",
        "email IS NULL AND phone_number IS NOT NULL",
        "email IS NULL AND phone_number IS NULL AND identifier IS NULL AND contact_type = 0",
        "name = '' AND email IS NOT NULL",
        "name = '' AND phone_number IS NOT NULL",
        "name ~ '[\U0001f300-\U0001faff]'",
        "name ~ '[\u0590-\u06ff]'",
        "length(name) > 255",
        "blocked",
        "identifier IS NOT NULL",
        "additional_attributes ? 'company_name'",
        "company_id IS NOT NULL",
        "custom_attributes ? 'company'",
        "custom_attributes ? 'organization'",
        "custom_attributes ? 'company_zipcode'",
        "custom_attributes ? 'job_title'",
        "jsonb_typeof(custom_attributes -> 'lead_value') = 'number'",
    ):
        assert column(filled, f"SELECT count(*) FROM contacts WHERE account_id = 1 AND {condition}")[0], (
            condition
        )


def test_one_company_is_spelt_in_several_ways(filled: Connection[Any]) -> None:
    names = column(
        filled,
        """
        SELECT DISTINCT coalesce(
            additional_attributes ->> 'company_name', custom_attributes ->> 'company', custom_attributes ->> 'organization'
        ) FROM contacts WHERE email LIKE '%@globex.example.com'
        """,
    )
    assert {name.strip().casefold() for name in names} == {"globex trading"}
    assert len(names) == 3


def test_conversations_agree_with_their_messages(filled: Connection[Any]) -> None:
    wrong = column(
        filled,
        """
        SELECT c.id FROM conversations AS c
        JOIN contacts AS p ON p.id = c.contact_id
        JOIN contact_inboxes AS l ON l.id = c.contact_inbox_id
        LEFT JOIN LATERAL (
            SELECT max(m.created_at) AS last_at,
                min(m.created_at) FILTER (WHERE m.message_type = 1 AND m.sender_type = 'User' AND NOT m.private) AS reply_at
            FROM messages AS m WHERE m.conversation_id = c.id
        ) AS said ON true
        WHERE c.last_activity_at <> coalesce(said.last_at, c.created_at)
            OR c.first_reply_created_at IS DISTINCT FROM said.reply_at
            OR c.created_at < p.created_at
            OR l.contact_id <> c.contact_id OR l.inbox_id <> c.inbox_id
            OR (c.status = 1 AND c.waiting_since IS NOT NULL)
            OR (c.status = 2 AND c.assignee_id IS NOT NULL)
            OR (p.blocked AND c.status <> 1)
        """,
    )
    assert wrong == []
    assert set(column(filled, "SELECT status FROM conversations")) == {0, 1, 2, 3}
    assert set(column(filled, "SELECT message_type FROM messages")) == {0, 1, 2, 3}
    assert column(filled, "SELECT count(*) FROM messages WHERE private")[0]
    assert column(filled, "SELECT count(*) FROM attachments")[0]
    assert column(filled, "SELECT max(updated_at) <= timestamp '2026-10-01 00:05' FROM messages") == [True]


def test_message_attributes_are_encoded_twice(filled: Connection[Any]) -> None:
    assert set(column(filled, "SELECT json_typeof(content_attributes) FROM messages")) == {"string", "object"}
    assert column(filled, "SELECT DISTINCT content_attributes ->> 'deleted' FROM messages") == [None]
    assert column(
        filled,
        """
        SELECT DISTINCT content FROM messages
        WHERE json_typeof(content_attributes) = 'string'
            AND (content_attributes #>> '{}')::json ->> 'deleted' = 'true'
        """,
    ) == ["This message was deleted"]


def test_contacts_were_last_active_when_they_last_wrote(filled: Connection[Any]) -> None:
    assert column(
        filled,
        """
        SELECT count(*) FROM contacts AS c
        WHERE last_activity_at IS DISTINCT FROM (
            SELECT max(m.created_at) FROM messages AS m JOIN conversations AS v ON v.id = m.conversation_id
            WHERE v.contact_id = c.id AND m.message_type = 0 AND m.content <> 'This message was deleted'
        ) OR updated_at < created_at OR updated_at < last_activity_at
        """,
    ) == [0]


def test_labels_and_sequences_continue_where_the_sample_ends(filled: Connection[Any]) -> None:
    assert (
        column(
            filled,
            """
        SELECT name FROM tags
        WHERE taggings_count <> (SELECT count(*) FROM taggings WHERE tag_id = tags.id)
        """,
        )
        == []
    )
    row = filled.execute(
        "INSERT INTO contacts (account_id, created_at, updated_at) VALUES (2, now(), now()) RETURNING id"
    ).fetchone()
    assert row == (421,)
    filled.execute("DELETE FROM contacts WHERE id = 421")


def test_all_channels_have_an_inbox_and_people(filled: Connection[Any]) -> None:
    used = column(
        filled,
        """
        SELECT DISTINCT channel_type FROM inboxes JOIN contact_inboxes ON inbox_id = inboxes.id
        WHERE account_id = 1
        """,
    )
    assert {
        "Channel::WebWidget",
        "Channel::Email",
        "Channel::Whatsapp",
        "Channel::Api",
        "Channel::TwilioSms",
    } <= set(used)
    assert column(filled, "SELECT count(DISTINCT channel_type) FROM inboxes WHERE account_id = 1") == [11]
    assert column(
        filled,
        """
        SELECT count(*) FROM contact_inboxes AS l
        JOIN inboxes AS i ON i.id = l.inbox_id JOIN contacts AS c ON c.id = l.contact_id
        WHERE i.channel_type = 'Channel::Whatsapp' AND '+' || l.source_id <> c.phone_number
        """,
    ) == [0]


@pytest.mark.parametrize(("total", "parts"), [(0, 5), (7, 3), (1000, 1), (3, 1000)])
def test_quotas_add_up(total: int, parts: int) -> None:
    shares = quotas(total, parts, Random(1))
    assert sum(shares) == total
    assert len(shares) == parts
    assert min(shares) >= 0


def test_quotas_of_nothing() -> None:
    assert quotas(5, 0, Random(1)) == []


@pytest.mark.parametrize("region", sorted(REGIONS))
def test_a_phone_book_gives_each_number_once(region: str) -> None:
    book = PhoneBook(start=12)
    numbers = [book.next(region) for _ in range(12_000)]
    assert len(set(numbers)) == len(numbers)
    assert all(phonenumbers.is_valid_number(phonenumbers.parse(number)) for number in numbers[::97])


def test_the_command_line_fills_once(database_url: str) -> None:
    import typer

    from sandbox.chatwoot.__main__ import main

    app = typer.Typer()
    app.command()(main)
    options = ["--database-url", database_url, "--contacts", "5", "--conversations", "5", "--messages", "9"]
    first = CliRunner().invoke(app, options)
    assert first.exit_code == 0, first.output
    assert "5 contacts, 5 conversations, 9 messages" in first.output
    second = CliRunner().invoke(app, options)
    assert second.exit_code == 0
    assert "there already" in second.output
    with psycopg.connect(database_url) as connection:
        assert column(connection, "SELECT count(*) FROM messages WHERE account_id = 1") == [9]
