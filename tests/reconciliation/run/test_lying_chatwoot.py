"""A Chatwoot that does not show what is there: nothing is taken for gone, and the truth is caught up with."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from chatwoot.database.source import DatabaseSnapshot
from chatwoot.errors import RowsHidden, UnknownAccount
from chatwoot.source import Vouch
from psycopg.conninfo import conninfo_to_dict
from reconciliation.admin.approval import answer, ask
from reconciliation.errors import IncidentOpenError
from reconciliation.extract.look import FEWER, HIDDEN, OTHER
from reconciliation.run.request import RunRequest
from reconciliation.run.setup import check_sync
from reconciliation.store.run_rows import RunKind

from sandbox.chatwoot import changes, conversations
from tests.reconciliation.world import on_each_krayin, reading_role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.reconciliation.world import World

CONTACTS = 40
QUALIFIED = 3
LOST = 6
REMOVING = {
    "on_source_delete": "delete",
    "max_changes_without_approval": {"number": 100_000, "share": 1.0},
}


def watermark(world: World) -> Any:
    return world.rows("SELECT stream, position FROM watermark ORDER BY stream")


def orphaned(world: World) -> int:
    return int(world.rows("SELECT count(*) FROM mapping WHERE state = 'orphaned'")[0][0])


@pytest.fixture
def lying(world: World) -> Iterator[World]:
    """A world of CONTACTS contacts, brought over by a role that may read everything and owns nothing."""
    world.settings = dict(REMOVING)
    with reading_role(world.chatwoot_url) as world.reader:
        with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
            for number in range(CONTACTS):
                changes.add_contact(connection, 1, name=f"Ada {number}", email=f"ada{number}@example.com")
        world.run()
        assert (len(world.persons()), world.kinds()) == (CONTACTS, [])
        yield world


@contextmanager
def set_aside(world: World, which: str) -> Iterator[None]:
    """Take some contacts out of the table, whatever writes it, and put them back as they were."""
    world.chatwoot(f"CREATE TABLE aside AS SELECT * FROM contacts WHERE {which}")
    world.chatwoot(f"DELETE FROM contacts WHERE {which}")
    yield
    world.chatwoot("INSERT INTO contacts SELECT * FROM aside ON CONFLICT (id) DO NOTHING")


def nothing_lost(world: World) -> None:
    assert len(world.persons()) == len(world.leads()) == CONTACTS
    assert orphaned(world) == 0


@on_each_krayin
@pytest.mark.parametrize("policy", [None, "CREATE POLICY few ON contacts USING (id % 3 = 0)"])
def test_row_security_refuses_setup_and_every_run_and_what_changed_is_caught_up_with(
    lying: World, policy: str | None
) -> None:
    before = watermark(lying)
    lying.chatwoot("ALTER TABLE contacts ENABLE ROW LEVEL SECURITY")
    if policy:
        lying.chatwoot(policy)
    lying.change(1, name="Ada Lovelace")
    ways = (
        lambda: list(check_sync(lying.sync())),
        lying.run,
        lambda: lying.run(RunRequest(full=True)),
        lambda: lying.run(RunRequest(kind=RunKind.EVENTS, contact_ids=frozenset({1}))),
        lying.compared,
    )
    for way in ways:
        with pytest.raises(RowsHidden, match=r"Row security hides rows of contacts .* BYPASSRLS"):
            way()
    assert lying.kinds() == [HIDDEN]
    nothing_lost(lying)
    assert watermark(lying) == before

    lying.chatwoot("ALTER TABLE contacts DISABLE ROW LEVEL SECURITY")
    lying.run()
    assert lying.kinds() == []
    assert "Ada Lovelace" in {row["name"] for row in lying.persons()}
    nothing_lost(lying)


@on_each_krayin
def test_leads_closed_for_rows_that_a_foreign_server_hid_are_reopened_and_what_was_not_sent_never_is(
    world: World,
) -> None:
    """Row security applies to the role by which a foreign table is read: no look at this database can know."""
    world.settings = {"reconcile": {"repair": "repair"}, "on_source_delete": "close_lead"}
    for number in range(1, 206):
        assert world.add(name=f"Ada {number}", email=f"ada{number}@example.com") == number
    with reading_role(world.chatwoot_url) as world.reader:
        reader = conninfo_to_dict(world.reader)
        world.chatwoot(
            f"""
            CREATE EXTENSION postgres_fdw;
            CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw
                OPTIONS (host '{reader["host"]}', port '{reader["port"]}', dbname '{reader["dbname"]}');
            CREATE USER MAPPING FOR PUBLIC SERVER elsewhere
                OPTIONS (user '{reader["user"]}', password '{reader["password"]}');
            CREATE SCHEMA shown;
            GRANT USAGE ON SCHEMA shown TO PUBLIC;
            IMPORT FOREIGN SCHEMA public LIMIT TO (contacts) FROM SERVER elsewhere INTO shown;
            ALTER ROLE {reader["user"]} SET search_path = shown, public;
            """
        )
        world.run()
        world.compared(repairing=None)
        leads = {lead["title"]: lead["id"] for lead in world.leads()}
        world.api("PUT", f"leads/stage/edit/{leads['Ada 2']}", {"lead_pipeline_stage_id": QUALIFIED})

        def stages() -> dict[int, int]:
            return {lead["id"]: lead["lead_pipeline_stage_id"] for lead in world.leads()}

        before = stages()
        world.chatwoot("ALTER TABLE contacts ENABLE ROW LEVEL SECURITY")
        world.chatwoot("CREATE POLICY few ON contacts USING (id > 2)")
        world.compared(repairing=None)
        closed = {**before, leads["Ada 1"]: LOST, leads["Ada 2"]: LOST}
        assert (world.kinds(), stages()) == ([], closed), "two of 205 are not asked about"
        world.chatwoot("ALTER POLICY few ON contacts USING (id > 10)")
        world.compared(repairing=None)
        assert (len(world.operations("held")), stages()) == (8, closed)
        with psycopg.connect(world.sync_url, autocommit=True) as sync_db:
            question = ask(sync_db, "test", "a run")
            assert question is not None
            answer(sync_db, question.approval_id, approved=True, decided_by="ada")
        assert len(world.operations("planned")) == 8
        world.change(10, name="Ada Lovelace")

        world.chatwoot("ALTER TABLE contacts DISABLE ROW LEVEL SECURITY")
        world.run()
        assert stages() == before
        assert "Ada Lovelace" in {row["name"] for row in world.persons()}
        removals = "SELECT state, count(*) FROM operation WHERE payload ? 'retire' GROUP BY 1 ORDER BY 1"
        assert world.rows(removals) == [("done", 2), ("superseded", 8)]
        assert world.rows("SELECT ended_as, count(*) FROM removal GROUP BY 1") == [("reopened", 2)]
        world.compared(repairing=None)
        assert (world.operations("held"), world.operations("planned"), orphaned(world)) == ([], [], 0)
        assert stages() == before


@pytest.mark.parametrize("kind", ["VIEW", "VIEW of a VIEW", "MATERIALIZED VIEW", "VIEW read as whoever asks"])
def test_row_security_beneath_a_view_hides_rows_from_whoever_reads_for_it(lying: World, kind: str) -> None:
    with reading_role(lying.chatwoot_url, "owner") as url:
        assert lying.reader is not None
        reader, owner = (str(conninfo_to_dict(one)["user"]) for one in (lying.reader, url))
        making, _, reading = kind.partition(" of a ")
        making, _, asking = making.partition(" read as ")
        lying.chatwoot(
            f"""
            CREATE SCHEMA shown AUTHORIZATION {owner};
            GRANT USAGE ON SCHEMA shown TO PUBLIC;
            ALTER ROLE {reader} SET search_path = shown, public;
            SET ROLE {owner};
            CREATE VIEW shown.inner_contacts AS SELECT * FROM public.contacts;
            CREATE {making} shown.contacts {"WITH (security_invoker = on)" if asking else ""}
                AS SELECT * FROM {"shown.inner_contacts" if reading else "public.contacts"};
            """
        )
        lying.run()
        assert lying.kinds() == [FEWER], "a view in the place of a table"
        lying.confirm()
        lying.run()
        assert lying.kinds() == []
        lying.chatwoot("ALTER TABLE contacts ENABLE ROW LEVEL SECURITY")
        hidden_from = reader if asking else owner
        for way in (lying.run, lying.compared):
            with pytest.raises(RowsHidden, match=f'of contacts at .* from role "{hidden_from}"'):
                way()
        assert lying.kinds() == [HIDDEN]
        lying.chatwoot(f"ALTER ROLE {hidden_from} BYPASSRLS")
        lying.run()
        assert lying.kinds() == []
        nothing_lost(lying)


def test_row_security_that_does_not_apply_to_the_role_is_none_of_our_business(lying: World) -> None:
    lying.chatwoot("ALTER TABLE contacts ENABLE ROW LEVEL SECURITY")
    lying.reader = lying.chatwoot_url
    lying.run()
    assert lying.kinds() == []


def test_row_security_on_messages_stops_a_sync_that_reads_them(lying: World) -> None:
    lying.chatwoot("ALTER TABLE messages ENABLE ROW LEVEL SECURITY")
    lying.run()
    with pytest.raises(RowsHidden, match="messages"):
        list(check_sync(lying.sync(sync_messages=True)))
    with pytest.raises(RowsHidden, match="messages"):
        lying.run(sync_messages=True)
    assert lying.kinds() == [HIDDEN]


def test_rows_that_are_gone_in_numbers_are_doubted_until_they_are_back(lying: World) -> None:
    before = watermark(lying)
    with set_aside(lying, "id % 2 = 0"):
        lying.change(1, name="Ada Lovelace")
        lying.compared()
        assert lying.kinds() == [FEWER]
        assert "shows 20 of the 40 contacts known before" in lying.incidents()[0].sentence
        # What is seen is brought over, and read again, as it may be older than what is not seen.
        assert "Ada Lovelace" in {row["name"] for row in lying.persons()}
        run = lying.run()
        assert (watermark(lying), lying.kinds()) == (before, [FEWER])
        assert run.message == lying.incidents()[0].sentence
        nothing_lost(lying)
    lying.run()
    assert (lying.kinds(), watermark(lying) != before) == ([], True)
    lying.compared()
    nothing_lost(lying)


def test_what_a_person_confirmed_is_gone_by_the_usual_rules(lying: World) -> None:
    lying.chatwoot("DELETE FROM contacts WHERE id % 2 = 0")
    lying.compared()
    assert lying.kinds() == [FEWER]
    lying.confirm()
    lying.run()
    lying.compared()
    assert lying.kinds() == []
    assert orphaned(lying) > 0
    # It was taken at its word once.
    lying.chatwoot("DELETE FROM contacts WHERE id < 30")
    lying.compared()
    assert lying.kinds() == [FEWER]


def test_few_deletions_are_not_doubted(lying: World) -> None:
    lying.chatwoot("DELETE FROM contacts WHERE id IN (3, 4)")
    lying.run()
    lying.compared()
    assert lying.kinds() == []
    assert orphaned(lying) > 0


@pytest.mark.parametrize("refilled", [False, True])
def test_an_emptied_table_refilled_or_not_is_not_the_one_that_was_known(
    lying: World, *, refilled: bool
) -> None:
    before = watermark(lying)
    lying.chatwoot("CREATE TABLE aside AS SELECT * FROM contacts")
    lying.chatwoot("TRUNCATE contacts RESTART IDENTITY CASCADE")
    if refilled:
        for number in range(CONTACTS):
            lying.add(name=f"Bob {number}", email=f"bob{number}@example.com")
    for way in (lying.run, lying.compared):
        with pytest.raises(IncidentOpenError, match="not as this sync knew it"):
            way()
    assert (lying.kinds(), watermark(lying)) == ([OTHER], before)
    nothing_lost(lying)
    lying.chatwoot("TRUNCATE contacts CASCADE")
    lying.chatwoot("INSERT INTO contacts SELECT * FROM aside")
    lying.run()
    assert lying.kinds() == []


def test_an_older_state_of_the_database_is_not_brought_over(lying: World) -> None:
    lying.chatwoot("CREATE TABLE aside AS SELECT * FROM contacts")
    lying.change(5, name="Ada Lovelace")
    lying.run()
    lying.chatwoot("TRUNCATE contacts CASCADE")
    lying.chatwoot("INSERT INTO contacts SELECT * FROM aside")
    with pytest.raises(IncidentOpenError, match="contact 5 is as of"):
        lying.run(RunRequest(full=True))
    with pytest.raises(IncidentOpenError, match="contact 5 is as of"):
        lying.run(RunRequest(kind=RunKind.EVENTS, contact_ids=frozenset({5})))
    assert "Ada Lovelace" in {row["name"] for row in lying.persons()}
    lying.confirm()
    lying.run(RunRequest(full=True))
    assert "Ada Lovelace" not in {row["name"] for row in lying.persons()}
    assert lying.kinds() == []


def test_an_older_state_that_lacks_nothing_but_the_newest_takes_it_for_gone_only_when_confirmed(
    lying: World,
) -> None:
    lying.settings["max_removals_without_approval"] = {"number": 1000, "share": 1.0}
    lying.chatwoot("CREATE TABLE aside AS SELECT * FROM contacts")
    newest = lying.add(name="New", email="new@example.com")
    lying.run(RunRequest(kind=RunKind.EVENTS, contact_ids=frozenset({newest})))
    before = watermark(lying)
    lying.chatwoot("CREATE TABLE whole AS SELECT * FROM contacts")
    lying.chatwoot("TRUNCATE contacts CASCADE; INSERT INTO contacts SELECT * FROM aside")
    for way in (lying.run, lying.compared):
        way()
        assert lying.kinds() == [FEWER]
        assert (
            f"contact {newest} was among the last to change and is not there" in lying.incidents()[0].sentence
        )
    assert (len(lying.persons()), orphaned(lying), watermark(lying)) == (CONTACTS + 1, 0, before)

    lying.chatwoot("TRUNCATE contacts CASCADE; INSERT INTO contacts SELECT * FROM whole")
    lying.run()
    assert (lying.kinds(), watermark(lying) != before) == ([], True)

    lying.chatwoot("TRUNCATE contacts CASCADE; INSERT INTO contacts SELECT * FROM aside")
    lying.run()
    lying.confirm()
    lying.run()
    lying.compared()
    assert (lying.kinds(), len(lying.persons())) == ([], CONTACTS)


def test_a_standby_that_is_behind_brings_no_older_value_over(
    lying: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    lying.chatwoot("CREATE TABLE aside AS SELECT * FROM contacts WHERE id = 5")
    lying.change(5, name="Ada Lovelace")
    lying.run()
    before = watermark(lying)
    behind = Vouch(None, passing=("this standby is 60 minutes behind its primary",))
    with monkeypatch.context() as patched:
        patched.setattr(DatabaseSnapshot, "vouch", behind)
        lying.run()
        assert (lying.kinds(), watermark(lying)) == ([FEWER], before), "it shows nothing older yet"
        lying.chatwoot("DELETE FROM contacts WHERE id = 5; INSERT INTO contacts SELECT * FROM aside")
        for way in (lying.run, lying.compared):
            with pytest.raises(IncidentOpenError, match="contact 5 is as of"):
                way()
    assert "Ada Lovelace" in {row["name"] for row in lying.persons()}
    lying.change(5, name="Ada Lovelace")
    lying.run()
    assert lying.kinds() == []


def test_a_view_in_a_tables_place_is_doubted_until_it_is_confirmed(lying: World) -> None:
    before = watermark(lying)
    lying.chatwoot("ALTER TABLE contacts RENAME TO contacts_kept")
    lying.chatwoot("CREATE VIEW contacts AS SELECT * FROM contacts_kept WHERE id <> 7")
    lying.run()
    assert (lying.kinds(), watermark(lying)) == ([FEWER], before)
    assert "contacts is no table" in lying.incidents()[0].sentence
    lying.compared()
    nothing_lost(lying)
    lying.confirm()
    lying.run()
    assert (lying.kinds(), watermark(lying) != before) == ([], True)


def test_another_installation_under_the_same_connection_stops_the_sync(lying: World) -> None:
    lying.chatwoot(
        'UPDATE installation_configs SET serialized_value = \'{"value": "another"}\''
        " WHERE name = 'INSTALLATION_IDENTIFIER'"
    )
    for way in (lying.run, lying.compared):
        with pytest.raises(IncidentOpenError, match="leads to another now"):
            way()
    assert (lying.kinds(), len(lying.persons())) == ([OTHER], CONTACTS)
    lying.confirm()
    lying.run()
    assert (lying.kinds(), len(lying.persons())) == ([], CONTACTS)


def test_an_account_that_is_gone_is_an_incident_once_it_was_read(lying: World) -> None:
    with pytest.raises(UnknownAccount):
        lying.run(name="new", chatwoot={"account_id": 7})
    assert lying.kinds() == []
    lying.chatwoot("UPDATE accounts SET id = 9 WHERE id = 1")
    with pytest.raises(UnknownAccount):
        lying.run()
    assert lying.kinds() == [HIDDEN]
    lying.chatwoot("UPDATE accounts SET id = 1 WHERE id = 9")
    lying.run()
    assert lying.kinds() == []


def test_contacts_that_leave_the_scope_are_not_gone(lying: World) -> None:
    with psycopg.connect(lying.chatwoot_url, autocommit=True) as connection:
        ((inbox,),) = connection.execute("SELECT min(id) FROM inboxes WHERE account_id = 1").fetchall()
        changes.link_inbox(connection, 1, inbox, "one")
    narrow = {"account_id": 1, "inboxes": [inbox]}
    lying.run(chatwoot=narrow)
    lying.compared(chatwoot=narrow)
    assert lying.kinds() == []
    nothing_lost(lying)


def test_hidden_messages_are_no_deleted_activities(lying: World) -> None:
    on = {"sync_messages": True}
    with psycopg.connect(lying.chatwoot_url, autocommit=True) as connection:
        ((inbox,),) = connection.execute("SELECT min(id) FROM inboxes WHERE account_id = 1").fetchall()
        talk = conversations.add_conversation(connection, 1, inbox)
        for number in range(30):
            conversations.add_message(connection, talk, f"Hello {number}")
    lying.run(**on)
    lying.compared(**on)
    lying.chatwoot("CREATE TABLE aside_m AS SELECT * FROM messages")
    lying.chatwoot("DELETE FROM messages WHERE id > (SELECT min(id) FROM messages)")
    lying.compared(**on)
    assert (lying.kinds(), orphaned(lying)) == ([FEWER], 0)
    # Contacts are all there; that does not answer for the messages.
    lying.run(**on)
    assert lying.kinds() == [FEWER]
    lying.chatwoot("INSERT INTO messages SELECT * FROM aside_m ON CONFLICT (id) DO NOTHING")
    lying.run(**on)
    assert lying.kinds() == []
    assert orphaned(lying) == 0


def test_a_conversation_keeps_its_text_while_messages_that_it_quotes_are_not_seen(lying: World) -> None:
    on = {"sync_conversations": True, "sync_messages": True}
    with psycopg.connect(lying.chatwoot_url, autocommit=True) as connection:
        ((inbox,),) = connection.execute("SELECT min(id) FROM inboxes WHERE account_id = 1").fetchall()
        talk = conversations.add_conversation(connection, 1, inbox)
        for number in range(30):
            conversations.add_message(connection, talk, f"Hello {number}")
    lying.run(**on)
    lying.compared(**on)

    def text() -> str:
        rows = lying.krayin.records("activities")["activities"]
        return next(str(row["comment"]) for row in rows if row["title"].startswith("Conversation"))

    before = text()
    assert "Hello 29" in before
    with set_aside(lying, "id > 5"):
        lying.chatwoot("CREATE TABLE aside_m AS SELECT * FROM messages")
        lying.chatwoot("DELETE FROM messages WHERE id > (SELECT min(id) FROM messages)")
        lying.run(RunRequest(full=True), **on)
        lying.compared(**on)
        lying.run(**on)
        assert (lying.kinds(), text()) == ([FEWER], before)
    lying.chatwoot("INSERT INTO messages SELECT * FROM aside_m ON CONFLICT (id) DO NOTHING")
    lying.compared(**on)
    assert (lying.kinds(), text()) == ([], before)
