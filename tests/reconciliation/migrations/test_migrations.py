from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from reconciliation.errors import DatabaseRevisionError
from reconciliation.migrations import revisions, upgrade
from reconciliation.migrations.definitions import are_defined, define, keep_grants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[3]


def migrate(url: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "reconciliation.migrations", url]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "plugins")}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


def is_current(url: str) -> bool:
    """Tell whether the database has every migration of this version, and its functions and views."""
    with psycopg.connect(url) as connection:
        try:
            found = connection.execute("SELECT version_num FROM krayin_sync.alembic_version").fetchone()
            return found == (revisions()[-1],) and are_defined(connection)
        except psycopg.errors.UndefinedTable:
            return False


def test_migrating_twice_and_at_once_is_harmless(database_url: str) -> None:
    migrators = [migrate(database_url) for _ in range(3)]
    assert [migrator.wait() for migrator in migrators] == [0, 0, 0]
    upgrade(database_url)
    assert is_current(database_url)
    tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'krayin_sync'"
    assert {("mapping",), ("operation",), ("watermark",), ("api_call",)} <= set(rows(database_url, tables))


def test_an_empty_database_is_not_current(database_url: str) -> None:
    assert not is_current(database_url)


@pytest.mark.parametrize(
    ("revision", "advice"), [("0017", "upgrades databases from 0023 on"), ("9999", "A later version")]
)
def test_a_database_of_a_version_too_old_or_too_new_is_refused_and_left_as_it_is(
    sync_db_url: str, revision: str, advice: str
) -> None:
    with psycopg.connect(sync_db_url) as connection:
        connection.execute("UPDATE krayin_sync.alembic_version SET version_num = %s", [revision])
        connection.execute("DROP TABLE krayin_sync.definitions")
    with pytest.raises(DatabaseRevisionError, match=advice) as caught:
        upgrade(sync_db_url)
    assert (caught.value.found, caught.value.known) == (revision, tuple(revisions()))
    assert "Nothing was changed" in str(caught.value)
    assert not is_current(sync_db_url)
    state = "SELECT version_num, to_regclass('krayin_sync.definitions') FROM krayin_sync.alembic_version"
    assert rows(sync_db_url, state) == [(revision, None)]

    command = migrate(sync_db_url)
    _, output = command.communicate()
    assert (command.returncode, output.strip()) == (1, str(caught.value))


def test_functions_triggers_and_views_of_another_version_are_replaced(sync_db_url: str) -> None:
    with psycopg.connect(sync_db_url) as connection:
        connection.execute(
            """
            SET search_path = krayin_sync;
            UPDATE definitions SET hash = 'of another version';
            CREATE OR REPLACE VIEW coverage_history AS
                SELECT sync_name, run_id, depth, started_at, finished_at, 0::bigint AS in_scope,
                       0::bigint AS in_sync, 0.0 AS coverage
                FROM reconciliation;
            CREATE OR REPLACE FUNCTION lane_name(lane integer) RETURNS text LANGUAGE sql RETURN 'wrong';
            DROP TRIGGER mapping_linked_insert ON mapping;
            """
        )
    assert not is_current(sync_db_url)
    upgrade(sync_db_url)
    assert is_current(sync_db_url)
    found = """
        SELECT krayin_sync.lane_name(0), pg_get_viewdef('krayin_sync.coverage_history'::regclass) LIKE '%counts%',
               (SELECT count(*) FROM pg_trigger WHERE tgname = 'mapping_linked_insert')
    """
    assert rows(sync_db_url, found) == [("live", True, 1)]


def test_views_that_are_as_they_should_be_are_not_touched(sync_db_url: str) -> None:
    made = "SELECT oid, xmin::text FROM pg_class WHERE relkind = 'v' AND relnamespace = 'krayin_sync'::regnamespace"
    before = rows(sync_db_url, made)
    with psycopg.connect(sync_db_url) as reader:
        # A dashboard's long query would hold up whoever replaces the view.
        reader.execute("SELECT count(*) FROM krayin_sync.runs")
        upgrade(sync_db_url)
    assert rows(sync_db_url, made) == before


@pytest.fixture
def role(sync_db_url: str) -> Iterator[str]:
    name = "analysts of a test"
    with psycopg.connect(sync_db_url, autocommit=True) as connection:
        connection.execute(f'CREATE ROLE "{name}"')
        yield name
        connection.execute(f'DROP OWNED BY "{name}"; DROP ROLE "{name}"')


def drop_and_define(url: str, views: str) -> None:
    # What a migration that changes a view's columns does, and what follows it.
    with psycopg.connect(url) as connection, keep_grants(connection):
        connection.execute(f"SET LOCAL search_path = krayin_sync; DROP VIEW IF EXISTS {views}".encode())
        define(connection)


@pytest.mark.parametrize("make_anew", [upgrade, partial(drop_and_define, views="runs, open_findings")])
def test_what_was_granted_on_a_view_survives_that_it_is_made_anew(
    sync_db_url: str, role: str, make_anew: Callable[[str], None]
) -> None:
    with psycopg.connect(sync_db_url) as connection:
        connection.execute(
            f"""
            SET search_path = krayin_sync;
            GRANT SELECT ON runs TO "{role}" WITH GRANT OPTION;
            GRANT SELECT ON runs TO PUBLIC;
            GRANT SELECT (finding_id, class) ON open_findings TO "{role}";
            UPDATE definitions SET hash = 'of another version';
            """.encode()
        )
    granted = """
        SELECT table_name, column_name, grantee, privilege_type, is_grantable
        FROM information_schema.column_privileges
        WHERE table_schema = 'krayin_sync' AND grantee <> grantor ORDER BY 1, 2, 3
    """
    before = rows(sync_db_url, granted)
    assert ("open_findings", "class", role, "SELECT", "NO") in before
    assert ("runs", "message", role, "SELECT", "YES") in before
    make_anew(sync_db_url)
    assert is_current(sync_db_url)
    assert rows(sync_db_url, granted) == before


def test_whoever_points_to_what_the_clean_up_deletes_is_found_by_index(sync_db_url: str) -> None:
    # PostgreSQL asks each table that points to a deleted row; those left out have a row for each sync.
    without = """
        SELECT conrelid::regclass::text FROM pg_constraint
        WHERE contype = 'f' AND connamespace = 'krayin_sync'::regnamespace
          AND confrelid::regclass::text IN
              ('krayin_sync.operation', 'krayin_sync.sync_run', 'krayin_sync.reconciliation', 'krayin_sync.approval')
          AND NOT EXISTS (
              SELECT FROM pg_index WHERE indrelid = conrelid AND indkey[0] = conkey[1])
        ORDER BY 1
    """
    assert rows(sync_db_url, without) == [("krayin_sync.approval",), ("krayin_sync.watermark",)]
