from __future__ import annotations

import psycopg
import pytest
from chatwoot.database.source import DatabaseSource
from chatwoot.versions import FIRST_SCHEMA, version_of_api, version_of_schema


@pytest.mark.parametrize("said", ["4.0.0", "4.15.1", "v4.18.0", "4.0.0-ce"])
def test_the_versions_it_was_made_for_are_no_problem(said):
    assert version_of_api(said).problem is None


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("3.16.0", "too old"),
        ("2.18.0", "upgrade it"),
        ("5.0.0", "newer than this integration"),
        ("", "does not say"),
        (None, "4.0 or later"),
        ("latest", "does not say"),
    ],
)
def test_other_versions_are_told_with_what_to_do(said, told):
    assert told in (version_of_api(said).problem or "")


def test_tables_tell_how_new_they_are():
    assert version_of_schema("20260611184600").shown == "with tables of 2026-06-11"
    assert version_of_schema("20260611184600").problem is None
    assert version_of_schema(str(FIRST_SCHEMA)).problem is None
    assert "older than 4.0's" in (version_of_schema("20241217041352").problem or "")
    assert "does not show" in (version_of_schema(None).problem or "")
    assert "does not show" in (version_of_schema("2026").problem or "")


def test_a_database_shows_its_tables_time_if_the_role_may_see_it(source, chatwoot, chatwoot_url):
    with source.snapshot() as snapshot:
        assert snapshot.version.shown == "with tables of 2026-06-11"
    chatwoot.execute("DROP ROLE IF EXISTS version_blind")
    chatwoot.execute("CREATE ROLE version_blind LOGIN PASSWORD 'x'")
    chatwoot.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO version_blind")
    chatwoot.execute("REVOKE SELECT ON schema_migrations FROM version_blind")
    blind = DatabaseSource(psycopg.conninfo.make_conninfo(chatwoot_url, user="version_blind", password="x"))
    with blind.snapshot() as snapshot:
        assert "does not show" in (snapshot.version.problem or "")
        assert snapshot.accounts()
