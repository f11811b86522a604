"""A sync database of every earlier version, with data in it, is upgraded and goes on where it was."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from krayin.routes import find_api
from psycopg.conninfo import conninfo_to_dict
from reconciliation.admin.contact_erasure import erase
from reconciliation.migrations import revisions, upgrade
from reconciliation.run.request import RunRequest
from statements import scripts

from sandbox.chatwoot import changes, conversations
from tests.reconciliation.migrations.test_migrations import is_current
from tests.reconciliation.world import ACCOUNT, EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stack.postgres import Cluster
    from tests.reconciliation.world import World

NOON = datetime(2026, 5, 5, 12, tzinfo=UTC)
STATES = ("done", "rejected", "quarantined", "superseded", "declined")

# What a version could hold, by the revision that made room for it.
DATA: dict[str, str] = {
    "0023": """
        INSERT INTO krayin_target (base_url) VALUES (%(base_url)s);
        INSERT INTO chatwoot_installation (identity) VALUES (%(installation)s);
        INSERT INTO krayin_catalogue VALUES ('key', 1, '{}', now());
        INSERT INTO sync_run (sync_name, dag_run_id, kind, state, finished_at, summary)
            VALUES ('test', 'manual__1', 'manual', 'done', now(), '{"read": 2}'),
                   ('test', 'scheduled__2', 'scheduled', 'failed', now(), '{}');
        INSERT INTO mapping (target_id, installation_id, account_id, source_kind, source_id, crm_kind,
                             crm_id, origin, state, source_hash, acked_hash, last_sent, source_read_at,
                             planned_at, acked_at)
            VALUES (1, 1, 1, 'contact', %(contact)s, 'person', %(person)s, 'created', 'linked',
                    '\\x01', '\\x01', '{"name": "Ada"}', now(), now(), now()),
                   (1, 1, 1, 'contact', %(contact)s, 'lead', %(lead)s, 'created', 'linked',
                    '\\x01', '\\x01', '{}', now(), now(), now()),
                   (1, 1, 1, 'company', 'acme', 'organization', 77, 'adopted', 'gone',
                    NULL, NULL, NULL, NULL, NULL, NULL),
                   (1, 1, 1, 'conversation', '9', 'activity', 4, 'created', 'linked',
                    '\\x01', NULL, NULL, NULL, NULL, NULL);
        INSERT INTO organization_member VALUES (1, 1, 1, %(contact)s::bigint, 'acme', 'Acme', '{"city": "Pune"}');
        INSERT INTO operation (run_id, sync_name, lane, target_id, installation_id, account_id, source_kind,
                               source_id, payload, source_read_at, forecast_calls, state, error_class,
                               error_message, finished_at)
            SELECT 1, 'test', 1, 1, 1, 1, 'contact', 1000 + row_number() OVER (), '{}', now(), 1, state,
                   'validation', 'no', now()
            FROM unnest(%(states)s::text[]) AS state;
        INSERT INTO crm_snapshot VALUES (1, 'person', %(person)s, now(), '\\x01', '{}', now());
        INSERT INTO crm_snapshot_key VALUES (1, 'person', 'email:someone@example.com', %(person)s);
        INSERT INTO crm_snapshot_watermark (target_id, crm_kind, complete_at, watermark, refreshed_at)
            VALUES (1, 'organization', now(), now(), now());
        INSERT INTO api_call (at, target_id, run_id, method, route, status, milliseconds, outcome)
            VALUES (now(), 1, 1, 'POST', 'leads', 200, 12, 'ok');
        INSERT INTO activity_mark VALUES (1, 4, true, 'test', 1, NULL);
        INSERT INTO inbox_event (sync_name, event, entities, signed, content_hash, body, run_id, claimed_at,
                                 processed_at)
            VALUES ('test', 'contact_updated', '{contact:1}', true, '\\x01', '{}', 1, now(), now()),
                   ('gone', 'contact_updated', '{contact:2}', true, '\\x02', '{}', NULL, NULL, NULL);
        INSERT INTO webhook (sync_name, url, chatwoot_id) VALUES ('test', 'https://airflow.example.com', 3);
        -- As far as they stand in the way of what changes the tables under them.
        CREATE FUNCTION contact_hash(integer, integer, bigint, text) RETURNS bytea LANGUAGE sql
            AS $$ SELECT sha256('') $$;
        CREATE VIEW external_ids AS SELECT target_id, installation_id, account_id FROM mapping;
        CREATE VIEW coverage AS SELECT target_id, installation_id, account_id FROM mapping;
        CREATE VIEW error_summary AS SELECT target_id, installation_id, account_id FROM operation;
        CREATE VIEW open_findings AS SELECT target_id, installation_id, account_id FROM finding;
    """,
}
KEPT = (
    "krayin_target", "chatwoot_installation", "sync_run", "mapping", "organization_member", "operation",
    "crm_snapshot", "crm_snapshot_key", "api_call", "activity_mark", "inbox_event", "webhook",
)  # fmt: skip


@pytest.fixture
def empty_url(new_database: Callable[..., str], postgres: Cluster) -> Iterator[str]:
    url = new_database("earlier")
    yield url
    postgres.drop_database(str(conninfo_to_dict(url)["dbname"]))


def fill(url: str, revision: str, facts: dict[str, Any]) -> None:
    """Bring a database to a revision, with what each one until then could hold."""
    for version in revisions():
        if version > revision:
            break
        upgrade(url, version)
        with psycopg.connect(url, cursor_factory=psycopg.ClientCursor) as connection:
            connection.execute("SET search_path = krayin_sync")
            connection.execute(DATA.get(version, ""), facts)
    with psycopg.connect(url) as connection:
        connection.execute("SET search_path = krayin_sync")
        # A database in use has functions and views, which a migration may have to drop first. Those of that
        # version are gone: today's stand in for them as far as they fit its tables.
        for text in (*scripts("functions"), *scripts("views")):
            with suppress(psycopg.ProgrammingError), connection.transaction():
                connection.execute(text.encode())
        connection.execute("DELETE FROM definitions")


def counts(url: str) -> dict[str, int]:
    with psycopg.connect(url) as connection:
        found = {
            name
            for (name,) in connection.execute(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = 'krayin_sync'"
            )
        }
        numbers = {}
        for table in found & set(KEPT):
            row = connection.execute(f"SELECT count(*) FROM krayin_sync.{table}").fetchone()
            assert row is not None
            numbers[table] = int(row[0])
    return numbers


def installation_of(world: World) -> str:
    with world.sync().source.snapshot() as snapshot:
        return snapshot.installation


def test_every_version_that_made_room_for_something_is_tried() -> None:
    assert set(DATA) <= set(revisions())
    assert revisions() == sorted(revisions())


def test_no_two_migrations_have_one_number() -> None:
    assert len(revisions()) == len(scripts("migrations"))


@pytest.mark.parametrize("revision", revisions())
def test_the_next_run_after_an_upgrade_makes_nothing_twice(
    revision: str, world: World, empty_url: str
) -> None:
    contact = world.add(name="Ada Lovelace", email="ada@example.com")
    created = world.krayin.seed(
        persons=[{"name": "Ada", "emails": [{"value": "ada@example.com", "label": "work"}]}]
    )
    (person,) = created["persons"]
    (lead,) = world.krayin.seed(leads=[{"title": "Ada", "person_id": person}])["leads"]
    facts = {
        "base_url": find_api(world.krayin.url),
        "installation": installation_of(world),
        "contact": str(contact),
        "person": person,
        "lead": lead,
        "states": list(STATES),
    }
    fill(empty_url, revision, facts)
    before = counts(empty_url)
    assert before["mapping"] >= 3

    assert not is_current(empty_url)
    upgrade(empty_url)
    assert is_current(empty_url)
    assert counts(empty_url).items() >= before.items()

    world.sync_url = empty_url
    run = world.run()
    assert run.summary["read"] >= 1
    assert [person["name"] for person in world.persons()] == ["Ada Lovelace"]
    assert len(world.leads()) == 1
    assert world.rows("SELECT count(*) FROM scope WHERE account_id <> %s", ACCOUNT) == [(0,)]


# --- a database in the middle of its work -------------------------------------------------------

SETTINGS = {**EVERYTHING, "new_lead_after_close": True, "on_source_delete": "close_lead"}
OPEN = ("planned", "in_flight", "unknown", "held")
# Work of another sync, for another account: it shares the Krayin, and nobody takes it up here.
OTHER = """
    INSERT INTO scope (target_id, installation_id, account_id) SELECT target_id, installation_id, 2 FROM scope;
    INSERT INTO approval (sync_name, state) VALUES ('other', 'open');
    INSERT INTO operation (run_id, sync_name, lane, target_id, scope_id, source_kind, source_id, payload, source_read_at,
                           forecast_calls, state, worker, lease_until, error_class, approval_id, next_attempt_at)
        SELECT 1, 'other', 1, 1, 2, 'contact', place, '{"person": {"name": "Zed"}}', now(), 1, state,
               CASE state WHEN 'in_flight' THEN 'w' END, CASE state WHEN 'in_flight' THEN now() + interval '1 day' END,
               CASE state WHEN 'quarantined' THEN 'taken' END, CASE state WHEN 'held' THEN 1 END, now()
        FROM unnest(%(states)s::text[]) WITH ORDINALITY AS one (state, place);
    INSERT INTO inbox_event (sync_name, event, entities, signed, content_hash, body)
        VALUES ('test', 'contact_updated', '{contact:1}', true, '\\x01', '{}');
    INSERT INTO write_back (sync_name, scope_id, contact_id, attribute, value)
        VALUES ('test', 1, 1, 'krayin_ids', 'krayin:person:1');
"""
SCOPED = (
    "checksum_diff", "checksum_stream", "erasure", "finding", "mapping", "operation", "organization_member",
    "reconciliation", "removal", "source_baseline", "watermark", "write_back", "inbox_event",
)  # fmt: skip
TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'krayin_sync' AND table_type = 'BASE TABLE'"
COLUMNS = "SELECT column_name FROM information_schema.columns WHERE table_schema = 'krayin_sync' AND table_name = %s"


def tables(connection: psycopg.Connection) -> dict[str, list[str]]:
    """Return the columns of each table that holds what a sync knows."""
    names = sorted({name for (name,) in connection.execute(TABLES)} - {"alembic_version", "definitions"})
    return {name: [column for (column,) in connection.execute(COLUMNS, [name])] for name in names}


def rewind(present: str, former: str) -> None:
    """Copy the rows of a database of today into an empty one of revision 0024."""
    with psycopg.connect(present) as reader, psycopg.connect(former) as writer:
        for one in (reader, writer):
            one.execute("SET search_path = krayin_sync")
        # Rows come table by table: what they refer to may come later.
        writer.execute("SET session_replication_role = replica")
        there = tables(reader)
        for table, columns in tables(writer).items():
            values = (f"{'own' if one in there[table] else 'scope'}.{one}" for one in columns)
            scope = "LEFT JOIN scope ON scope.id = own.scope_id" if "scope_id" in there[table] else ""
            rows = f"COPY (SELECT {', '.join(values)} FROM {table} AS own {scope}) TO STDOUT"
            with (
                reader.cursor().copy(rows.encode()) as source,
                writer.cursor().copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN".encode()) as target,
            ):
                for chunk in source:
                    target.write(chunk)
        numbers = "SELECT sequencename, last_value FROM pg_sequences WHERE last_value IS NOT NULL"
        for name, number in reader.execute(numbers):
            if name != "scope_id_seq":
                writer.execute("SELECT setval(%s::regclass, %s)", [name, number])


def contents(url: str) -> dict[str, list[Any]]:
    """Return all rows of all tables."""
    with psycopg.connect(url) as connection:
        connection.execute("SET search_path = krayin_sync")
        return {
            table: sorted(row for (row,) in connection.execute(f"SELECT own::text FROM {table} AS own"))
            for table in tables(connection)
        }


def close_and_write_again(world: World, contact: int) -> None:
    """A lead is closed in Krayin, and its customer writes once more."""
    world.api("PUT", f"leads/stage/edit/{world.leads()[0]['id']}", {"lead_pipeline_stage_id": 5})
    at = datetime.now(UTC) + timedelta(minutes=5)
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        conversations.add_conversation(connection, contact, 1, created_at=at)
    world.change(contact, last_activity_at=at)


def work(world: World) -> None:
    """Let a sync have been through everything it knows; a change of ada's is planned and not sent."""
    company = {"company_name": "Analytical Engines", "company_city": "London"}
    ada, zoe, tom, _ = (
        world.add(name=name, email=f"{name}@example.com", additional_attributes=company)
        for name in ("ada", "zoe", "tom", "sam")
    )
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        talk = conversations.add_conversation(connection, ada, 1, created_at=NOON)
        conversations.add_message(connection, talk, "Hi", created_at=NOON)
        by_us = {"message_type": 1, "sender_type": "User", "sender_id": 1}
        conversations.add_message(connection, talk, "Hello", created_at=NOON + timedelta(hours=1), **by_us)
    world.run()
    close_and_write_again(world, ada)
    world.run()
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        changes.delete_contact(connection, tom)
    world.compared(max_removals_without_approval={"number": 10, "share": 1.0})
    erase(world.sync(), zoe, also_adopted=False)
    world.api("DELETE", f"leads/{world.leads()[-1]['id']}")
    world.compared(repairing=False)
    world.run()
    world.change(ada, name="Ada Lovelace")
    world.sync().plan(RunRequest())
    with psycopg.connect(world.sync_url, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute("SET search_path = krayin_sync")
        connection.execute(OTHER, {"states": [*OPEN, *STATES]})
        # Earlier versions did not count what a list has, nor keep where a lead began.
        connection.execute("UPDATE crm_snapshot_watermark SET total = NULL")
        connection.execute("UPDATE mapping SET made_in_stage = NULL")


def test_nothing_of_a_database_at_work_is_lost_and_nothing_is_sent_again(
    world: World, empty_url: str
) -> None:
    world.settings = SETTINGS
    work(world)
    before = contents(world.sync_url)
    assert [table for table, rows in before.items() if not rows and table in SCOPED] == []
    upgrade(empty_url, "0024")
    rewind(world.sync_url, empty_url)

    upgrade(empty_url)
    assert contents(empty_url) == before
    with psycopg.connect(empty_url) as connection:
        # Of Krayin, Chatwoot, account and contact, as it always was: another would let every erased contact back.
        hashed = "SELECT contact_hash = sha256('1:1:1:2') FROM krayin_sync.erasure"
        assert connection.execute(hashed).fetchall() == [(True,)]

    world.sync_url = empty_url
    # What was planned before is carried out, once.
    assert world.run().summary["updated"] == {"person": 1}
    assert [person["name"] for person in world.persons() if "Lovelace" in person["name"]] == ["Ada Lovelace"]
    assert [call for call in world.calls(world.run().id) if call[0] != "GET"] == []
