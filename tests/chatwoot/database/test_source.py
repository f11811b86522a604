from __future__ import annotations

import gc
import json
import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
import pytest
from chatwoot.contact_rule import ContactRule
from chatwoot.database.source import DatabaseSnapshot, DatabaseSource
from chatwoot.errors import (
    ChatwootUnreachable,
    MissingPrivileges,
    NotAChatwootDatabase,
    SnapshotInterrupted,
    UnknownAccount,
    UnknownInbox,
)
from chatwoot.records import BrokenRow, Contact, ContactInbox
from chatwoot.source import (
    ByIds,
    ChangedSince,
    Everything,
    SourceFilter,
    SourceSnapshot,
    Window,
)
from chatwoot.streams import Stream
from psycopg import sql

from sandbox.chatwoot.changes import add_contact, delete_contact, label_contact, link_inbox, update_columns
from sandbox.chatwoot.sample import Sample, fill
from sandbox.chatwoot.schema import create_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatwoot.source import Selection
    from psycopg import Connection

    from stack.postgres import Cluster

DAY = datetime(2026, 5, 1, tzinfo=UTC)
ACCOUNT = SourceFilter(1)


def read(
    source: DatabaseSource, selection: Selection, scope: SourceFilter = ACCOUNT, chunk: int = 2000
) -> list[Contact | BrokenRow]:
    with source.snapshot() as snapshot:
        return [
            contact
            for part in snapshot.rows(Stream.CONTACTS, scope, selection, chunk=chunk)
            for contact in part
        ]


def ids(found: list[Contact | BrokenRow]) -> list[int]:
    return [contact.key for contact in found]


def the_contact(source: DatabaseSource, number: int) -> Contact:
    [found] = read(source, ByIds(frozenset({number})))
    assert isinstance(found, Contact)
    return found


def role(connection: Connection[Any], *grants: str) -> str:
    """Make a login role with nothing but `grants`; return its URL."""
    name = f"reader_{connection.info.dbname}"
    connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'reader'").format(sql.Identifier(name)))
    for grant in grants:
        connection.execute(sql.SQL(grant).format(role=sql.Identifier(name)))  # type: ignore[arg-type]
    return (
        f"postgresql://{name}:reader@{connection.info.host}:{connection.info.port}/{connection.info.dbname}"
    )


NEEDED = "GRANT SELECT ON accounts, inboxes, contacts, contact_inboxes, tags, taggings TO {role}"


def test_a_contact_comes_whole(
    source: DatabaseSource, chatwoot: Connection[Any], website: int, mailbox: int
) -> None:
    created = datetime(2026, 3, 4, 5, 6, 7, 891011, UTC)
    number = add_contact(
        chatwoot, 1, inbox_id=website, name="🦄 Lívia", email="livia@example.com", phone_number="+5511900001234",
        identifier="shop-1", contact_type=1, blocked=True, location="São Paulo", country_code="Brazil",
        additional_attributes={"company_name": "Ação", "city": "São Paulo"}, custom_attributes={"plan": None},
        created_at=created, updated_at=created + timedelta(hours=1), last_activity_at=created,
    )  # fmt: skip
    link_inbox(chatwoot, number, mailbox, "livia@example.com")
    label_contact(chatwoot, number, "vip", touch=False)
    label_contact(chatwoot, number, "lead", touch=False)

    assert the_contact(source, number) == Contact(
        id=number, account_id=1, name="🦄 Lívia", last_name="", middle_name="", email="livia@example.com",
        phone_number="+5511900001234", identifier="shop-1", contact_type=1, blocked=True, location="São Paulo",
        country_code="Brazil", additional_attributes={"company_name": "Ação", "city": "São Paulo"},
        custom_attributes={"plan": None}, last_activity_at=created, created_at=created,
        updated_at=created + timedelta(hours=1), labels=("lead", "vip"),
        inboxes=tuple(sorted(
            (ContactInbox(website, f"sample-{number}"), ContactInbox(mailbox, "livia@example.com")),
            key=lambda link: link.inbox_id,
        )),
    )  # fmt: skip


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/St_Johns"])
def test_times_do_not_depend_on_the_session_zone(
    chatwoot: Connection[Any], source: DatabaseSource, zone: str
) -> None:
    number = add_contact(chatwoot, 1, created_at=DAY, updated_at=DAY)
    chatwoot.execute(
        sql.SQL("ALTER DATABASE {} SET TimeZone = {}").format(
            sql.Identifier(chatwoot.info.dbname), sql.Literal(zone)
        )
    )
    assert the_contact(source, number).updated_at == DAY
    assert ids(read(source, Window(DAY, DAY + timedelta(microseconds=1)))) == [number]
    with source.snapshot() as snapshot:
        assert abs(snapshot.watermark(Stream.CONTACTS).read_at - datetime.now(UTC)) < timedelta(hours=1)


@pytest.mark.parametrize("setting", ["client_encoding = 'LATIN1'", "transaction_timeout = '500ms'"])
def test_a_session_sets_what_it_relies_on(
    chatwoot: Connection[Any], source: DatabaseSource, setting: LiteralString
) -> None:
    if "transaction_timeout" in setting and chatwoot.info.server_version < 170_000:
        pytest.skip("this PostgreSQL knows no such setting")
    number = add_contact(chatwoot, 1, name="Ada 💙")
    chatwoot.execute(sql.SQL("ALTER DATABASE {} SET " + setting).format(sql.Identifier(chatwoot.info.dbname)))
    with source.snapshot() as snapshot:
        time.sleep(0.6)
        ((found,),) = snapshot.rows(Stream.CONTACTS, ACCOUNT, ByIds(frozenset({number})))
    assert isinstance(found, Contact)
    assert found.name == "Ada 💙"


def test_a_database_that_takes_any_bytes_is_read_with_replacements(
    postgres: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    name = f"ascii_{uuid.uuid4().hex[:10]}"
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        connection.execute(
            sql.SQL(
                "CREATE DATABASE {} TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'"
            ).format(sql.Identifier(name))
        )
    with psycopg.connect(postgres.dsn(name), autocommit=True, client_encoding="UTF8") as connection:
        create_schema(connection)
        fill(connection, Sample(contacts=0, conversations=0, messages=0))
        number = add_contact(connection, 1, name="Zoë")
        connection.execute(
            "UPDATE contacts SET last_name = E'L\\xf6we', custom_attributes = E'{\"city\": \"K\\xf6ln\"}' WHERE id = %s",
            (number,),
        )
    source = DatabaseSource(postgres.dsn(name))
    found = the_contact(source, number)
    assert (found.name, found.last_name) == ("Zoë", "L\N{REPLACEMENT CHARACTER}we")
    assert found.custom_attributes == {"city": "K\N{REPLACEMENT CHARACTER}ln"}
    assert "SQL_ASCII" in caplog.text


def test_a_window_takes_its_start_and_leaves_its_end(
    source: DatabaseSource, chatwoot: Connection[Any]
) -> None:
    before = DAY - timedelta(days=9)
    end = DAY + timedelta(days=1)
    updated_at_start = add_contact(chatwoot, 1, created_at=before, updated_at=DAY)
    add_contact(chatwoot, 1, created_at=before, updated_at=end)
    created_inside = add_contact(chatwoot, 1, created_at=end - timedelta(microseconds=1), updated_at=end)
    add_contact(chatwoot, 1, created_at=before, updated_at=before)
    add_contact(chatwoot, 2, created_at=DAY, updated_at=DAY)
    assert ids(read(source, Window(DAY, end))) == [updated_at_start, created_inside]


def test_ids_outside_the_scope_are_not_given(
    source: DatabaseSource, chatwoot: Connection[Any], website: int, mailbox: int
) -> None:
    here = add_contact(chatwoot, 1, inbox_id=website)
    elsewhere = add_contact(chatwoot, 2)
    other_inbox = add_contact(chatwoot, 1, inbox_id=mailbox)
    both = add_contact(chatwoot, 1, inbox_id=mailbox)
    link_inbox(chatwoot, both, website, "again")
    no_inbox = add_contact(chatwoot, 1)
    every = ByIds(frozenset({here, elsewhere, other_inbox, both, no_inbox, 999_999}))
    only_website = SourceFilter(1, frozenset({website}))

    assert ids(read(source, every)) == [here, other_inbox, both, no_inbox]
    assert ids(read(source, every, only_website)) == [here, both]
    assert ids(read(source, Everything(), only_website)) == [here, both]
    assert ids(read(source, Everything(), SourceFilter(1, frozenset()))) == []
    # The scope says which contacts, not which of their inboxes.
    assert {link.inbox_id for link in the_contact(source, both).inboxes} == {website, mailbox}


def test_labels_of_a_conversation_with_the_same_id_are_not_the_contact_s(
    source: DatabaseSource, chatwoot: Connection[Any]
) -> None:
    number = add_contact(chatwoot, 1)
    chatwoot.execute(
        """
        INSERT INTO taggings (tag_id, taggable_type, taggable_id, context, created_at)
        SELECT id, 'Conversation', %s, 'labels', now() FROM tags WHERE name = 'vip'
        """,
        (number,),
    )
    assert the_contact(source, number).labels == ()


def test_a_label_without_a_name_is_none(source: DatabaseSource, chatwoot: Connection[Any]) -> None:
    number = add_contact(chatwoot, 1)
    label_contact(chatwoot, number, "vip")
    chatwoot.execute(
        """
        WITH nameless AS (INSERT INTO tags (name) VALUES (NULL) RETURNING id)
        INSERT INTO taggings (tag_id, taggable_type, taggable_id, context, created_at)
        SELECT id, 'Contact', %s, 'labels', now() FROM nameless
        """,
        (number,),
    )
    assert the_contact(source, number).labels == ("vip",)


def follows_a_depth_of(levels: int) -> bool:
    """Whether this Python reads JSON nested so deeply: 3.11 does not, later ones do."""
    try:
        json.loads("[" * levels + "]" * levels)
    except RecursionError:
        return False
    return True


def test_broken_rows_stand_beside_the_good_ones(source: DatabaseSource, chatwoot: Connection[Any]) -> None:
    good = add_contact(chatwoot, 1, name="Good")
    never = add_contact(chatwoot, 1)
    ancient = add_contact(chatwoot, 1)
    far = add_contact(chatwoot, 1)
    text, listed, big, deep = (add_contact(chatwoot, 1) for _ in range(4))
    last = add_contact(chatwoot, 1, name="Last")
    for number, assignment in (
        (never, "updated_at = 'infinity'"),
        (ancient, "created_at = '0044-03-15 BC'"),
        (far, "last_activity_at = '20000-01-01'"),
        (text, """custom_attributes = '"{}"'"""),
        (listed, "additional_attributes = '[]'"),
        (big, "custom_attributes = ('{\"n\": ' || repeat('9', 6000) || '}')::jsonb"),
        (deep, "custom_attributes = ('{\"n\": ' || repeat('[', 5000) || repeat(']', 5000) || '}')::jsonb"),
    ):
        chatwoot.execute(
            sql.SQL("UPDATE contacts SET {} WHERE id = {}").format(sql.SQL(assignment), number)  # type: ignore[arg-type]
        )

    found = read(source, Everything())

    broken = {row.key: row.reason.split(":")[0] for row in found if isinstance(row, BrokenRow)}
    assert broken == {
        never: "updated_at", ancient: "created_at", far: "last_activity_at", text: "custom_attributes",
        listed: "additional_attributes", big: "custom_attributes",
        **({} if follows_a_depth_of(5000) else {deep: "custom_attributes"}),
    }  # fmt: skip
    assert [row.id for row in found if isinstance(row, Contact)] == sorted({good, deep, last} - broken.keys())


def test_an_empty_account_has_no_chunks(source: DatabaseSource) -> None:
    with source.snapshot() as snapshot:
        assert list(snapshot.rows(Stream.CONTACTS, ACCOUNT, Everything())) == []


def test_a_snapshot_stands_still_while_chatwoot_moves_on(
    source: DatabaseSource, chatwoot: Connection[Any]
) -> None:
    numbers = [add_contact(chatwoot, 1, name="before") for _ in range(5)]
    with source.snapshot() as snapshot:
        parts = snapshot.rows(Stream.CONTACTS, ACCOUNT, Everything(), chunk=1)
        first = next(parts)
        add_contact(chatwoot, 1, name="after")
        delete_contact(chatwoot, numbers[3])
        update_columns(chatwoot, numbers[4], name="after")
        label_contact(chatwoot, numbers[4], "vip")
        rest = [contact for part in parts for contact in part]
    assert ids(first + rest) == numbers
    assert {contact.name for contact in rest if isinstance(contact, Contact)} == {"before"}
    assert {contact.labels for contact in rest if isinstance(contact, Contact)} == {()}


@pytest.fixture
def many(chatwoot: Connection[Any]) -> int:
    chatwoot.execute(
        """
        INSERT INTO contacts (account_id, name, created_at, updated_at)
        SELECT 1, 'n' || n, now(), now() FROM generate_series(1, 3000) AS n
        """
    )
    return 3000


def test_memory_holds_a_chunk_not_the_table(source: DatabaseSource, many: int) -> None:
    seen = 0
    alive = 0
    with source.snapshot() as snapshot:
        for part in snapshot.rows(Stream.CONTACTS, ACCOUNT, Everything(), chunk=100):
            assert 0 < len(part) <= 100
            seen += len(part)
            alive = max(alive, sum(type(thing) is Contact for thing in gc.get_objects()))
    assert seen == many
    # The chunk in hand, and the one before it that the loop variable held while this one was read.
    assert alive <= 200


@pytest.mark.parametrize("selection", [Everything(), ByIds(frozenset(range(1, 5000)))])
def test_statements_are_per_chunk_not_per_row(
    source: DatabaseSource, many: int, selection: Selection, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[str] = []
    original = DatabaseSnapshot._all

    def counting(self: DatabaseSnapshot, name: str, *asked: Any) -> list[Any]:
        counted.append(name)
        return original(self, name, *asked)

    monkeypatch.setattr(DatabaseSnapshot, "_all", counting)
    assert len(read(source, selection, chunk=1000)) == many
    assert counted.count("contacts/rows") <= 5
    assert len(counted) <= 8


def test_two_readings_can_be_mixed_and_one_left_unfinished(source: DatabaseSource, many: int) -> None:
    with source.snapshot() as snapshot:
        one = snapshot.rows(Stream.CONTACTS, ACCOUNT, Everything(), chunk=10)
        two = snapshot.rows(Stream.CONTACTS, ACCOUNT, Everything(), chunk=10)
        assert ids(next(one)) == ids(next(two))
        next(one)
        assert sum(len(part) for part in two) == many - 10
    one.close()  # type: ignore[attr-defined]


def test_the_transaction_cannot_write(source: DatabaseSource) -> None:
    with source.snapshot() as snapshot, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        snapshot._connection.execute("DELETE FROM contacts")


def test_the_session_is_named_and_bounded(source: DatabaseSource) -> None:
    bounded = replace(source, statement_timeout=timedelta(seconds=7), idle_timeout=timedelta(seconds=8))
    with bounded.snapshot() as snapshot:
        rows = snapshot._connection.execute(
            """
            SELECT name, setting FROM pg_settings WHERE name IN (
                'application_name', 'statement_timeout', 'idle_in_transaction_session_timeout',
                'transaction_isolation', 'transaction_read_only'
            )
            """
        ).fetchall()
    assert dict(rows) == {
        "application_name": "chatwoot-krayin-sync",
        "statement_timeout": "7000",
        "idle_in_transaction_session_timeout": "8000",
        "transaction_isolation": "repeatable read",
        "transaction_read_only": "on",
    }


def test_a_locked_table_interrupts_instead_of_waiting(
    source: DatabaseSource, chatwoot: Connection[Any]
) -> None:
    impatient = replace(source, lock_timeout=timedelta(milliseconds=50))
    with chatwoot.transaction():
        chatwoot.execute("LOCK TABLE contacts IN ACCESS EXCLUSIVE MODE")
        with impatient.snapshot() as snapshot, pytest.raises(SnapshotInterrupted) as caught:
            list(snapshot.rows(Stream.CONTACTS, ACCOUNT, Everything()))
    assert caught.value.sqlstate == "55P03"


def test_a_lost_connection_interrupts(source: DatabaseSource, chatwoot: Connection[Any], many: int) -> None:
    with source.snapshot() as snapshot:
        parts = snapshot.rows(Stream.CONTACTS, ACCOUNT, Everything(), chunk=10)
        next(parts)
        chatwoot.execute("SELECT pg_terminate_backend(%s)", (snapshot._connection.info.backend_pid,))
        with pytest.raises(SnapshotInterrupted):
            list(parts)


def test_an_error_of_the_reader_stays_the_reader_s(source: DatabaseSource, many: int) -> None:
    def store(_: list[Contact | BrokenRow]) -> None:
        msg = "the reader's own database"
        raise psycopg.OperationalError(msg)

    with source.snapshot() as snapshot:
        part = next(snapshot.rows(Stream.CONTACTS, ACCOUNT, Everything(), chunk=10))
        with pytest.raises(psycopg.OperationalError, match="the reader's own database"):
            store(part)
    with pytest.raises(psycopg.OperationalError, match="the reader's own database"), source.snapshot():
        store([])


@pytest.mark.parametrize("part", ["port=1", "dbname=no_such_database", "password=wrong-secret"])
def test_an_unreachable_database_says_where_and_no_password(source: DatabaseSource, part: str) -> None:
    settings = psycopg.conninfo.conninfo_to_dict(source.conninfo) | dict([part.split("=")])
    with (
        pytest.raises(ChatwootUnreachable) as caught,
        DatabaseSource(psycopg.conninfo.make_conninfo(**settings)).snapshot(),
    ):
        pass
    assert "127.0.0.1" in caught.value.where
    assert "secret" not in str(caught.value)


def test_settings_that_cannot_be_parsed_are_not_quoted() -> None:
    with (
        pytest.raises(ChatwootUnreachable) as caught,
        DatabaseSource("host=h passwordd=hunter2 'x").snapshot(),
    ):
        pass
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(caught.value.__cause__)
    assert "hunter2" not in repr(DatabaseSource("password=hunter2"))


def test_another_database_is_refused_with_what_is_missing(database_url: str) -> None:
    with pytest.raises(NotAChatwootDatabase) as caught, DatabaseSource(database_url).snapshot():
        pass
    assert caught.value.missing == (
        "table accounts", "table contact_inboxes", "table contacts", "table inboxes", "table taggings", "table tags",
    )  # fmt: skip


def test_tables_in_another_schema_are_named_and_read_once_it_is_looked_into(
    chatwoot: Connection[Any], chatwoot_url: str
) -> None:
    chatwoot.execute("ALTER SCHEMA public RENAME TO chat")
    with (
        pytest.raises(NotAChatwootDatabase, match="options=-csearch_path=chat"),
        DatabaseSource(chatwoot_url).snapshot(),
    ):
        pass
    with DatabaseSource(f"{chatwoot_url}?options=-csearch_path%3Dchat").snapshot() as snapshot:
        assert snapshot.accounts()


def test_another_version_is_refused_with_what_is_missing(
    source: DatabaseSource, chatwoot: Connection[Any]
) -> None:
    chatwoot.execute("ALTER TABLE contacts DROP COLUMN blocked")
    with pytest.raises(NotAChatwootDatabase, match=r"column contacts\.blocked"), source.snapshot():
        pass


def test_missing_privileges_name_the_grant(chatwoot: Connection[Any]) -> None:
    url = role(chatwoot, "GRANT SELECT ON accounts, inboxes, tags, taggings TO {role}")
    with (
        pytest.raises(MissingPrivileges, match="GRANT SELECT ON contact_inboxes, contacts TO") as caught,
        DatabaseSource(url).snapshot(),
    ):
        pass
    assert caught.value.tables == ("contact_inboxes", "contacts")


def test_select_on_the_needed_tables_is_enough(chatwoot: Connection[Any]) -> None:
    number = add_contact(chatwoot, 1)
    url = role(chatwoot, NEEDED)
    with DatabaseSource(url).snapshot() as snapshot:
        assert ids([c for part in snapshot.rows(Stream.CONTACTS, ACCOUNT, Everything()) for c in part]) == [
            number
        ]
        # installation_configs holds secrets of other kinds: its absence must not stop anything.
        assert snapshot.installation == f"127.0.0.1:{chatwoot.info.port}/{chatwoot.info.dbname}"
        assert snapshot.tells_since(Stream.CONTACTS, snapshot.watermark(Stream.CONTACTS))


def test_the_installation_is_chatwoot_s_own_name(source: DatabaseSource, chatwoot: Connection[Any]) -> None:
    row = chatwoot.execute("SELECT serialized_value ->> 'value' FROM installation_configs").fetchone()
    with source.snapshot() as snapshot:
        assert row == (snapshot.installation,)
    chatwoot.execute("DELETE FROM installation_configs")
    with source.snapshot() as snapshot:
        assert snapshot.installation == source.where


def test_an_installation_that_cannot_be_read_right_now_is_not_renamed(
    source: DatabaseSource, chatwoot: Connection[Any]
) -> None:
    impatient = replace(source, lock_timeout=timedelta(milliseconds=50))
    with chatwoot.transaction():
        chatwoot.execute("LOCK TABLE installation_configs IN ACCESS EXCLUSIVE MODE")
        with impatient.snapshot() as snapshot, pytest.raises(SnapshotInterrupted):
            _ = snapshot.installation


def test_accounts_and_inboxes_are_listed(source: DatabaseSource, chatwoot: Connection[Any]) -> None:
    chatwoot.execute("UPDATE accounts SET status = 1 WHERE id = 2")
    with source.snapshot() as snapshot:
        assert [(account.id, account.suspended) for account in snapshot.accounts()] == [(1, False), (2, True)]
        channels = {inbox.channel_type for inbox in snapshot.inboxes(1)}
        assert {"Channel::WebWidget", "Channel::Email", "Channel::Whatsapp", "Channel::Api"} <= channels
        assert {inbox.account_id for inbox in snapshot.inboxes(2)} == {2}


def test_unknown_account_and_inbox_are_told_with_the_known_ones(source: DatabaseSource) -> None:
    with source.snapshot() as snapshot:
        with pytest.raises(UnknownAccount, match=r"1 \(Acme Support\)") as account:
            snapshot.rows(Stream.CONTACTS, SourceFilter(77), Everything())
        assert account.value.account_id == 77
        with pytest.raises(UnknownAccount):
            snapshot.inboxes(77)
        foreign = snapshot.inboxes(2)[0].id
        with pytest.raises(UnknownInbox, match="Website") as inbox:
            snapshot.rows(Stream.CONTACTS, SourceFilter(1, frozenset({foreign})), Everything())
        assert inbox.value.inboxes == (foreign,)


def test_a_chunk_has_at_least_one_row(source: DatabaseSource) -> None:
    with source.snapshot() as snapshot, pytest.raises(ValueError, match="chunk"):
        snapshot.rows(Stream.CONTACTS, ACCOUNT, Everything(), chunk=0)


def test_the_snapshot_is_what_the_port_promises(source: DatabaseSource) -> None:
    with source.snapshot() as snapshot:
        promised: SourceSnapshot = snapshot
        assert promised.watermark(Stream.CONTACTS) == promised.watermark(Stream.CONTACTS)


def test_views_of_the_tables_can_be_read_too(
    source: DatabaseSource, chatwoot: Connection[Any], copy_database: Callable[[str], str]
) -> None:
    number = add_contact(chatwoot, 1, updated_at=DAY)
    chatwoot.execute("ALTER TABLE contacts RENAME TO all_contacts")
    chatwoot.execute("CREATE VIEW contacts AS SELECT * FROM all_contacts")
    with source.snapshot() as snapshot:
        mark = snapshot.watermark(Stream.CONTACTS)
        assert not snapshot.tells_since(Stream.CONTACTS, mark)
    assert ids(read(source, ChangedSince(mark))) == [number]


def test_a_rule_that_asks_for_conversations_needs_their_row_versions(
    source: DatabaseSource, chatwoot: Connection[Any]
) -> None:
    chatwoot.execute("ALTER TABLE conversations RENAME TO all_conversations")
    chatwoot.execute("CREATE VIEW conversations AS SELECT * FROM all_conversations")
    chosen = SourceFilter(1, where=ContactRule(has_conversation=True))
    with source.snapshot() as snapshot:
        mark = snapshot.watermark(Stream.CONTACTS, scope=chosen)
        assert snapshot.tells_since(Stream.CONTACTS, mark, ACCOUNT)
        assert not snapshot.tells_since(Stream.CONTACTS, mark, chosen)


def test_an_interruption_by_a_standby_s_recovery_says_what_to_do() -> None:
    said = str(SnapshotInterrupted("db:5432/chatwoot", "40001", "canceling statement due to conflict"))
    assert "hot_standby_feedback" in said
    assert said.startswith("Reading Chatwoot's database at db:5432/chatwoot was interrupted (40001): cancel")
    assert str(SnapshotInterrupted("db", None, "gone")).endswith("gone")
