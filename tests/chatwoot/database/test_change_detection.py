from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from chatwoot.database.source import DatabaseSource
from chatwoot.source import ChangedSince, Everything, SourceFilter, Watermark
from chatwoot.streams import Stream
from psycopg import sql
from statements import statement

from sandbox.chatwoot.changes import (
    add_contact,
    delete_contact,
    delete_label,
    label_contact,
    link_inbox,
    merge_contacts,
    update_columns,
    update_contact,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg import Connection

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def mark_of(source: DatabaseSource) -> Watermark:
    with source.snapshot() as snapshot:
        return snapshot.watermark(Stream.CONTACTS)


def changed(source: DatabaseSource, mark: Watermark) -> list[int]:
    with source.snapshot() as snapshot:
        parts = snapshot.rows(Stream.CONTACTS, SourceFilter(1), ChangedSince(mark))
        return [contact.id for part in parts for contact in part]


def tells_since(source: DatabaseSource, mark: Watermark) -> bool:
    with source.snapshot() as snapshot:
        return snapshot.tells_since(Stream.CONTACTS, mark)


@contextmanager
def transaction(url: str) -> Iterator[Connection[Any]]:
    """A transaction of another Chatwoot process, committed at the end."""
    with psycopg.connect(url) as connection:
        yield connection


@pytest.fixture
def old(chatwoot: Connection[Any]) -> list[int]:
    """Contacts that were there before any mark."""
    return [add_contact(chatwoot, 1, name=f"old {n}", updated_at=LONG_AGO) for n in range(4)]


def test_nothing_written_nothing_changed(source: DatabaseSource, old: list[int]) -> None:
    assert old
    assert changed(source, mark_of(source)) == []


def test_a_change_is_given_once(source: DatabaseSource, chatwoot: Connection[Any], old: list[int]) -> None:
    first = mark_of(source)
    update_contact(chatwoot, old[2], name="renamed")
    assert changed(source, first) == [old[2]]
    assert changed(source, mark_of(source)) == []


def test_a_late_commit_is_not_lost(
    source: DatabaseSource, chatwoot: Connection[Any], chatwoot_url: str, old: list[int]
) -> None:
    with transaction(chatwoot_url) as late:
        slow = add_contact(late, 1, name="slow")
        update_contact(late, old[0], name="slow too")
        quick = add_contact(chatwoot, 1, name="quick")
        with source.snapshot() as snapshot:
            mark = snapshot.watermark(Stream.CONTACTS)
            seen = [
                c.id for part in snapshot.rows(Stream.CONTACTS, SourceFilter(1), Everything()) for c in part
            ]
        assert quick in seen
        assert slow not in seen
    # The late rows lie below the mark by id and by updated_at, and still come.
    assert slow < quick
    assert set(changed(source, mark)) >= {slow, old[0]}
    assert changed(source, mark_of(source)) == []


def test_a_late_commit_inside_a_savepoint_is_not_lost(
    source: DatabaseSource, chatwoot: Connection[Any], chatwoot_url: str
) -> None:
    with transaction(chatwoot_url) as late:
        add_contact(late, 1, name="outer")
        with late.transaction():
            nested = add_contact(late, 1, name="nested")
        add_contact(chatwoot, 1, name="quick")
        mark = mark_of(source)
    assert nested in changed(source, mark)
    # The reason for reading from the snapshot's xmin on: its list knows no subtransactions.
    row = chatwoot.execute(
        "SELECT txid_visible_in_snapshot(xmin::text::bigint, %s::txid_snapshot) FROM contacts WHERE id = %s",
        (mark.snapshot, nested),
    ).fetchone()
    assert row == (True,)


def test_equal_timestamps_are_not_lost(source: DatabaseSource, chatwoot: Connection[Any]) -> None:
    moment = datetime(2026, 5, 1, tzinfo=UTC)
    add_contact(chatwoot, 1, updated_at=moment)
    mark = mark_of(source)
    again = add_contact(chatwoot, 1, updated_at=moment)
    assert changed(source, mark) == [again]


def test_writers_that_leave_updated_at_alone_are_seen(
    source: DatabaseSource, chatwoot: Connection[Any], old: list[int]
) -> None:
    mark = mark_of(source)
    update_columns(chatwoot, old[1], company_id=9, additional_attributes={"company_name": "Globex"})
    assert changed(source, mark) == [old[1]]


def test_importers_with_old_timestamps_are_seen(source: DatabaseSource, chatwoot: Connection[Any]) -> None:
    add_contact(chatwoot, 1)
    mark = mark_of(source)
    imported = add_contact(chatwoot, 1, created_at=LONG_AGO, updated_at=LONG_AGO)
    assert changed(source, mark) == [imported]


def test_rows_of_inboxes_and_labels_count_as_changes(
    source: DatabaseSource, chatwoot: Connection[Any], old: list[int], website: int
) -> None:
    label_contact(chatwoot, old[3], "vip", touch=False)
    mark = mark_of(source)
    link_inbox(chatwoot, old[0], website, "sample")
    label_contact(chatwoot, old[1], "vip", touch=False)
    # Not old[3]: the tag's own row, which counts its uses, is no change of those who have it.
    assert changed(source, mark) == [old[0], old[1]]


def test_a_merge_shows_at_the_contact_that_stays(
    source: DatabaseSource, chatwoot: Connection[Any], old: list[int], website: int
) -> None:
    link_inbox(chatwoot, old[1], website, "sample")
    mark = mark_of(source)
    merge_contacts(chatwoot, old[0], old[1])
    assert changed(source, mark) == [old[0]]


def test_deletions_do_not_show(source: DatabaseSource, chatwoot: Connection[Any], old: list[int]) -> None:
    label_contact(chatwoot, old[0], "vip", touch=False)
    mark = mark_of(source)
    delete_contact(chatwoot, old[1])
    delete_label(chatwoot, 1, "vip")
    assert changed(source, mark) == []


def test_a_rolled_back_change_is_none(source: DatabaseSource, chatwoot_url: str, old: list[int]) -> None:
    mark = mark_of(source)
    with psycopg.connect(chatwoot_url) as connection:
        update_contact(connection, old[0], name="never")
        connection.rollback()
    assert changed(source, mark) == []


def test_other_accounts_and_inboxes_stay_out(
    source: DatabaseSource, chatwoot: Connection[Any], old: list[int], website: int
) -> None:
    mark = mark_of(source)
    stranger = add_contact(chatwoot, 2)
    link_inbox(chatwoot, stranger, website, "odd")
    update_contact(chatwoot, old[0])
    assert changed(source, mark) == [old[0]]
    with source.snapshot() as snapshot:
        scope = SourceFilter(1, frozenset({website}))
        assert list(snapshot.rows(Stream.CONTACTS, scope, ChangedSince(mark))) == []


def test_frozen_rows_are_not_new(source: DatabaseSource, chatwoot: Connection[Any], old: list[int]) -> None:
    mark = mark_of(source)
    chatwoot.execute("VACUUM (FREEZE, FULL) contacts")
    update_contact(chatwoot, old[0])
    assert changed(source, mark) == [old[0]]


def test_a_copied_database_is_another_history(
    source: DatabaseSource, chatwoot: Connection[Any], old: list[int], copy_database: Callable[[str], str]
) -> None:
    update_contact(chatwoot, old[0])
    mark = mark_of(source)
    update_columns(chatwoot, old[1], name="left updated_at alone")
    recent = add_contact(chatwoot, 1)
    original = chatwoot.info.dbname
    chatwoot.close()
    copy = DatabaseSource(copy_database(original))

    assert not tells_since(copy, mark)
    # Also what left updated_at alone.
    assert changed(copy, mark) == [*old, recent]
    assert tells_since(copy, mark_of(copy))


@pytest.mark.parametrize("snapshot", ["99999999:99999999:", "", "nonsense"])
def test_a_snapshot_from_the_future_or_none_falls_back(
    source: DatabaseSource, old: list[int], snapshot: str
) -> None:
    mark = replace(mark_of(source), snapshot=snapshot)
    assert not tells_since(source, mark)
    assert changed(source, mark) == old


@pytest.mark.parametrize("denied", ["pg_control_system()", "pg_walfile_name(pg_lsn)"])
def test_without_the_control_functions_ids_count_until_the_server_starts_again(
    source: DatabaseSource, chatwoot: Connection[Any], old: list[int], denied: str
) -> None:
    name = f"plain_{chatwoot.info.dbname}"
    chatwoot.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'plain'").format(sql.Identifier(name)))
    chatwoot.execute(
        sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}").format(sql.Identifier(name))
    )
    chatwoot.execute(sql.SQL("REVOKE EXECUTE ON FUNCTION {} FROM PUBLIC").format(sql.SQL(denied)))  # type: ignore[arg-type]
    plain = DatabaseSource(source.conninfo.replace("postgres:tests@", f"{name}:plain@"))

    mark = mark_of(plain)
    update_columns(chatwoot, old[1], name="x")
    assert mark.lineage is not None
    assert mark.lineage.startswith("started/")
    assert changed(plain, mark) == [old[1]]
    assert not tells_since(plain, replace(mark, lineage="started/1.5/1"))


def test_privileges_on_columns_only_fall_back(
    source: DatabaseSource, chatwoot: Connection[Any], old: list[int]
) -> None:
    name = f"columns_{chatwoot.info.dbname}"
    chatwoot.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'plain'").format(sql.Identifier(name)))
    columns = chatwoot.execute(
        """
        SELECT string_agg(quote_ident(column_name), ', ')
        FROM information_schema.columns WHERE table_name = 'contacts'
        """
    ).fetchone()
    assert columns
    for grant in (
        "GRANT SELECT ON accounts, inboxes, contact_inboxes, tags, taggings TO {role}",
        f"GRANT SELECT ({columns[0]}) ON contacts TO {{role}}",
    ):
        chatwoot.execute(sql.SQL(grant).format(role=sql.Identifier(name)))  # type: ignore[arg-type]
    limited = DatabaseSource(source.conninfo.replace("postgres:tests@", f"{name}:plain@"))
    mark = mark_of(limited)
    assert mark.lineage is None
    assert not tells_since(limited, mark)
    assert changed(limited, mark) == old


def test_a_partitioned_table_is_exact_too(
    source: DatabaseSource, chatwoot: Connection[Any], old: list[int]
) -> None:
    chatwoot.execute(
        """
        ALTER TABLE contacts RENAME TO unparted;
        CREATE TABLE contacts (LIKE unparted INCLUDING DEFAULTS) PARTITION BY LIST (account_id);
        CREATE TABLE contacts_of_1 PARTITION OF contacts FOR VALUES IN (1);
        CREATE TABLE contacts_of_others PARTITION OF contacts DEFAULT;
        INSERT INTO contacts SELECT * FROM unparted;
        """
    )
    mark = mark_of(source)
    update_columns(chatwoot, old[2], name="x")
    assert tells_since(source, mark)
    assert changed(source, mark) == [old[2]]


class TestWraparound:
    """Ids are 32 bits in the row: the statement is asked with a clock far in the future."""

    @staticmethod
    def written(connection: Connection[Any], since: int, until: int) -> set[int]:
        return {
            row[0]
            for row in connection.execute(
                statement("written/contacts"),
                {"account_id": 1, "since_xid": since, "next_xid": until, "after": None, "recent": None},
            )
        }

    @staticmethod
    def xid(connection: Connection[Any], number: int) -> int:
        row = connection.execute(
            "SELECT xmin::text::bigint FROM contacts WHERE id = %s", (number,)
        ).fetchone()
        assert row
        return int(row[0])

    def test_a_row_of_the_present_epoch(self, chatwoot: Connection[Any], old: list[int]) -> None:
        epoch = 5 << 32
        written = epoch + self.xid(chatwoot, old[3])
        assert self.written(chatwoot, written, written + 100) == {old[3]}
        assert self.written(chatwoot, written + 1, written + 100) == set()

    def test_a_row_of_the_epoch_before(self, chatwoot: Connection[Any], old: list[int]) -> None:
        written = (4 << 32) + self.xid(chatwoot, old[3])
        after_the_turn = (5 << 32) + 10
        assert after_the_turn - written > 2**31
        assert self.written(chatwoot, written, after_the_turn) == {old[3]}
        assert self.written(chatwoot, written + 1, after_the_turn) == set()
