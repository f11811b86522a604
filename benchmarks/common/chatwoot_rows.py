"""Rows in the true schema of a Chatwoot, made by the database itself: a million takes seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.common.bulk_load import without_indexes
from sandbox.chatwoot.bulk import advance_sequences
from sandbox.chatwoot.sample import Sample, fill
from sandbox.chatwoot.schema import create_schema

if TYPE_CHECKING:
    import psycopg

ACCOUNT = 1
CONTACTS_A_COMPANY = 12

# Every contact has a name, an e-mail, a phone, a company, a job title, a place and a description; one name in
# ten has letters beyond ASCII, one company in four an address, one phone in ten is not in E.164.
_CONTACTS = """
INSERT INTO contacts
    (id, account_id, name, email, phone_number, contact_type, location, country_code, additional_attributes,
     custom_attributes, last_activity_at, created_at, updated_at)
SELECT
    n, %(account)s,
    CASE WHEN n %% 10 = 0 THEN 'Zoë Müller ' ELSE 'Alex Example ' END || n,
    'Person.' || n || '@example' || n %% 900 || '.com',
    CASE WHEN n %% 10 = 1 THEN '+1 (415) ' || lpad((n / 10000 %% 800 + 200)::text, 3, '0')
                               || '-' || lpad((n %% 10000)::text, 4, '0')
         ELSE (ARRAY['+4915', '+9198', '+447', '+336', '+5511'])[n %% 5 + 1]
              || lpad((n + 100000000)::text, 9, '0') END,
    1, 'Pune, India', 'India',
    jsonb_build_object(
        'company_name', 'Company ' || company, 'city', 'Pune', 'country', 'India', 'country_code', 'IN',
        'job_title', 'Head of procurement', 'social_profiles', jsonb_build_object('twitter', 'person' || n),
        'description', 'Wrote about the larger model and asked for a call back next week. Order ' || n || '.')
    || CASE WHEN company %% 4 = 0
            THEN jsonb_build_object('company_city', 'Pune', 'company_address', company || ' Mill Road')
            ELSE '{}' END,
    jsonb_build_object('plan', (ARRAY['free', 'pro', 'enterprise'])[n %% 3 + 1], 'lead_value', n %% 5000,
                       'newsletter', n %% 2 = 0),
    timestamp '2026-01-01' + n * interval '1 second',
    timestamp '2025-01-01' + n * interval '1 second',
    timestamp '2026-01-01' + n * interval '1 second'
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n,
     LATERAL (SELECT n / %(members)s AS company) AS named
"""
_INBOXES = """
INSERT INTO contact_inboxes (contact_id, inbox_id, source_id, pubsub_token, created_at, updated_at)
SELECT n, 1, 'source-' || n, 'token-' || n, timestamp '2025-01-01', timestamp '2025-01-01'
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
"""
_LABELS = """
INSERT INTO taggings (tag_id, taggable_type, taggable_id, context, created_at)
SELECT (SELECT min(id) FROM tags), 'Contact', n, 'labels', timestamp '2025-01-01'
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
WHERE n %% 5 = 0
"""
_CONVERSATIONS = """
INSERT INTO conversations
    (id, account_id, inbox_id, contact_id, contact_inbox_id, display_id, status, uuid, additional_attributes,
     created_at, updated_at, last_activity_at)
SELECT n, %(account)s, 1, (n - 1) %% %(contacts)s + 1, (n - 1) %% %(contacts)s + 1, n, (n %% 2)::integer,
       gen_random_uuid(), '{}', at, at, at
FROM generate_series(1::bigint, %(number)s::bigint) AS n,
     LATERAL (SELECT timestamp '2025-06-01' + n * interval '5 seconds' AS at) AS made
"""
# Of everyday width: 600 bytes a row on average, one text in ten of 1,200 letters, one in a hundred of 6,000.
# The letters hardly compress.
_MESSAGES = """
WITH prose AS MATERIALIZED (SELECT string_agg(md5(n::text), ' ') AS text FROM generate_series(1, 250) AS n)
INSERT INTO messages
    (id, account_id, inbox_id, conversation_id, message_type, content_type, private, content,
     processed_message_content, sender_type, sender_id, status, created_at, updated_at)
SELECT n, %(account)s, 1, (n - 1) %% %(conversations)s + 1, (n %% 2)::integer, 0, n %% 20 = 0,
       content, content, CASE WHEN n %% 2 = 0 THEN 'Contact' ELSE 'User' END, 1, 0, at, at
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n,
     LATERAL (SELECT timestamp '2025-06-01' + n * interval '1 second' AS at) AS made,
     prose,
     LATERAL (
         SELECT 'Message ' || n || ' ' || substr(
             prose.text, (n %% 2000)::integer + 1,
             CASE WHEN n %% 100 = 0 THEN 6000 WHEN n %% 10 = 0 THEN 1200 ELSE 20 + (n %% 120)::integer END
         ) AS content
     ) AS said
"""


def new_chatwoot(connection: psycopg.Connection[Any]) -> None:
    """Make an empty Chatwoot with one account; `connection` is in autocommit mode."""
    create_schema(connection)
    fill(connection, Sample(contacts=0, conversations=0, messages=0, accounts=1))


def add_contacts(connection: psycopg.Connection[Any], number: int, first: int = 1) -> None:
    """Add contacts `first`, `first` + 1, ... with an inbox each, every fifth with a label."""
    values = {"account": ACCOUNT, "first": first, "last": first + number - 1, "members": CONTACTS_A_COMPANY}
    with without_indexes(connection, "contacts", "contact_inboxes", "taggings"):
        for made in (_CONTACTS, _INBOXES, _LABELS):
            connection.execute(made, values)
    advance_sequences(connection, ("contacts", "contact_inboxes", "taggings"))
    connection.execute("VACUUM ANALYZE contacts, contact_inboxes, taggings")


def add_talk(connection: psycopg.Connection[Any], contacts: int, conversations: int, messages: int) -> None:
    """Add conversations shared out over the contacts 1 to `contacts`, and messages over the conversations."""
    with without_indexes(connection, "conversations", "messages"):
        connection.execute(
            _CONVERSATIONS, {"account": ACCOUNT, "contacts": contacts, "number": conversations}
        )
        connection.execute(
            _MESSAGES, {"account": ACCOUNT, "conversations": conversations, "first": 1, "last": messages}
        )
    advance_sequences(connection, ("conversations", "messages"))
    connection.execute("VACUUM ANALYZE conversations, messages")
