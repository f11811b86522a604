"""Sweeps against real databases: what they find, what they leave alone, and what a crash cannot lose."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from chatwoot.database.source import DatabaseSnapshot
from chatwoot.errors import SnapshotInterrupted
from chatwoot.records import BrokenRow
from chatwoot.source import ChangedSince, ListedIds, SourceFilter, Watermark
from chatwoot.streams import BUCKET, Stream
from psycopg.conninfo import conninfo_to_dict
from reconciliation.errors import ChecksumDiffGoneError
from reconciliation.extract.checksum_diff import keys_of

from sandbox.chatwoot import changes
from tests.reconciliation.scenario import (
    LONG_AGO,
    NOON,
    SYNC,
    Scenario,
    changed,
    counted,
    left,
    make_scene,
    vanished,
)
from tests.reconciliation.write_paths import NOISE, PATHS, WritePath

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from chatwoot.streams import BucketSum

    from stack.postgres import Cluster

JUST_CONTACTS = (Stream.CONTACTS,)


@pytest.fixture
def scenario(
    new_database: Callable[..., str],
    chatwoot_template: str,
    sync_db: psycopg.Connection,
    postgres: Cluster,
) -> Iterator[Scenario]:
    url = new_database("chatwoot", chatwoot_template)
    yield make_scene(url, sync_db)
    postgres.drop_database(str(conninfo_to_dict(url)["dbname"]))


@pytest.fixture(scope="module")
def stream_diff(
    new_database: Callable[..., str], chatwoot_template: str, sync_db_template: str, postgres: Cluster
) -> Iterator[tuple[Scenario, Watermark]]:
    """A scenario that was stream_diff once, and the watermark after it; what tests write is undone."""
    chatwoot_url = new_database("chatwoot", chatwoot_template)
    sync_url = new_database("sync", sync_db_template)
    with psycopg.connect(sync_url, autocommit=True) as sync:
        scenario = make_scene(chatwoot_url, sync)
        scenario.checksum_diff()
        with scenario.snapshot() as snapshot:
            mark = snapshot.watermark(Stream.CONTACTS)
        yield scenario, mark
    for url in (chatwoot_url, sync_url):
        postgres.drop_database(str(conninfo_to_dict(url)["dbname"]))


def watermark(scenario: Scenario, mark: Watermark) -> dict[Stream, set[int]]:
    """The keys that a reading from the watermark gives."""
    since = ChangedSince(mark)
    with scenario.snapshot() as snapshot:
        return {
            stream: {
                row.key
                for chunk in snapshot.rows(stream, SourceFilter(1), since)
                for row in chunk
                if not isinstance(row, BrokenRow)
            }
            for stream in Stream
        }


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_a_sweep_finds_what_a_write_changes_and_the_watermark_misses(
    stream_diff: tuple[Scenario, Watermark], path: WritePath
) -> None:
    scenario, mark = stream_diff
    with scenario.undone():
        scenario.write(path.sql)
        expected = {stream: scenario.key(stream, names) for stream, names in path.changed.items()}
        gone = {stream: scenario.key(stream, names) for stream, names in path.vanished.items()}

        found = scenario.look()
        assert changed(found) == expected
        assert vanished(found) == gone
        assert left(found) == {stream: scenario.key(stream, names) for stream, names in path.left.items()}
        seen = watermark(scenario, mark)
        missed = {stream for stream, keys in expected.items() if not seen[stream].issuperset(keys)}
        assert missed == path.missed

        scenario.remember(found)
        assert counted(scenario.look()) == {}


@pytest.mark.parametrize("noise", NOISE, ids=lambda noise: noise.name)
def test_a_sweep_is_not_fooled_by_what_changes_nothing_mapped(
    stream_diff: tuple[Scenario, Watermark], noise: WritePath
) -> None:
    scenario, _ = stream_diff
    with scenario.undone():
        scenario.write(noise.sql)
        assert counted(scenario.look()) == {}


# --- what is remembered, and when ---------------------------------------------------------------


def test_the_first_sweep_finds_everything_new(scenario: Scenario) -> None:
    found = scenario.look()
    assert changed(found) == {
        Stream.CONTACTS: scenario.key(Stream.CONTACTS, "ada bob"),
        Stream.CONVERSATIONS: scenario.key(Stream.CONVERSATIONS, "talk other"),
        Stream.MESSAGES: scenario.key(Stream.MESSAGES, "asked said greeted wrote"),
        Stream.PROGRESS: scenario.key(Stream.PROGRESS, "ada bob"),
    }
    assert all(
        stream_diff.is_first and set(stream_diff.counts) == {"new"} for stream_diff in found.streams.values()
    )


def test_what_was_not_remembered_is_found_again(scenario: Scenario) -> None:
    scenario.checksum_diff()
    scenario.write(
        "UPDATE contacts SET name = 'A' WHERE id = %(ada)s; DELETE FROM contacts WHERE id = %(bob)s"
    )
    first = scenario.look(streams=JUST_CONTACTS)
    # The planning transaction fails after the checksum_diff was remembered in it.
    with scenario.sync.transaction(force_rollback=True):
        scenario.remember(first)
    second = scenario.look(streams=JUST_CONTACTS)
    assert counted(first) == counted(second) == {"contacts": {"changed": 1, "vanished": 1}}


def test_a_sweep_takes_the_place_of_the_one_before(scenario: Scenario) -> None:
    scenario.look()
    newest = scenario.look()
    for table in ("checksum_diff_compared", "checksum_diff_new_bucket", "checksum_diff_difference"):
        rows = scenario.sync.execute(f"SELECT DISTINCT diff_id FROM krayin_sync.{table}").fetchall()
        assert rows == [(newest.diff_id,)]


def test_only_the_newest_sweep_can_be_remembered(scenario: Scenario) -> None:
    first = scenario.look()
    second = scenario.look()
    with pytest.raises(ChecksumDiffGoneError):
        scenario.remember(first)
    scenario.remember(second)
    assert changed(second)[Stream.CONTACTS] == scenario.key(Stream.CONTACTS, "ada bob")
    with pytest.raises(ChecksumDiffGoneError):
        scenario.remember(second)
    assert counted(scenario.look()) == {}


def test_a_crash_of_the_sync_database_loses_the_sweep_and_not_its_differences(scenario: Scenario) -> None:
    found = scenario.look()
    # What a crash does to unlogged tables.
    tables = (
        "checksum_diff",
        "checksum_diff_compared",
        "checksum_diff_new_bucket",
        "checksum_diff_difference",
    )
    scenario.sync.execute(f"TRUNCATE {', '.join(f'krayin_sync.{table}' for table in tables)}")
    assert changed(found) == {}
    with pytest.raises(ChecksumDiffGoneError):
        scenario.remember(found)
    assert scenario.look().streams[Stream.CONTACTS].is_first


@pytest.mark.timeout(60)
def test_a_chatwoot_that_breaks_off_leaves_the_sync_database_to_be_written_to(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario.checksum_diff()

    def break_off(*_: object, **__: object) -> Iterator[BucketSum]:
        raise SnapshotInterrupted(where="chatwoot", sqlstate=None, reason="gone")
        yield

    monkeypatch.setattr(DatabaseSnapshot, "checksums", break_off)
    with pytest.raises(SnapshotInterrupted) as broken:
        scenario.checksum_diff()
    # While whoever handles the error still has it in hand.
    assert scenario.sync.execute("SELECT 1").fetchone() == (1,), broken


def test_a_sweep_of_another_sync_is_not_taken(scenario: Scenario) -> None:
    found = scenario.look(name="other")
    with pytest.raises(ChecksumDiffGoneError):
        scenario.remember(found)
    scenario.remember(found, name="other")
    assert scenario.look().streams[Stream.CONTACTS].is_first


def test_a_sweep_compared_with_an_older_memory_changes_nothing_of_a_newer_one(scenario: Scenario) -> None:
    scenario.checksum_diff()
    with psycopg.connect(scenario.sync.info.dsn, password="tests", autocommit=True) as other:
        old = scenario.look()
        # Another worker's checksum_diff is remembered in between: both hold rows, as if they had begun at once.
        scenario.sync.execute(
            "UPDATE krayin_sync.checksum_diff SET sync_name = 'aside' WHERE id = %s", (old.diff_id,)
        )
        scenario.write("UPDATE contacts SET name = 'A' WHERE id = %(ada)s")
        Scenario(scenario.chatwoot_url, other).checksum_diff()
        scenario.sync.execute(
            "UPDATE krayin_sync.checksum_diff SET sync_name = %s WHERE id = %s", (SYNC, old.diff_id)
        )
    scenario.remember(old)
    assert counted(scenario.look()) == {}


def test_hashes_of_another_formula_are_not_compared(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario.checksum_diff()
    monkeypatch.setattr("chatwoot.database.source.DatabaseSnapshot.formula", "database/next")
    found = scenario.look(streams=JUST_CONTACTS)
    assert found.streams[Stream.CONTACTS].is_first
    assert counted(found) == {"contacts": {"new": 2}}


def test_a_transaction_that_commits_during_the_sweep_is_found_by_the_next(scenario: Scenario) -> None:
    scenario.checksum_diff()
    with psycopg.connect(scenario.chatwoot_url) as late:
        late.execute("UPDATE contacts SET name = 'late' WHERE id = %(ada)s", scenario.ids)
        found = scenario.look()
        late.commit()
        assert counted(found) == {}
        scenario.remember(found)
    assert changed(scenario.look(streams=JUST_CONTACTS)) == {
        Stream.CONTACTS: scenario.key(Stream.CONTACTS, "ada")
    }


# --- what was planned meanwhile -----------------------------------------------------------------


def test_what_was_planned_in_between_is_looked_at_again_though_it_is_as_remembered(
    scenario: Scenario,
) -> None:
    scenario.checksum_diff()
    # The watermark's run saw another name and planned it; then the old name came back without a trace.
    scenario.map("contact", scenario.ids["ada"], read_at=chatwoot_now(scenario))
    found = scenario.look(streams=JUST_CONTACTS)
    assert counted(found) == {"contacts": {"replanned": 1}}
    assert changed(found) == {Stream.CONTACTS: [scenario.ids["ada"]]}


def test_a_plan_that_is_being_made_during_the_sweep_counts_as_made_after_it(scenario: Scenario) -> None:
    scenario.sync.execute(
        """
        INSERT INTO krayin_sync.sync_run (sync_name, kind, state, started_at)
        VALUES ('test', 'manual', 'planning', clock_timestamp() - interval '2 hours')
        """
    )
    read_at = chatwoot_now(scenario) - timedelta(hours=1)
    scenario.checksum_diff()
    scenario.map("contact", scenario.ids["ada"], read_at=read_at)
    assert counted(scenario.look(streams=JUST_CONTACTS)) == {"contacts": {"replanned": 1}}


def test_a_mapped_record_that_no_sweep_saw_is_found_to_be_gone(scenario: Scenario) -> None:
    scenario.checksum_diff()
    scenario.map("contact", 900, read_at=chatwoot_now(scenario))
    scenario.map("message", 901, read_at=chatwoot_now(scenario), crm_kind="activity")
    assert vanished(scenario.look()) == {Stream.CONTACTS: [900], Stream.MESSAGES: [901]}


def test_old_mapped_records_are_looked_up_only_where_it_is_asked_for(scenario: Scenario) -> None:
    scenario.checksum_diff()
    scenario.map("contact", 900, read_at=LONG_AGO)
    scenario.map("contact", scenario.ids["ada"], read_at=LONG_AGO)
    assert vanished(scenario.look()) == {}
    assert counted(scenario.look(every_mapped=True)) == {"contacts": {"vanished": 1}}


# --- scope and history --------------------------------------------------------------------------


def test_a_smaller_scope_is_no_deletion(scenario: Scenario) -> None:
    scenario.checksum_diff()
    small = SourceFilter(1, frozenset({scenario.ids["website"]}))
    found = scenario.checksum_diff(small)
    assert vanished(found) == changed(found) == {}
    assert left(found) == {
        Stream.CONTACTS: scenario.key(Stream.CONTACTS, "bob"),
        Stream.CONVERSATIONS: scenario.key(Stream.CONVERSATIONS, "other"),
        Stream.MESSAGES: scenario.key(Stream.MESSAGES, "wrote"),
        Stream.PROGRESS: scenario.key(Stream.PROGRESS, "bob"),
    }
    scenario.write("UPDATE contacts SET name = 'B' WHERE id = %(bob)s")
    assert counted(scenario.look(small)) == {}
    assert changed(scenario.look())[Stream.CONTACTS] == scenario.key(Stream.CONTACTS, "bob")


def test_a_contact_whose_inbox_was_taken_away_left_the_scope(scenario: Scenario) -> None:
    small = SourceFilter(1, frozenset({scenario.ids["mailbox"]}))
    scenario.checksum_diff(small)
    scenario.write("DELETE FROM contact_inboxes WHERE contact_id = %(bob)s")
    found = scenario.look(small, streams=JUST_CONTACTS)
    assert left(found) == {Stream.CONTACTS: [scenario.ids["bob"]]}


def test_rows_before_the_history_are_not_new_but_their_changes_are_found(scenario: Scenario) -> None:
    since = NOON - timedelta(days=1)
    first = scenario.checksum_diff(since=since)
    assert changed(first) == {
        Stream.CONTACTS: scenario.key(Stream.CONTACTS, "ada"),
        Stream.CONVERSATIONS: scenario.key(Stream.CONVERSATIONS, "talk"),
        Stream.MESSAGES: scenario.key(Stream.MESSAGES, "asked said greeted"),
        Stream.PROGRESS: scenario.key(Stream.PROGRESS, "ada"),
    }
    assert first.streams[Stream.CONTACTS].rows == 2
    scenario.write("UPDATE contacts SET name = 'B' WHERE id = %(bob)s")
    # It may be mapped already: then history does not bound it.
    assert changed(scenario.look(since=since, streams=JUST_CONTACTS)) == {
        Stream.CONTACTS: [scenario.ids["bob"]]
    }


def test_who_comes_back_after_the_history_is_found_by_activity_alone(scenario: Scenario) -> None:
    since = NOON - timedelta(days=1)
    scenario.checksum_diff(since=since)
    scenario.write("UPDATE contacts SET last_activity_at = now() WHERE id = %(bob)s")
    found = scenario.checksum_diff(since=since, streams=JUST_CONTACTS)
    assert counted(found) == {"contacts": {"awake": 1}}
    assert changed(found) == {Stream.CONTACTS: [scenario.ids["bob"]]}


def test_a_row_that_grows_older_than_the_history_is_no_difference(scenario: Scenario) -> None:
    scenario.checksum_diff(since=NOON - timedelta(days=1))
    later = NOON + timedelta(days=1)
    assert counted(scenario.checksum_diff(since=later)) == {}
    # A setting that reaches further back wakes it.
    assert counted(scenario.look(since=None))["contacts"] == {"awake": 2}


# --- any edits ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_any_edits_are_found_exactly(scenario: Scenario, seed: int) -> None:
    dice = random.Random(seed)
    with psycopg.connect(scenario.chatwoot_url, autocommit=True) as chatwoot:
        for number in range(3 * BUCKET):
            # Gaps as other accounts and deletions leave them.
            chatwoot.execute(
                "SELECT setval('contacts_id_seq', nextval('contacts_id_seq') + %s)",
                (dice.choice([0, 0, 0, 5, 90]),),
            )
            changes.add_contact(chatwoot, dice.choice([1, 1, 1, 2]), name=f"{number}")
        scenario.checksum_diff(streams=JUST_CONTACTS)
        for _ in range(3):
            ids = [
                row[0] for row in chatwoot.execute("SELECT id FROM contacts WHERE account_id = 1 ORDER BY id")
            ]
            picked = dice.sample(ids, 30)
            renamed, deleted, touched = picked[:10], picked[10:20], picked[20:]
            for contact in renamed:
                changes.update_columns(chatwoot, contact, name=f"renamed {dice.random()}")
            for contact in deleted:
                changes.delete_contact(chatwoot, contact)
            for contact in touched:
                changes.update_contact(chatwoot, contact, last_activity_at=NOON)
            added = [changes.add_contact(chatwoot, 1, name="added") for _ in range(dice.randrange(5))]
            found = scenario.look(streams=JUST_CONTACTS)
            assert changed(found) == {Stream.CONTACTS: sorted(renamed + added)}
            assert vanished(found) == {Stream.CONTACTS: sorted(deleted)}
            scenario.remember(found)
        assert counted(scenario.look(streams=JUST_CONTACTS)) == {}
        held = scenario.sync.execute(
            "SELECT count(hash) FROM krayin_sync.checksum_bucket CROSS JOIN unnest(hashes) AS hash "
            "JOIN krayin_sync.checksum_stream AS stream ON stream.id = stream_id WHERE stream.stream = 'contacts'"
        ).fetchone()
        there = chatwoot.execute("SELECT count(*) FROM contacts WHERE account_id = 1").fetchone()
        assert held == there


def test_the_keys_come_in_chunks_and_the_source_reads_them(scenario: Scenario) -> None:
    found = scenario.look()
    with scenario.source.snapshot() as snapshot:

        def read(stream: Stream) -> Any:
            return ListedIds(lambda: keys_of(scenario.sync, found.diff_id, stream, chunk=1))

        keys = {
            stream: [
                [row.key for row in chunk] for chunk in snapshot.rows(stream, SourceFilter(1), read(stream))
            ]
            for stream in Stream
        }
    names = {
        Stream.CONTACTS: "ada bob",
        Stream.CONVERSATIONS: "talk other",
        Stream.MESSAGES: "asked said greeted wrote",
        Stream.PROGRESS: "ada bob",
    }
    assert keys == {stream: [[key] for key in scenario.key(stream, named)] for stream, named in names.items()}


def chatwoot_now(scenario: Scenario) -> datetime:
    """The clock of Chatwoot's database."""
    with scenario.source.snapshot() as snapshot:
        return snapshot.read_at
