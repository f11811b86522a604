"""Checksums as the database computes them: stable, complete, and of nothing but what is mapped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from chatwoot.errors import MissingPrivileges, UnknownAccount, UnknownInbox
from chatwoot.source import SourceFilter, SourceSnapshot
from chatwoot.streams import BUCKET, BUCKET_BITS, Stream, is_dormant, same_contents
from psycopg import sql

from sandbox.chatwoot import changes, conversations

if TYPE_CHECKING:
    from chatwoot.database.source import DatabaseSource
    from psycopg import Connection

ACCOUNT = SourceFilter(1)
NOON = datetime(2026, 5, 5, 12, tzinfo=UTC)
MODULUS = 2**63 - 1


@pytest.fixture
def talk(chatwoot: Connection[Any], website: int) -> int:
    """A conversation (its id) with everything that can hang on it, of contact 1000."""
    ada = changes.add_contact(
        chatwoot, 1, inbox_id=website, id=1000, name="Ada", email="ada@example.com", phone_number="+493012345",
        identifier="shop-1", additional_attributes={"city": "Köln", "n": 1.50}, custom_attributes={"b": [1, None]},
        created_at=NOON, last_activity_at=NOON,
    )  # fmt: skip
    changes.link_inbox(chatwoot, ada, website, "krayin:person:5")
    agent = conversations.agent_named(chatwoot, "Ada Brandt")
    talk = conversations.add_conversation(
        chatwoot, ada, website, id=2000, created_at=NOON, assignee_id=agent, priority=2, cached_label_list="vip",
        custom_attributes={"order": 5}, additional_attributes={"mail_subject": "Order"},
    )  # fmt: skip
    asked = conversations.add_message(chatwoot, talk, "Hello", id=3000, created_at=NOON)
    conversations.add_attachment(chatwoot, asked, "order.pdf", "application/pdf", 500, id=4000)
    conversations.add_message(
        chatwoot, talk, "Hi", id=3001, message_type=1, sender_type="User", sender_id=agent, created_at=NOON,
        content_attributes={"external_echo": True},
    )  # fmt: skip
    conversations.resolve(chatwoot, talk, NOON)
    return talk


def hashes(
    source: DatabaseSource, stream: Stream, keys: list[int], scope: SourceFilter = ACCOUNT, **options: Any
) -> dict[int, int]:
    with source.snapshot() as snapshot:
        return snapshot.hashes(stream, scope, keys, **options)


def test_a_database_snapshot_keeps_the_port(source: DatabaseSource) -> None:
    with source.snapshot() as snapshot:
        port: SourceSnapshot = snapshot
        assert port.formula == "database/1"


@pytest.mark.parametrize(
    ("stream", "key", "expected"),
    [
        (Stream.CONTACTS, 1000, 3_348_949_760_528_573_482),
        (Stream.CONVERSATIONS, 1, 2_506_988_437_101_815_826),
        (Stream.MESSAGES, 3000, 1_108_581_219_917_645_296),
        (Stream.MESSAGES, 3001, 4_562_803_041_116_011_886),
        (Stream.PROGRESS, 1000, 1_841_630_897_301_825_234),
    ],
)
@pytest.mark.usefixtures("talk")
def test_a_hash_is_the_same_for_ever(source: DatabaseSource, stream: Stream, key: int, expected: int) -> None:
    # Another formula finds everything changed: it needs another name, see `ChecksumReading.formula`.
    assert hashes(source, stream, [key]) == {key: expected}


@pytest.mark.usefixtures("talk")
@pytest.mark.parametrize(
    "setting",
    [
        ("TimeZone", "Asia/Tokyo"),
        ("DateStyle", "German"),
        ("extra_float_digits", "0"),
        ("bytea_output", "escape"),
        ("max_parallel_workers_per_gather", "0"),
        ("enable_hashagg", "off"),
        ("IntervalStyle", "iso_8601"),
    ],
)
def test_hashes_do_not_depend_on_settings_of_the_database(
    source: DatabaseSource, chatwoot: Connection[Any], setting: tuple[str, str]
) -> None:
    keys = {
        Stream.CONTACTS: [1000],
        Stream.CONVERSATIONS: [1],
        Stream.MESSAGES: [3000, 3001],
        Stream.PROGRESS: [1000],
    }
    before = {stream: hashes(source, stream, one) for stream, one in keys.items()}
    chatwoot.execute(
        sql.SQL("ALTER DATABASE {} SET {} = {}").format(
            sql.Identifier(chatwoot.info.dbname), sql.Identifier(setting[0]), sql.Literal(setting[1])
        )
    )
    assert {stream: hashes(source, stream, one) for stream, one in keys.items()} == before
    assert all(len(found) == len(keys[stream]) for stream, found in before.items())


def test_checksums_are_the_sums_of_the_hashes(
    source: DatabaseSource, chatwoot: Connection[Any], website: int
) -> None:
    for number in range(2 * BUCKET + 10):
        account = 2 if number % 7 == 0 else 1
        contact = changes.add_contact(chatwoot, account, name=f"{number}")
        if account == 1 and number % 3 == 0:
            talk = conversations.add_conversation(chatwoot, contact, website)
            conversations.add_message(chatwoot, talk, "Hello")
    for stream in Stream:
        with source.snapshot() as snapshot:
            sums = list(snapshot.checksums(stream, ACCOUNT))
            rows = snapshot.hashes(stream, ACCOUNT, range(10 * BUCKET))
        expected: dict[int, list[int]] = {}
        for key, row_hash in rows.items():
            expected.setdefault(key >> BUCKET_BITS, []).append(row_hash)
        assert [(one.number, one.rows, one.checksum) for one in sums] == [
            (number, len(held), sum(held) % MODULUS) for number, held in sorted(expected.items())
        ]
        assert rows


def test_the_same_contents_under_another_id_have_another_hash(
    source: DatabaseSource, chatwoot: Connection[Any]
) -> None:
    twins = [changes.add_contact(chatwoot, 1, name="Ada", created_at=NOON, updated_at=NOON) for _ in range(2)]
    first, second = hashes(source, Stream.CONTACTS, twins).values()
    assert first != second


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"name": "AdaL", "email": ""}, {"name": "Ada", "email": "L"}),
        ({"custom_attributes": {"a": 1}}, {"custom_attributes": {"a": "1"}}),
        ({"custom_attributes": {"a": 1}}, {"additional_attributes": {"a": 1}}),
        ({"custom_attributes": {"a": True, "b": False}}, {"custom_attributes": {"a": False, "b": True}}),
        ({"blocked": True}, {"blocked": False}),
        ({"phone_number": "+491"}, {"identifier": "+491"}),
    ],
)
def test_different_contents_have_different_hashes(
    source: DatabaseSource, chatwoot: Connection[Any], one: dict[str, Any], other: dict[str, Any]
) -> None:
    number = changes.add_contact(chatwoot, 1, **one)
    before = hashes(source, Stream.CONTACTS, [number])
    default = {"name": "", "email": None, "phone_number": None, "identifier": None, "blocked": False}
    changes.update_columns(
        chatwoot, number, **default | {"custom_attributes": {}, "additional_attributes": {}} | other
    )
    assert hashes(source, Stream.CONTACTS, [number]) != before


def test_nothing_and_empty_are_the_same(source: DatabaseSource, chatwoot: Connection[Any]) -> None:
    number = changes.add_contact(
        chatwoot, 1, name=None, email=None, custom_attributes=None, additional_attributes=None
    )
    before = hashes(source, Stream.CONTACTS, [number])
    changes.update_columns(
        chatwoot, number, name="", email="", custom_attributes={}, additional_attributes={}
    )
    assert hashes(source, Stream.CONTACTS, [number]) == before


@pytest.mark.parametrize("odd", ["null", "5", '"avatar_url_hash"', '["avatar_url_hash"]'])
def test_attributes_that_are_no_object_do_not_stop_a_sweep(
    source: DatabaseSource, chatwoot: Connection[Any], odd: str
) -> None:
    number = changes.add_contact(chatwoot, 1)
    chatwoot.execute(
        "UPDATE contacts SET additional_attributes = %(odd)s, custom_attributes = %(odd)s WHERE id = %(id)s",
        {"odd": odd, "id": number},
    )
    assert list(hashes(source, Stream.CONTACTS, [number])) == [number]


def test_the_lowest_bit_says_that_nothing_happened_since(
    source: DatabaseSource, chatwoot: Connection[Any], talk: int
) -> None:
    keys = {Stream.CONTACTS: 1000, Stream.CONVERSATIONS: 1, Stream.MESSAGES: 3000, Stream.PROGRESS: 1000}
    chatwoot.execute("UPDATE conversations SET last_activity_at = created_at WHERE id = %s", (talk,))
    for stream, key in keys.items():
        unbound = hashes(source, stream, [key])[key]
        since_then = hashes(source, stream, [key], since=NOON)[key]
        later = hashes(source, stream, [key], since=NOON + timedelta(seconds=1))[key]
        assert unbound == since_then != later
        assert same_contents(unbound, later)
        assert (is_dormant(unbound), is_dormant(later)) == (False, True)


def test_only_the_inboxes_and_the_account_of_the_scope_count(
    source: DatabaseSource, chatwoot: Connection[Any], website: int, mailbox: int
) -> None:
    here = changes.add_contact(chatwoot, 1, inbox_id=website)
    there = changes.add_contact(chatwoot, 1, inbox_id=mailbox)
    changes.add_contact(chatwoot, 2)
    said = [
        conversations.add_message(chatwoot, conversations.add_conversation(chatwoot, contact, inbox), "Hi")
        for contact, inbox in ((here, website), (there, mailbox))
    ]
    everything = range(1, BUCKET)
    only = SourceFilter(1, frozenset({website}))
    assert list(hashes(source, Stream.CONTACTS, list(everything))) == [here, there]
    assert list(hashes(source, Stream.CONTACTS, list(everything), only)) == [here]
    assert list(hashes(source, Stream.MESSAGES, list(everything), only)) == said[:1]
    assert list(hashes(source, Stream.CONVERSATIONS, list(everything), only)) == [1]
    assert list(hashes(source, Stream.PROGRESS, list(everything), only)) == [here]
    with source.snapshot() as snapshot:
        assert snapshot.there(Stream.CONTACTS, only, [here, there, 999]) == {here, there}
        assert snapshot.there(Stream.MESSAGES, only, [*said, 999]) == set(said)
        assert snapshot.there(Stream.CONVERSATIONS, only, [1, 2, 999]) == {1, 2}
        assert snapshot.there(Stream.PROGRESS, only, [here, there, 999]) == {here, there}
        assert [one.rows for one in snapshot.checksums(Stream.CONTACTS, SourceFilter(1, frozenset()))] == []


def test_an_unknown_scope_is_an_error(source: DatabaseSource) -> None:
    with source.snapshot() as snapshot:
        with pytest.raises(UnknownAccount):
            snapshot.checksums(Stream.CONTACTS, SourceFilter(99))
        with pytest.raises(UnknownInbox):
            snapshot.checksums(Stream.MESSAGES, SourceFilter(1, frozenset({999})))


def test_contacts_need_no_more_privileges_than_before(chatwoot: Connection[Any]) -> None:
    from chatwoot.database.source import DatabaseSource

    from tests.chatwoot.database.test_source import NEEDED, role

    number = changes.add_contact(chatwoot, 1)
    with DatabaseSource(role(chatwoot, NEEDED)).snapshot() as snapshot:
        assert list(snapshot.hashes(Stream.CONTACTS, ACCOUNT, [number])) == [number]
        with pytest.raises(MissingPrivileges):
            snapshot.checksums(Stream.MESSAGES, ACCOUNT)


def test_a_sweep_takes_the_indexes_for_a_few_keys(chatwoot: Connection[Any]) -> None:
    from statements import statement

    chatwoot.execute(
        "INSERT INTO contacts (account_id, name, created_at, updated_at) "
        "SELECT 1, 'x', now(), now() FROM generate_series(1, 20000)"
    )
    chatwoot.execute("ANALYZE contacts")
    plan = "\n".join(
        row[0]
        for row in chatwoot.execute(
            "EXPLAIN " + statement("contacts/checksums"),
            {
                "account_id": 1,
                "inboxes": None,
                "where": None,
                "lead": None,
                "labels": False,
                "since": None,
                "shift": 0,
                "keys": list(range(64)),
            },
        )
    )
    assert "contacts_pkey" in plan
    assert "Seq Scan on contacts" not in plan


def test_an_interrupted_reading_says_so(chatwoot_url: str) -> None:
    from chatwoot.database.source import DatabaseSource
    from chatwoot.errors import SnapshotInterrupted

    with DatabaseSource(chatwoot_url).snapshot() as snapshot, psycopg.connect(chatwoot_url) as other:
        sums = snapshot.checksums(Stream.CONTACTS, ACCOUNT)
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        with pytest.raises(SnapshotInterrupted):
            list(sums)
