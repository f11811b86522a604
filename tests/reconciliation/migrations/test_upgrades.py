"""A sync database of every earlier version, with data in it, is upgraded and goes on where it was."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from krayin.routes import find_api
from psycopg.conninfo import conninfo_to_dict
from reconciliation.migrations import is_current, revisions, upgrade
from statements import scripts

from tests.reconciliation.world import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stack.postgres import Cluster
    from tests.reconciliation.world import World

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
    with psycopg.connect(url, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute("SET search_path = krayin_sync")
        for version, text in DATA.items():
            if version <= revision:
                connection.execute(text, facts)
        # A database in use has functions and views, which a migration may have to drop first. Those of that
        # version are gone: today's stand in for them as far as they fit its tables.
        for text in (*scripts("functions"), *scripts("views")):
            with suppress(psycopg.ProgrammingError), connection.transaction():
                connection.execute(text)
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
    upgrade(empty_url, revision)
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
    assert world.rows("SELECT count(*) FROM mapping WHERE account_id <> %s", ACCOUNT) == [(0,)]
