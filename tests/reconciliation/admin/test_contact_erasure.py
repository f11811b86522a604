"""An erasure leaves no trace of a person, and no sync brings them back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from krayin.client import KrayinClient
from reconciliation.admin.contact_erasure import erase, identity_of, unerase
from reconciliation.admin.pii_values import in_bytes, traces_of, without
from reconciliation.admin.retention import Retention, retain
from reconciliation.drift.finding_store import FindingStore
from reconciliation.drift.request import ReconcileRequest
from reconciliation.drift.run import compare
from reconciliation.errors import ErasureWaitsError
from reconciliation.run.request import RunRequest

from sandbox.chatwoot import changes, conversations
from tests.database_dump import dump

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from reconciliation.drift.finding import Finding

    from tests.reconciliation.world import World

NAME, EMAIL, PHONE, TEXT = (
    "Zoë Quarrington",
    "zoe.quarrington@example.com",
    "+4915112345678",
    "my locksmith said",
)
TRACES = ("Zoë", "Zo\\u00eb", "Quarrington", "quarrington", "15112345678", "locksmith", "Heligoland")


def krayin_dump(world: World) -> str:
    with world.krayin.client() as http:
        return http.get("/sandbox/records").text


def traces_in(text: str) -> set[str]:
    return {trace for trace in TRACES if trace in text}


def talk(world: World, contact_id: int) -> None:
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        (inbox,) = connection.execute("SELECT min(id) FROM inboxes").fetchone() or (0,)
        conversation = conversations.add_conversation(connection, contact_id, inbox)
        conversations.add_message(connection, conversation, TEXT)


@pytest.fixture
def zoe(world: World) -> int:
    """Somebody with everything, brought over, changed, and once quarantined with others."""
    world.settings |= {"sync_conversations": True, "sync_messages": True, "sync_to_organization": True}
    contact_id = world.add(
        name=NAME, email=EMAIL, phone_number=PHONE,
        additional_attributes={"company_name": "Quay Ltd", "city": "Heligoland", "job_title": "Locksmith"},
    )  # fmt: skip
    world.add(name="Someone Else", email="else@example.com")
    world.run()
    talk(world, contact_id)
    world.change(contact_id, additional_attributes={"company_name": "Quay Ltd", "job_title": "locksmith"})
    world.run(RunRequest(dry_run=True))
    world.run()
    with psycopg.connect(world.sync_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO krayin_sync.inbox_event (sync_name, event, entities, signed, content_hash, body)"
            " VALUES ('test', 'contact_updated', %s, true, 'x', %s), ('test', 'message_created', '{conversation:99}',"
            " true, 'y', %s)",
            (
                [f"contact:{contact_id}"],
                f'{{"name": "{NAME}"}}'.encode(),
                in_bytes(NAME)[-1] + in_bytes(EMAIL)[0],
            ),
        )
        connection.execute(
            "UPDATE krayin_sync.operation SET error_message = %s, candidates = %s WHERE source_id = '2'",
            (f"{EMAIL} is taken", f'[{{"name": "{NAME}"}}]'),
        )
    return contact_id


def test_nothing_of_the_person_is_left(world: World, zoe: int) -> None:
    assert {"Quarrington", "locksmith"} <= traces_in(krayin_dump(world))
    assert {"Zoë", "quarrington", "15112345678", "locksmith", "Heligoland"} <= traces_in(dump(world.sync_url))
    receipt = erase(world.sync(), zoe, also_adopted=False)
    assert receipt.kept == {}
    assert {kind: len(ids) for kind, ids in receipt.deleted.items() if kind != "activity"} == {
        "person": 1,
        "lead": 1,
    }
    assert len(receipt.deleted["activity"]) >= 2
    assert traces_in(dump(world.sync_url)) == set()
    assert traces_in(krayin_dump(world)) == set()
    assert [person["name"] for person in world.persons()] == ["Someone Else"]
    assert [one["name"] for one in world.organizations()] == ["Quay Ltd"]
    ((document, finished),) = world.rows("SELECT receipt, finished_at FROM erasure")
    assert finished is not None
    assert traces_in(str(document)) == set()


def test_no_run_brings_them_back_unless_let_back(world: World, zoe: int) -> None:
    erase(world.sync(), zoe, also_adopted=False)
    world.change(zoe, name=f"{NAME} again")
    talk(world, zoe)
    for request in (RunRequest(), RunRequest(full=True), RunRequest(contact_ids=frozenset({zoe}))):
        assert world.run(request).summary["skipped"].get("erased on request") == 1
    assert len(world.persons()) == 1
    assert traces_in(dump(world.sync_url)) == set()
    with psycopg.connect(world.sync_url, autocommit=True) as connection:
        identity = identity_of(world.sync(), connection)
        assert unerase(connection, identity, zoe)
        assert not unerase(connection, identity, zoe)
    world.run(RunRequest(contact_ids=frozenset({zoe})))
    assert f"{NAME} again" in [person["name"] for person in world.persons()]


def test_what_was_there_before_is_kept_until_asked(world: World) -> None:
    world.api("POST", "contacts/persons", {
        "entity_type": "persons", "name": NAME, "emails": [{"value": EMAIL, "label": "work"}],
        "contact_numbers": [{"value": PHONE, "label": "work"}],
    })  # fmt: skip
    contact_id = world.add(name=NAME, email=EMAIL)
    world.run()
    assert len(world.persons()) == 1
    receipt = erase(world.sync(), contact_id, also_adopted=False)
    assert list(receipt.kept) == ["person"]
    assert list(receipt.deleted) == ["lead"]
    assert "KEPT in Krayin: person" in "\n".join(receipt.lines())
    assert len(world.persons()) == 1
    again = erase(world.sync(), contact_id, also_adopted=True)
    assert again.kept == {}
    assert world.persons() == []
    assert traces_in(dump(world.sync_url)) == set()
    assert traces_in(krayin_dump(world)) == set()


def test_a_person_with_a_lead_of_others_is_kept_whole(world: World, zoe: int) -> None:
    person = next(one for one in world.persons() if one["name"] == NAME)
    world.api("POST", "leads", {"title": "By hand", "lead_pipeline_stage_id": 1, "person_id": person["id"]})
    receipt = erase(world.sync(), zoe, also_adopted=False)
    assert sorted(receipt.kept) == ["lead", "person"]
    assert [lead["title"] for lead in world.leads() if lead["person"]["id"] == person["id"]] == ["By hand"]
    assert erase(world.sync(), zoe, also_adopted=True).kept == {}
    assert traces_in(krayin_dump(world)) == set()


@pytest.mark.parametrize("after", [1, 2, 3, 4])
def test_it_goes_on_after_a_death_anywhere(
    world: World, zoe: int, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = 0

    def dying(delete: Callable[[KrayinClient, int], bool]) -> Callable[[KrayinClient, int], bool]:
        def call(client: KrayinClient, crm_id: int) -> bool:
            nonlocal made
            done = delete(client, crm_id)
            made += 1
            if made == after:
                raise KeyboardInterrupt
            return done

        return call

    with monkeypatch.context() as patched:
        for name in ("delete_activity", "delete_lead", "delete_person"):
            patched.setattr(KrayinClient, name, dying(getattr(KrayinClient, name)))
        with pytest.raises(KeyboardInterrupt):
            erase(world.sync(), zoe, also_adopted=False)
    receipt = erase(world.sync(), zoe, also_adopted=False)
    assert len(receipt.deleted["person"]) == 1
    assert traces_in(dump(world.sync_url)) == set()
    assert traces_in(krayin_dump(world)) == set()


def test_it_waits_while_a_call_has_no_outcome(world: World, zoe: int) -> None:
    world.rows(
        "UPDATE operation SET state = 'unknown', step = 'update_person' WHERE id ="
        " (SELECT max(id) FROM operation WHERE source_kind = 'contact' AND source_id = %s) RETURNING id",
        str(zoe),
    )
    with pytest.raises(ErasureWaitsError, match="cannot be erased yet"):
        erase(world.sync(), zoe, also_adopted=False)
    assert len(world.persons()) == 2
    world.rows("UPDATE operation SET state = 'done' WHERE state = 'unknown' RETURNING id")
    erase(world.sync(), zoe, also_adopted=False)
    assert traces_in(dump(world.sync_url)) == set()


def test_what_chatwoot_sends_later_is_emptied_by_the_daily_maintenance(world: World, zoe: int) -> None:
    erase(world.sync(), zoe, also_adopted=False)
    with psycopg.connect(world.sync_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO krayin_sync.inbox_event (sync_name, event, entities, signed, content_hash, body,"
            " processed_at) VALUES ('test', 'contact_updated', %s, true, 'z', %s, now())",
            ([f"contact:{zoe}"], NAME.encode()),
        )
        assert traces_in(dump(world.sync_url)) != set()
        assert retain(connection, Retention())["erased"] == 1
    assert traces_in(dump(world.sync_url)) == set()


def test_a_contact_that_never_came_over_never_will(world: World) -> None:
    contact_id = world.add(name=NAME, email=EMAIL)
    assert erase(world.sync(), contact_id, also_adopted=False).deleted == {}
    world.run()
    assert world.persons() == []
    assert traces_in(dump(world.sync_url)) == set()


def test_traces_are_names_and_addresses_longest_first() -> None:
    record = {
        "name": "Ann Lee",
        "emails": ["Ann@x.com"],
        "phones": [{"value": "+49151"}],
        "job_title": "Boss",
    }
    assert traces_of([record, None, {"name": "A"}]) == (
        "Ann@x.com",
        "ann@x.com",
        "Ann Lee",
        "ann lee",
        "+49151",
    )


def test_values_are_taken_out_of_texts_only() -> None:
    document = {"done": 3, "per": [{"repair": "done by Per, person 2026", "contact": 2026}], "2026": None}
    assert without(document, ("2026", "done", "per", "Per")) == {
        "done": 3,
        "per": [{"repair": "[erased] by [erased], person [erased]", "contact": 2026}],
        "2026": None,
    }
    assert without("王小明的会话, Quarrington's", ("Quarrington", "王小明")) == "[erased]的会话, [erased]'s"
    assert without(None, ("Ann",)) is None


def test_names_are_found_as_rails_writes_them() -> None:
    assert rb"Tom \u0026 J\u003e" in in_bytes("Tom & J>")


@pytest.mark.parametrize("name", ["done", "true"])
def test_a_name_that_is_a_word_of_ours_leaves_what_runs_say_whole(world: World, name: str) -> None:
    contact_id = world.add(name=name, email="some@example.com")
    world.add(name="Someone Else", email="else@example.com")
    world.run()
    before = dict(world.rows("SELECT id, summary FROM sync_run ORDER BY id"))
    erase(world.sync(), contact_id, also_adopted=False)
    after = dict(world.rows("SELECT id, summary FROM sync_run ORDER BY id"))
    for number, summary in before.items():
        assert {key for key in summary if key not in after[number]} == set()
        assert after[number]["created"] == summary["created"]


def test_it_names_the_contacts_that_were_merged_with_this_one(world: World) -> None:
    """Each has records of its own that an erasure of the other does not touch."""
    loser = world.add(name=NAME, email=EMAIL)
    survivor = world.add(name=f"{NAME} 2", phone_number=PHONE)
    world.run()
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        changes.merge_contacts(connection, survivor, loser)
    compare(world.sync(), ReconcileRequest(depth="full"))
    receipt = erase(world.sync(), survivor, also_adopted=False)
    assert receipt.merged == [loser]
    assert f"MERGED in Chatwoot with contact {loser}" in "\n".join(receipt.lines())
    assert erase(world.sync(), survivor, also_adopted=False).merged == [loser]
    assert erase(world.sync(), loser, also_adopted=False).merged == [survivor]
    assert world.persons() == []
    assert traces_in(dump(world.sync_url)) == set()


def test_a_comparison_under_way_keeps_nothing_of_them(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    contact_id = world.add(name=NAME, email=EMAIL)
    world.run()
    (person,) = world.persons()
    body = {
        "name": "Heligoland",
        "emails": person["emails"],
        "contact_numbers": [{"value": "", "label": "work"}],
    }
    world.api("PUT", f"contacts/persons/{person['id']}", body)
    write = FindingStore.write

    def erased_meanwhile(store: FindingStore, findings: Iterable[Finding]) -> None:
        found = list(findings)
        erase(world.sync(), contact_id, also_adopted=False)
        write(store, found)

    monkeypatch.setattr(FindingStore, "write", erased_meanwhile)
    compare(world.sync(), ReconcileRequest(depth="full"))
    assert world.rows("SELECT 1 FROM erasure WHERE finished_at IS NOT NULL") == [(1,)]
    assert traces_in(dump(world.sync_url)) == set()


def test_it_names_persons_that_a_quarantined_contact_was_not_linked_to(world: World) -> None:
    for name, phone in (("One", ""), ("Two", PHONE)):
        body = {
            "name": name,
            "emails": [{"value": EMAIL if name == "One" else "two@example.com", "label": "work"}],
            "contact_numbers": [{"value": phone, "label": "work"}],
        }
        world.api("POST", "contacts/persons", body)
    contact_id = world.add(name=NAME, email=EMAIL, phone_number=PHONE)
    world.run()
    assert [row[2] for row in world.operations("quarantined")] == ["ambiguous_person"]
    receipt = erase(world.sync(), contact_id, also_adopted=True)
    assert (receipt.deleted, receipt.alike) == ({}, [1, 2])
    assert "NOT LINKED in Krayin: person 1, 2" in "\n".join(receipt.lines())
    assert len(world.persons()) == 2
    assert erase(world.sync(), contact_id, also_adopted=False).alike == [1, 2]
