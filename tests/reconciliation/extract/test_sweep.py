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
from chatwoot.source import ChangedSince, Listed, Mark, Scope
from chatwoot.sweep import BUCKET, Stream
from psycopg.conninfo import conninfo_to_dict
from reconciliation.errors import SweepGoneError
from reconciliation.extract.sweep import keys_of

from sandbox.chatwoot import changes
from tests.reconciliation.scene import (
    LONG_AGO,
    NOON,
    SYNC,
    Scene,
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

    from chatwoot.sweep import BucketSum

    from stack.postgres import Cluster

JUST_CONTACTS = (Stream.CONTACTS,)


@pytest.fixture
def scene(
    new_database: Callable[..., str],
    chatwoot_template: str,
    sync_db: psycopg.Connection,
    postgres: Cluster,
) -> Iterator[Scene]:
    url = new_database("chatwoot", chatwoot_template)
    yield make_scene(url, sync_db)
    postgres.drop_database(str(conninfo_to_dict(url)["dbname"]))


@pytest.fixture(scope="module")
def swept(
    new_database: Callable[..., str], chatwoot_template: str, sync_db_template: str, postgres: Cluster
) -> Iterator[tuple[Scene, Mark]]:
    """A scene that was swept once, and the watermark after it; what tests write is undone."""
    chatwoot_url = new_database("chatwoot", chatwoot_template)
    sync_url = new_database("sync", sync_db_template)
    with psycopg.connect(sync_url, autocommit=True) as sync:
        scene = make_scene(chatwoot_url, sync)
        scene.sweep()
        with scene.snapshot() as snapshot:
            mark = snapshot.mark
        yield scene, mark
    for url in (chatwoot_url, sync_url):
        postgres.drop_database(str(conninfo_to_dict(url)["dbname"]))


def watermark(scene: Scene, mark: Mark) -> dict[Stream, set[int]]:
    """The keys that a reading from the watermark gives."""
    since = ChangedSince(mark)
    with scene.snapshot() as snapshot:
        readings = {
            Stream.CONTACTS: (snapshot.contacts(Scope(1), since), "id"),
            Stream.CONVERSATIONS: (snapshot.conversations(Scope(1), since), "display_id"),
            Stream.MESSAGES: (snapshot.messages(Scope(1), since), "id"),
            Stream.PROGRESS: (snapshot.progress(Scope(1), since), "contact_id"),
        }
        return {
            stream: {getattr(row, key) for chunk in chunks for row in chunk if not isinstance(row, BrokenRow)}
            for stream, (chunks, key) in readings.items()
        }


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_a_sweep_finds_what_a_write_changes_and_the_watermark_misses(
    swept: tuple[Scene, Mark], path: WritePath
) -> None:
    scene, mark = swept
    with scene.undone():
        scene.write(path.sql)
        expected = {stream: scene.key(stream, names) for stream, names in path.changed.items()}
        gone = {stream: scene.key(stream, names) for stream, names in path.vanished.items()}

        found = scene.look()
        assert changed(found) == expected
        assert vanished(found) == gone
        assert left(found) == {stream: scene.key(stream, names) for stream, names in path.left.items()}
        seen = watermark(scene, mark)
        missed = {stream for stream, keys in expected.items() if not seen[stream].issuperset(keys)}
        assert missed == path.missed

        scene.remember(found)
        assert counted(scene.look()) == {}


@pytest.mark.parametrize("noise", NOISE, ids=lambda noise: noise.name)
def test_a_sweep_is_not_fooled_by_what_changes_nothing_mapped(
    swept: tuple[Scene, Mark], noise: WritePath
) -> None:
    scene, _ = swept
    with scene.undone():
        scene.write(noise.sql)
        assert counted(scene.look()) == {}


# --- what is remembered, and when ---------------------------------------------------------------


def test_the_first_sweep_finds_everything_new(scene: Scene) -> None:
    found = scene.look()
    assert changed(found) == {
        Stream.CONTACTS: scene.key(Stream.CONTACTS, "ada bob"),
        Stream.CONVERSATIONS: scene.key(Stream.CONVERSATIONS, "talk other"),
        Stream.MESSAGES: scene.key(Stream.MESSAGES, "asked said greeted wrote"),
        Stream.PROGRESS: scene.key(Stream.PROGRESS, "ada bob"),
    }
    assert all(swept.is_first and set(swept.counts) == {"new"} for swept in found.streams.values())


def test_what_was_not_remembered_is_found_again(scene: Scene) -> None:
    scene.sweep()
    scene.write("UPDATE contacts SET name = 'A' WHERE id = %(ada)s; DELETE FROM contacts WHERE id = %(bob)s")
    first = scene.look(streams=JUST_CONTACTS)
    # The planning transaction fails after the sweep was remembered in it.
    with scene.sync.transaction(force_rollback=True):
        scene.remember(first)
    second = scene.look(streams=JUST_CONTACTS)
    assert counted(first) == counted(second) == {"contacts": {"changed": 1, "vanished": 1}}


def test_a_sweep_takes_the_place_of_the_one_before(scene: Scene) -> None:
    scene.look()
    newest = scene.look()
    for table in ("sweep_compared", "sweep_new_bucket", "sweep_difference"):
        rows = scene.sync.execute(f"SELECT DISTINCT sweep_id FROM krayin_sync.{table}").fetchall()
        assert rows == [(newest.sweep_id,)]


def test_only_the_newest_sweep_can_be_remembered(scene: Scene) -> None:
    first = scene.look()
    second = scene.look()
    with pytest.raises(SweepGoneError):
        scene.remember(first)
    scene.remember(second)
    assert changed(second)[Stream.CONTACTS] == scene.key(Stream.CONTACTS, "ada bob")
    with pytest.raises(SweepGoneError):
        scene.remember(second)
    assert counted(scene.look()) == {}


def test_a_crash_of_the_sync_database_loses_the_sweep_and_not_its_differences(scene: Scene) -> None:
    found = scene.look()
    # What a crash does to unlogged tables.
    tables = ("sweep", "sweep_compared", "sweep_new_bucket", "sweep_difference")
    scene.sync.execute(f"TRUNCATE {', '.join(f'krayin_sync.{table}' for table in tables)}")
    assert changed(found) == {}
    with pytest.raises(SweepGoneError):
        scene.remember(found)
    assert scene.look().streams[Stream.CONTACTS].is_first


@pytest.mark.timeout(60)
def test_a_chatwoot_that_breaks_off_leaves_the_sync_database_to_be_written_to(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.sweep()

    def break_off(*_: object, **__: object) -> Iterator[BucketSum]:
        raise SnapshotInterrupted(where="chatwoot", sqlstate=None, reason="gone")
        yield

    monkeypatch.setattr(DatabaseSnapshot, "checksums", break_off)
    with pytest.raises(SnapshotInterrupted) as broken:
        scene.sweep()
    # While whoever handles the error still has it in hand.
    assert scene.sync.execute("SELECT 1").fetchone() == (1,), broken


def test_a_sweep_of_another_sync_is_not_taken(scene: Scene) -> None:
    found = scene.look(name="other")
    with pytest.raises(SweepGoneError):
        scene.remember(found)
    scene.remember(found, name="other")
    assert scene.look().streams[Stream.CONTACTS].is_first


def test_a_sweep_compared_with_an_older_memory_changes_nothing_of_a_newer_one(scene: Scene) -> None:
    scene.sweep()
    with psycopg.connect(scene.sync.info.dsn, password="tests", autocommit=True) as other:
        old = scene.look()
        # Another worker's sweep is remembered in between: both hold rows, as if they had begun at once.
        scene.sync.execute("UPDATE krayin_sync.sweep SET sync_name = 'aside' WHERE id = %s", (old.sweep_id,))
        scene.write("UPDATE contacts SET name = 'A' WHERE id = %(ada)s")
        Scene(scene.chatwoot_url, other).sweep()
        scene.sync.execute("UPDATE krayin_sync.sweep SET sync_name = %s WHERE id = %s", (SYNC, old.sweep_id))
    scene.remember(old)
    assert counted(scene.look()) == {}


def test_hashes_of_another_formula_are_not_compared(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.sweep()
    monkeypatch.setattr("chatwoot.sweep.SweepReading.formula", "database/next")
    found = scene.look(streams=JUST_CONTACTS)
    assert found.streams[Stream.CONTACTS].is_first
    assert counted(found) == {"contacts": {"new": 2}}


def test_a_transaction_that_commits_during_the_sweep_is_found_by_the_next(scene: Scene) -> None:
    scene.sweep()
    with psycopg.connect(scene.chatwoot_url) as late:
        late.execute("UPDATE contacts SET name = 'late' WHERE id = %(ada)s", scene.ids)
        found = scene.look()
        late.commit()
        assert counted(found) == {}
        scene.remember(found)
    assert changed(scene.look(streams=JUST_CONTACTS)) == {Stream.CONTACTS: scene.key(Stream.CONTACTS, "ada")}


# --- what was planned meanwhile -----------------------------------------------------------------


def test_what_was_planned_in_between_is_looked_at_again_though_it_is_as_remembered(scene: Scene) -> None:
    scene.sweep()
    # The watermark's run saw another name and planned it; then the old name came back without a trace.
    scene.map("contact", scene.ids["ada"], read_at=chatwoot_now(scene))
    found = scene.look(streams=JUST_CONTACTS)
    assert counted(found) == {"contacts": {"replanned": 1}}
    assert changed(found) == {Stream.CONTACTS: [scene.ids["ada"]]}


def test_a_plan_that_is_being_made_during_the_sweep_counts_as_made_after_it(scene: Scene) -> None:
    scene.sync.execute(
        """
        INSERT INTO krayin_sync.sync_run (sync_name, kind, state, started_at)
        VALUES ('test', 'manual', 'planning', clock_timestamp() - interval '2 hours')
        """
    )
    read_at = chatwoot_now(scene) - timedelta(hours=1)
    scene.sweep()
    scene.map("contact", scene.ids["ada"], read_at=read_at)
    assert counted(scene.look(streams=JUST_CONTACTS)) == {"contacts": {"replanned": 1}}


def test_a_mapped_record_that_no_sweep_saw_is_found_to_be_gone(scene: Scene) -> None:
    scene.sweep()
    scene.map("contact", 900, read_at=chatwoot_now(scene))
    scene.map("message", 901, read_at=chatwoot_now(scene), crm_kind="activity")
    assert vanished(scene.look()) == {Stream.CONTACTS: [900], Stream.MESSAGES: [901]}


def test_old_mapped_records_are_looked_up_only_where_it_is_asked_for(scene: Scene) -> None:
    scene.sweep()
    scene.map("contact", 900, read_at=LONG_AGO)
    scene.map("contact", scene.ids["ada"], read_at=LONG_AGO)
    assert vanished(scene.look()) == {}
    assert counted(scene.look(every_mapped=True)) == {"contacts": {"vanished": 1}}


# --- scope and history --------------------------------------------------------------------------


def test_a_smaller_scope_is_no_deletion(scene: Scene) -> None:
    scene.sweep()
    small = Scope(1, frozenset({scene.ids["website"]}))
    found = scene.sweep(small)
    assert vanished(found) == changed(found) == {}
    assert left(found) == {
        Stream.CONTACTS: scene.key(Stream.CONTACTS, "bob"),
        Stream.CONVERSATIONS: scene.key(Stream.CONVERSATIONS, "other"),
        Stream.MESSAGES: scene.key(Stream.MESSAGES, "wrote"),
        Stream.PROGRESS: scene.key(Stream.PROGRESS, "bob"),
    }
    scene.write("UPDATE contacts SET name = 'B' WHERE id = %(bob)s")
    assert counted(scene.look(small)) == {}
    assert changed(scene.look())[Stream.CONTACTS] == scene.key(Stream.CONTACTS, "bob")


def test_a_contact_whose_inbox_was_taken_away_left_the_scope(scene: Scene) -> None:
    small = Scope(1, frozenset({scene.ids["mailbox"]}))
    scene.sweep(small)
    scene.write("DELETE FROM contact_inboxes WHERE contact_id = %(bob)s")
    found = scene.look(small, streams=JUST_CONTACTS)
    assert left(found) == {Stream.CONTACTS: [scene.ids["bob"]]}


def test_rows_before_the_history_are_not_new_but_their_changes_are_found(scene: Scene) -> None:
    since = NOON - timedelta(days=1)
    first = scene.sweep(since=since)
    assert changed(first) == {
        Stream.CONTACTS: scene.key(Stream.CONTACTS, "ada"),
        Stream.CONVERSATIONS: scene.key(Stream.CONVERSATIONS, "talk"),
        Stream.MESSAGES: scene.key(Stream.MESSAGES, "asked said greeted"),
        Stream.PROGRESS: scene.key(Stream.PROGRESS, "ada"),
    }
    assert first.streams[Stream.CONTACTS].rows == 2
    scene.write("UPDATE contacts SET name = 'B' WHERE id = %(bob)s")
    # It may be mapped already: then history does not bound it.
    assert changed(scene.look(since=since, streams=JUST_CONTACTS)) == {Stream.CONTACTS: [scene.ids["bob"]]}


def test_who_comes_back_after_the_history_is_found_by_activity_alone(scene: Scene) -> None:
    since = NOON - timedelta(days=1)
    scene.sweep(since=since)
    scene.write("UPDATE contacts SET last_activity_at = now() WHERE id = %(bob)s")
    found = scene.sweep(since=since, streams=JUST_CONTACTS)
    assert counted(found) == {"contacts": {"awake": 1}}
    assert changed(found) == {Stream.CONTACTS: [scene.ids["bob"]]}


def test_a_row_that_grows_older_than_the_history_is_no_difference(scene: Scene) -> None:
    scene.sweep(since=NOON - timedelta(days=1))
    later = NOON + timedelta(days=1)
    assert counted(scene.sweep(since=later)) == {}
    # A setting that reaches further back wakes it.
    assert counted(scene.look(since=None))["contacts"] == {"awake": 2}


# --- any edits ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_any_edits_are_found_exactly(scene: Scene, seed: int) -> None:
    dice = random.Random(seed)
    with psycopg.connect(scene.chatwoot_url, autocommit=True) as chatwoot:
        for number in range(3 * BUCKET):
            # Gaps as other accounts and deletions leave them.
            chatwoot.execute(
                "SELECT setval('contacts_id_seq', nextval('contacts_id_seq') + %s)",
                (dice.choice([0, 0, 0, 5, 90]),),
            )
            changes.add_contact(chatwoot, dice.choice([1, 1, 1, 2]), name=f"{number}")
        scene.sweep(streams=JUST_CONTACTS)
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
            found = scene.look(streams=JUST_CONTACTS)
            assert changed(found) == {Stream.CONTACTS: sorted(renamed + added)}
            assert vanished(found) == {Stream.CONTACTS: sorted(deleted)}
            scene.remember(found)
        assert counted(scene.look(streams=JUST_CONTACTS)) == {}
        held = scene.sync.execute(
            "SELECT count(hash) FROM krayin_sync.sweep_bucket CROSS JOIN unnest(hashes) AS hash "
            "JOIN krayin_sync.sweep_stream AS stream ON stream.id = stream_id WHERE stream.stream = 'contacts'"
        ).fetchone()
        there = chatwoot.execute("SELECT count(*) FROM contacts WHERE account_id = 1").fetchone()
        assert held == there


def test_the_keys_come_in_chunks_and_the_source_reads_them(scene: Scene) -> None:
    found = scene.look()
    with scene.source.snapshot() as snapshot:

        def read(stream: Stream) -> Any:
            return Listed(lambda: keys_of(scene.sync, found.sweep_id, stream, chunk=1))

        contacts = list(snapshot.contacts(Scope(1), read(Stream.CONTACTS)))
        talk = list(snapshot.conversations(Scope(1), read(Stream.CONVERSATIONS)))
        said = list(snapshot.messages(Scope(1), read(Stream.MESSAGES)))
        progress = list(snapshot.progress(Scope(1), read(Stream.PROGRESS)))
    assert [[row.id for row in chunk] for chunk in contacts] == [[scene.ids["ada"]], [scene.ids["bob"]]]
    assert [chunk[0].display_id for chunk in talk] == scene.key(Stream.CONVERSATIONS, "talk other")
    assert [chunk[0].id for chunk in said] == scene.key(Stream.MESSAGES, "asked said greeted wrote")
    assert [chunk[0].contact_id for chunk in progress] == scene.key(Stream.PROGRESS, "ada bob")


def chatwoot_now(scene: Scene) -> datetime:
    """The clock of Chatwoot's database."""
    with scene.source.snapshot() as snapshot:
        return snapshot.read_at
