"""A Krayin that is not the one we knew: syncs stop at the first sign, and a recovery puts the links right."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from reconciliation.admin.contact_erasure import erase
from reconciliation.admin.recovery import Happened, answer_recovery, declare_false_alarm, plan_recovery
from reconciliation.drift.request import ReconcileRequest
from reconciliation.drift.run import compare, repair
from reconciliation.errors import IncidentOpenError, RecoveryRequestError
from reconciliation.run.request import RunRequest
from reconciliation.store.incidents import open_incident
from reconciliation.store.ledger import Ledger

from sandbox.chatwoot import changes, conversations
from tests.reconciliation.another_krayin import after_posts, empty, recover, replace_krayin, table, writes
from tests.reconciliation.world import ACCOUNT, StandInAccess

if TYPE_CHECKING:
    from tests.reconciliation.world import World

CONTACTS = 400


def add_contacts(world: World, number: int, first: int = 0) -> None:
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        for one in range(first, first + number):
            changes.add_contact(
                connection,
                ACCOUNT,
                name=f"Customer {one}",
                email=f"customer{one}@example.com",
                phone_number=f"+4930{1000000 + one}",
            )


def incidents(world: World) -> list[tuple[str, str]]:
    return world.rows("SELECT kind, facts ->> 'sign' FROM incident WHERE closed_at IS NULL ORDER BY id")


def each_contact_once(world: World, number: int) -> None:
    """Every contact has one person with its e-mail, with one lead, and is bound to these."""
    persons = {row["id"]: row["emails"][0]["value"] for row in world.persons()}
    ours = [email for email in persons.values() if email.startswith("customer")]
    assert sorted(ours) == sorted(f"customer{one}@example.com" for one in range(number))
    leads: dict[int, list[int]] = {}
    for row in world.leads():
        leads.setdefault(row["person"]["id"], []).append(row["id"])
    bound = dict(
        world.rows("SELECT source_id, crm_id FROM mapping WHERE crm_kind = 'person' AND state = 'linked'")
    )
    bound_leads = dict(
        world.rows(
            "SELECT source_id, crm_id FROM mapping WHERE crm_kind = 'lead' AND source_kind = 'contact' "
            "AND state = 'linked'"
        )
    )
    assert len(bound) == len(bound_leads) == number
    for source_id, person_id in bound.items():
        assert leads[person_id] == [bound_leads[source_id]]
    assert len(set(bound.values())) == number


def test_a_krayin_restored_in_the_middle_of_a_first_load(world: World) -> None:
    foreign = world.krayin.seed(
        persons=[{"name": "Foreign", "emails": [{"value": "foreign@other.example", "label": "work"}]}]
    )["persons"][0]
    add_contacts(world, CONTACTS)
    database = world.krayin.application.krayin.database
    backups: list[Any] = []
    posts = after_posts(
        world,
        {100: lambda: backups.append(database.backup()), 200: lambda: database.bring_back(backups[0])},
    )
    with pytest.raises(IncidentOpenError):
        world.run()
    # The first call after the restore showed the sign, and was the last.
    assert len(posts) == 201
    assert incidents(world) == [("another_krayin", "id_given_again")]
    assert [row[2] for row in world.operations("unknown")] == ["another_krayin"]
    with pytest.raises(IncidentOpenError):
        world.run()
    assert len(writes(world)) == 201
    before = json.dumps(world.krayin.records("persons")["persons"][0])
    world.krayin.clear_calls()
    plan = plan_recovery(world.sync(), Happened.RESTORED)
    read = len(world.krayin.calls())
    assert not writes(world)
    assert plan.kept == {"person": 100, "lead": 100}
    assert plan.gone == {"person": 100, "lead": 100}
    assert plan.foreign == {"person": 1, "lead": 1}
    assert read <= 20
    answer_recovery(world.sync_url, plan.recovery_id, approved=True, decided_by="somebody")
    assert incidents(world) == []
    world.krayin.clear_calls()
    run = world.run()
    run = world.run() if run.summary["waiting"] else run
    made = CONTACTS - 101
    calls = len(world.krayin.calls())
    assert calls <= 1.1 * made, calls
    each_contact_once(world, CONTACTS)
    assert json.dumps(world.krayin.records("persons")["persons"][0]) == before
    assert foreign == 1
    assert world.operations("quarantined") == []
    world.krayin.clear_calls()
    world.run()
    assert not writes(world)


FEW = 24


@pytest.fixture
def loaded(world: World) -> World:
    """A Krayin with a first load of a few contacts and a person of somebody else's."""
    world.krayin.seed(
        persons=[{"name": "Foreign", "emails": [{"value": "foreign@other.example", "label": "work"}]}]
    )
    add_contacts(world, FEW)
    world.run()
    # What is made from now on is made at another second.
    world.krayin.advance(5)
    world.krayin.clear_calls()
    return world


def stops(world: World, sign: str) -> None:
    """The next run writes nothing, and one incident says why."""
    with pytest.raises(IncidentOpenError, match="krayin_recover"):
        world.run()
    assert writes(world) == []
    assert incidents(world) == [("another_krayin", sign)]


def goes_on(world: World, number: int) -> None:
    """The next runs make what is missing, and after them nothing is left to do."""
    world.run()
    world.run()
    each_contact_once(world, number)
    world.krayin.clear_calls()
    world.run()
    assert writes(world) == []
    assert world.operations("quarantined") == []


@pytest.mark.parametrize("counting_on", [True, False], ids=["deleted", "truncated"])
def test_an_emptied_krayin_is_filled_again_once_that_is_said_to_be_meant(
    loaded: World, counting_on: bool
) -> None:
    empty(loaded, counting_on=counting_on)
    add_contacts(loaded, 1, first=FEW)
    stops(loaded, "newest_gone")
    plan = recover(loaded, Happened.EMPTIED)
    assert plan.gone == {"person": FEW, "lead": FEW}
    assert plan.again_calls == FEW
    assert "gone" in plan.body
    goes_on(loaded, FEW + 1)


def test_a_comparison_takes_an_empty_krayin_for_no_deletions_either(loaded: World) -> None:
    before = loaded.rows("SELECT id, state FROM mapping ORDER BY id")
    empty(loaded, counting_on=True)
    with pytest.raises(IncidentOpenError, match="krayin_recover"):
        loaded.compared()
    assert incidents(loaded) == [("another_krayin", "newest_gone")]
    assert loaded.rows("SELECT id, state FROM mapping ORDER BY id") == before


def test_what_is_gone_stays_deleted_where_that_is_said(loaded: World) -> None:
    empty(loaded, counting_on=True)
    add_contacts(loaded, 1, first=FEW)
    stops(loaded, "newest_gone")
    recover(loaded, Happened.EMPTIED, make_again=False)
    loaded.run()
    assert [row["emails"][0]["value"] for row in loaded.persons()] == [f"customer{FEW}@example.com"]


def test_a_declined_recovery_changes_nothing_and_the_syncs_stay_stopped(loaded: World) -> None:
    empty(loaded, counting_on=True)
    add_contacts(loaded, 1, first=FEW)
    stops(loaded, "newest_gone")
    before = loaded.rows("SELECT * FROM mapping ORDER BY id")
    plan = plan_recovery(loaded.sync(), Happened.RESTORED)
    answer_recovery(loaded.sync_url, plan.recovery_id, approved=False, decided_by="somebody")
    assert loaded.rows("SELECT * FROM mapping ORDER BY id") == before
    with pytest.raises(IncidentOpenError):
        loaded.run()
    # A late answer to a plan that another one has replaced does nothing either.
    recover(loaded, Happened.RESTORED)
    answer_recovery(loaded.sync_url, plan.recovery_id, approved=True, decided_by="somebody")
    goes_on(loaded, FEW + 1)


def test_a_replaced_krayin_is_not_written_to_though_every_id_of_ours_is_there(loaded: World) -> None:
    theirs = replace_krayin(loaded, FEW)
    loaded.change(1, name="Changed meanwhile")
    stops(loaded, "other_record")
    plan = recover(loaded, Happened.REPLACED)
    assert plan.relinked == {"person": 2}
    assert plan.foreign == {"person": FEW}
    goes_on(loaded, FEW)
    after = {row["id"]: row for row in loaded.krayin.records("persons")["persons"]}
    for row in theirs:
        if row["name"].startswith("Theirs"):
            assert after[row["id"]] == row


def test_a_replaced_krayin_shows_in_what_it_is_set_up_with(loaded: World) -> None:
    replace_krayin(loaded, FEW)
    with psycopg.connect(loaded.sync_url, autocommit=True) as connection:
        connection.execute("UPDATE krayin_sync.krayin_catalogue SET read_at = read_at - interval '2 hours'")
    stops(loaded, "other_setup")


def test_a_copy_for_testing_is_not_written_to(loaded: World) -> None:
    for row in list(table(loaded, "persons")):
        emails = [{"value": f"anonymous{row['id']}@test.invalid", "label": "work"}]
        table(loaded, "persons").update(row["id"], {"emails": json.dumps(emails)})
    add_contacts(loaded, 1, first=FEW)
    stops(loaded, "emails_unknown")
    # Whoever says that this is the Krayin meant is not asked again.
    assert declare_false_alarm(loaded.sync(), by="somebody") == 1
    loaded.run()
    assert len(writes(loaded)) == 1


def test_a_moved_krayin_keeps_its_links_without_a_call_for_each_record(loaded: World) -> None:
    before = loaded.rows("SELECT source_id, crm_kind, crm_id, origin FROM mapping ORDER BY id")
    moved = replace(
        loaded.sync(),
        krayin=StandInAccess(loaded.krayin.url.replace("127.0.0.1", "localhost"), loaded.krayin.token),
    )
    add_contacts(loaded, 1, first=FEW)
    # The sync has written under the new address already.
    moved.run(RunRequest())
    loaded.krayin.clear_calls()
    plan = plan_recovery(moved, Happened.MOVED)
    assert plan.kept == {"person": FEW, "lead": FEW}
    answer_recovery(loaded.sync_url, plan.recovery_id, approved=True, decided_by="somebody")
    assert writes(loaded) == []
    assert len(loaded.krayin.calls()) <= 20
    moved.run(RunRequest())
    assert writes(loaded) == []
    after = loaded.rows(
        "SELECT source_id, crm_kind, crm_id, origin FROM mapping WHERE target_id = 1 AND source_id <> %s "
        "ORDER BY id",
        str(FEW + 1),
    )
    assert after == before
    each_contact_once_at = loaded.rows("SELECT base_url FROM krayin_target WHERE id = 1")
    assert "localhost" in each_contact_once_at[0][0]


def test_a_moved_krayin_must_have_been_known_before(loaded: World) -> None:
    with pytest.raises(RecoveryRequestError, match="new address"):
        plan_recovery(loaded.sync(), Happened.MOVED)
    assert incidents(loaded) == []


@pytest.mark.parametrize("share", [0.3, 0.1])
def test_what_salespeople_delete_one_by_one_is_drift(loaded: World, share: float) -> None:
    doomed = [row for row in loaded.leads() if row["id"] % 10 < share * 10]
    for row in doomed:
        loaded.api("DELETE", f"leads/{row['id']}")
        loaded.api("DELETE", f"contacts/persons/{row['person']['id']}")
    loaded.krayin.clear_calls()
    add_contacts(loaded, 2, first=FEW)
    for contact_id in range(1, FEW + 1):
        loaded.change(contact_id, name=f"New name {contact_id}")
    run = loaded.run()
    assert incidents(loaded) == []
    # And it is said.
    assert run.summary["deleted_in_krayin"]["person"] == len(doomed)


def test_ordinary_work_in_krayin_is_no_sign(loaded: World) -> None:
    newest = max(loaded.leads(), key=lambda row: row["id"])
    loaded.api("DELETE", f"leads/{newest['id']}")
    loaded.api("DELETE", f"contacts/persons/{newest['person']['id']}")
    loaded.krayin.seed(
        users=[{"name": "New", "email": "new@crm.example", "password": "x", "role_id": 1}],
        attributes=[{"code": "tier", "name": "Tier", "type": "text", "entity_type": "persons"}],
    )
    table(loaded, "users").update(1, {"name": "Renamed", "email": "renamed@crm.example"})
    # Another APP_TIMEZONE: all that is stored is shown otherwise.
    loaded.krayin.configure(timezone="Europe/Berlin")
    with psycopg.connect(loaded.sync_url, autocommit=True) as connection:
        connection.execute("UPDATE krayin_sync.krayin_catalogue SET read_at = read_at - interval '2 hours'")
    add_contacts(loaded, 2, first=FEW)
    for contact_id in range(1, FEW):
        loaded.change(contact_id, email=f"moved{contact_id}@example.com")
    loaded.run()
    assert incidents(loaded) == []
    assert loaded.operations("planned") == []


def test_no_lane_and_no_erasure_writes_while_an_incident_is_open(loaded: World) -> None:
    loaded.change(1, name="Changed")
    run_id = loaded.sync().plan(RunRequest())
    with psycopg.connect(loaded.sync_url, autocommit=True) as connection:
        open_incident(connection, kind="another_krayin", sentence="It is another.", facts={}, target_id=1)
        ledger = Ledger(connection, 1, "another worker")
        with pytest.raises(IncidentOpenError):
            ledger.claim("test", 10)
    with pytest.raises(IncidentOpenError):
        loaded.sync().load(run_id)
    with pytest.raises(IncidentOpenError):
        erase(loaded.sync(), 1, also_adopted=False)
    assert writes(loaded) == []
    assert len(loaded.operations("planned")) == 1


BOTH = {"sync_conversations": True, "sync_messages": True}


def talk(world: World, contact_ids: range) -> None:
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        row = connection.execute("SELECT min(id) FROM inboxes WHERE account_id = 1").fetchone()
        assert row
        for contact_id in contact_ids:
            conversation = conversations.add_conversation(connection, contact_id, row[0])
            conversations.add_message(connection, conversation, f"Hello from {contact_id}")


def test_what_was_said_comes_back_once_after_a_restore(world: World) -> None:
    world.settings = BOTH
    add_contacts(world, 8)
    talk(world, range(1, 5))
    world.run()
    world.krayin.backup()
    talk(world, range(5, 9))
    world.run()
    assert len(our_keys(world)) == 16
    world.krayin.restore()
    world.krayin.advance(5)
    talk(world, range(1, 2))
    with pytest.raises(IncidentOpenError):
        world.run()
    assert incidents(world) == [("another_krayin", "id_given_again")]
    # What the last call made is known, under an id that was another message's.
    assert len(our_keys(world)) == 9
    plan = recover(world)
    assert plan.kept == {"person": 8, "lead": 8, "activity": 8}
    assert plan.gone == {"activity": 8}
    world.run()
    world.run()
    keys = our_keys(world)
    assert len(keys) == len(set(keys)) == 18
    bound = world.rows("SELECT crm_id FROM mapping WHERE crm_kind = 'activity' AND state = 'linked'")
    assert len(bound) == len(set(bound)) == 18
    world.krayin.clear_calls()
    world.run()
    assert writes(world) == []


def our_keys(world: World) -> list[str]:
    rows = world.api("GET", "activities?pagination=0&type=note,call,email")["data"]
    return [row["additional"]["chatwoot"] for row in rows]


def test_a_call_that_another_worker_has_claimed_is_not_made_any_more(loaded: World) -> None:
    loaded.change(1, name="Changed")
    loaded.sync().plan(RunRequest())
    with psycopg.connect(loaded.sync_url, autocommit=True) as connection:
        ledger = Ledger(connection, 1, "another worker")
        (operation,) = ledger.claim("test", 10)
        open_incident(connection, kind="another_krayin", sentence="It is another.", facts={}, target_id=1)
        with pytest.raises(IncidentOpenError):
            ledger.intend(operation, "update_person")
        ledger.release([operation])
    assert [row[1] for row in loaded.operations("planned")] == ["1"]


def test_links_of_an_older_version_learn_when_their_records_were_made(loaded: World) -> None:
    with psycopg.connect(loaded.sync_url, autocommit=True) as connection:
        connection.execute("UPDATE krayin_sync.mapping SET crm_created_at = NULL")
    add_contacts(loaded, 1, first=FEW)
    loaded.run()
    known = "SELECT count(*) FROM mapping WHERE crm_kind = 'person' AND crm_created_at IS NOT NULL"
    assert loaded.rows(known) == [(FEW + 1,)]


DELETES: dict[str, Any] = {
    "reconcile": {"repair": "repair"},
    "on_source_delete": "delete",
    "max_removals_without_approval": {"number": 1000, "share": 1.0},
    **BOTH,
}


@pytest.mark.parametrize("kind", ["person", "lead", "activity"])
def test_a_planned_deletion_never_reaches_a_record_that_has_our_id_by_now(world: World, kind: str) -> None:
    world.settings = DELETES
    add_contacts(world, 3)
    talk(world, range(1, 4))
    if kind == "lead":
        # Of a person who was there before, only our lead is deleted.
        world.krayin.seed(
            persons=[{"name": "Customer 0", "emails": [{"value": "customer0@example.com", "label": "work"}]}]
        )
    world.run()
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        if kind == "activity":
            connection.execute("DELETE FROM messages WHERE conversation_id = 1")
        else:
            changes.delete_contact(connection, 1)
    run_id = compare(world.sync(), ReconcileRequest(depth="full"))
    planned = "SELECT payload -> 'retire' FROM operation WHERE state = 'planned' AND payload ? 'retire'"
    ((payload,),) = world.rows(planned)
    table_name = {"person": "persons", "lead": "leads", "activity": "activities"}[kind]
    assert payload[kind] is not None
    # Another Krayin's record, made a day later, is under the id.
    table(world, table_name).update(payload[kind], {"created_at": "2030-01-01 10:00:07"})
    world.krayin.clear_calls()
    with pytest.raises(IncidentOpenError):
        repair(world.sync(), run_id)
    assert writes(world) == []
    assert incidents(world) == [("another_krayin", "other_record")]
    recover(world)
    assert payload[kind] in table(world, table_name).rows
    assert world.rows(planned) == []


@pytest.mark.parametrize("policy", ["close_lead", "delete"])
def test_what_a_backup_brings_back_of_a_contact_that_is_gone_is_seen_to_once_more(
    world: World, policy: str
) -> None:
    world.settings = {**DELETES, "on_source_delete": policy}
    add_contacts(world, 4)
    talk(world, range(1, 3))
    world.run()
    world.krayin.advance(5)
    world.krayin.backup()
    before = world.persons(), world.leads()
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        changes.delete_contact(connection, 1)
    world.compared()
    after = world.persons(), [lead["lead_pipeline_stage_id"] for lead in world.leads()]
    world.krayin.restore()
    assert (world.persons(), world.leads()) == before
    plan = recover(world)
    assert (plan.gone, plan.foreign) == ({}, {}), "what we deleted was not missed"
    world.run()
    world.compared()
    assert (world.persons(), [lead["lead_pipeline_stage_id"] for lead in world.leads()]) == after
    world.krayin.clear_calls()
    world.run()
    world.compared()
    assert writes(world) == []
