"""Every column of every table that is read: whatever changes what Krayin should hold changes a hash, and only that."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from chatwoot.records import BrokenRow
from chatwoot.source import Everything, SourceFilter
from chatwoot.streams import BUCKET, Stream
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from reconciliation.model.activity import ActivityRules, map_conversation, map_message
from reconciliation.model.contact import MappingRules, map_contact
from reconciliation.model.desired_contact import DesiredContact
from reconciliation.model.field_source import FilledField

from tests.reconciliation.scenario import Scenario, make_scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stack.postgres import Cluster

ACCOUNT = SourceFilter(1)
EVERYTHING = Everything()
CONTACT_RULES = MappingRules(
    link_organizations=True,
    fields={"person": {"plan": FilledField("plan")}},
)
ACTIVITY_RULES = ActivityRules("installation", "https://chat.example.com")
TABLES = (
    "contacts", "contact_inboxes", "conversations", "messages", "attachments", "active_storage_attachments",
    "active_storage_blobs", "inboxes", "users", "agent_bots", "teams", "reporting_events",
)  # fmt: skip
NEW_VALUES = {
    "character varying": "coalesce({}, '') || 'x'",
    "text": "coalesce({}, '') || 'x'",
    "integer": "coalesce({}, 0) + 1",
    "bigint": "coalesce({}, 0) + 1",
    "boolean": "NOT coalesce({}, false)",
    "timestamp without time zone": "coalesce({}, '2026-01-01') + interval '1 day'",
    "double precision": "coalesce({}, 0) + 1",
    "json": """'"{{\\"deleted\\":true}}"'""",
    "jsonb": """'{{"company_name": "Other", "plan": "other", "mail_subject": "x", "campaign_id": 1}}'""",
    "uuid": "gen_random_uuid()",
}
# A hash may change although the mapping gives the same: it looks at a row once more than needed.
MORE_THAN_NEEDED = {
    # Different spellings of one number.
    ("contacts", "phone_number"),
    # Of several notes of an earlier integration the one of the last inbox counts.
    ("contact_inboxes", "inbox_id"),
    # A bot is shown where nobody else is assigned, a file's kind where neither name nor type is known.
    ("conversations", "assignee_agent_bot_id"),
    ("attachments", "file_type"),
    # A mail subject counts in inboxes of the API only, a campaign not for what customers write.
    ("conversations", "additional_attributes"),
    ("messages", "additional_attributes"),
}


@pytest.fixture(scope="module")
def scenario(
    new_database: Callable[..., str], chatwoot_template: str, sync_db_template: str, postgres: Cluster
) -> Iterator[Scenario]:
    chatwoot_url, sync_url = (
        new_database("chatwoot", chatwoot_template),
        new_database("sync", sync_db_template),
    )
    with psycopg.connect(sync_url, autocommit=True) as sync:
        scenario = make_scene(chatwoot_url, sync)
        # Without it he is left out, whatever changes.
        scenario.write("UPDATE contacts SET phone_number = '+4930777' WHERE id = %(bob)s")
        yield scenario
    for url in (chatwoot_url, sync_url):
        postgres.drop_database(str(conninfo_to_dict(url)["dbname"]))


Seen = dict[tuple[Stream, int], Any]


def wanted(scenario: Scenario) -> tuple[Seen, Seen]:
    """What Krayin should hold for each record, and its hash."""
    with scenario.snapshot() as snapshot:
        mappings: dict[Stream, Callable[[Any], Any]] = {
            Stream.CONTACTS: _of_contact,
            Stream.CONVERSATIONS: lambda row: map_conversation(row, ACTIVITY_RULES, mapped=True),
            Stream.MESSAGES: lambda row: map_message(row, ACTIVITY_RULES, mapped=True),
            Stream.PROGRESS: lambda row: row,
        }
        mapped = {
            (stream, row.key): _fields(mapping(row))
            for stream, mapping in mappings.items()
            for chunk in snapshot.rows(stream, ACCOUNT, EVERYTHING)
            for row in chunk
        }
        hashes = {
            (stream, key): row_hash
            for stream in Stream
            for key, row_hash in snapshot.hashes(stream, ACCOUNT, range(BUCKET)).items()
        }
    return mapped, hashes


def _of_contact(contact: Any) -> Any:
    if isinstance(contact, BrokenRow):
        return contact
    desired = map_contact(contact, CONTACT_RULES, mapped=True)
    # It is kept for measuring, and not sent.
    return replace(desired, changed_at=None) if isinstance(desired, DesiredContact) else desired


def _fields(record: Any) -> Any:
    # A repr leaves out what identifies people.
    return {name: getattr(record, name) for name in getattr(type(record), "__slots__", ())} or record


@pytest.mark.parametrize("table", TABLES)
def test_whatever_changes_the_mapping_changes_a_hash_and_nothing_else_does(
    scenario: Scenario, table: str
) -> None:
    with scenario.undone():
        before, hashed = wanted(scenario)
    assert before.keys() == hashed.keys()
    assert len({stream for stream, _ in before}) == len(Stream)
    with psycopg.connect(scenario.chatwoot_url) as connection:
        columns = connection.execute(
            "SELECT column_name, data_type FROM information_schema.columns "
            "WHERE table_name = %s AND table_schema = 'public' AND column_name <> 'id'",
            (table,),
        ).fetchall()
    moved = 0
    for column, kind in columns:
        with scenario.undone():
            assert scenario.writer is not None
            try:
                scenario.writer.execute(
                    sql.SQL("UPDATE {} SET {} = {}").format(
                        sql.Identifier(table),
                        sql.Identifier(column),
                        sql.SQL(NEW_VALUES[kind]).format(sql.Identifier(column)),
                    )
                )
            except psycopg.IntegrityError:
                # Chatwoot cannot write that either.
                continue
            after, rehashed = wanted(scenario)
        differs = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
        seen = {key for key in hashed.keys() | rehashed.keys() if hashed.get(key) != rehashed.get(key)}
        assert differs <= seen, f"{table}.{column}: the mapping changes and no hash tells"
        if (table, column) not in MORE_THAN_NEEDED:
            assert seen <= differs, f"{table}.{column}: a hash changes and the mapping does not"
        moved += bool(differs)
    assert moved, f"no column of {table} is mapped"
