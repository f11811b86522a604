"""Comparisons of a whole sync: what they look at, what they cost, what becomes of findings over time."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from reconciliation.admin.approval import answer, ask
from reconciliation.admin.contact_erasure import erase
from reconciliation.airflow.params import reconcile_request
from reconciliation.drift.request import ReconcileRequest
from reconciliation.drift.run import compare, repair
from reconciliation.drift.summary import lines_of, numbers_of
from reconciliation.extract import merged_contacts
from reconciliation.store.connection import connect
from reconciliation.store.decisions import ReplayRequest, replay
from reconciliation.store.run_rows import read_run

from sandbox.chatwoot import changes, conversations
from sandbox.chatwoot.bulk import advance_sequences, copy_rows
from tests.soak import SOAK

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.reconciliation.world import World

REPAIRS = {"reconcile": {"repair": "repair"}}
# Of so few contacts any removal would be asked about.
UNASKED = {"max_removals_without_approval": {"number": 1000, "share": 1.0}}


def reconcile(world: World, settings: dict[str, Any] | None = None, **asked: Any) -> int:
    sync = world.sync(**{**UNASKED, **(settings or {})})
    run_id = compare(sync, ReconcileRequest(**{"depth": "full", **asked}))
    repair(sync, run_id)
    return run_id


def present(world: World) -> list[tuple[Any, ...]]:
    return world.rows(
        "SELECT class, crm_kind, field, side, state FROM finding "
        "WHERE state NOT IN ('repaired', 'resolved') ORDER BY class, crm_kind, field"
    )


def counts(world: World) -> dict[str, Any]:
    ((found,),) = world.rows("SELECT counts FROM reconciliation ORDER BY id DESC LIMIT 1")
    return dict(found)


def an_hour_later(world: World) -> None:
    """Let what was planned lie further back than clocks may differ."""
    with psycopg.connect(world.sync_url, autocommit=True) as connection:
        connection.execute(
            "UPDATE krayin_sync.mapping SET source_read_at = source_read_at - interval '1 hour', "
            "planned_at = planned_at - interval '1 hour'"
        )


def rename_lead(world: World, title: str, place: int = 0) -> None:
    lead = world.leads()[place]
    world.api("PUT", f"leads/attributes/edit/{lead['id']}", {"title": title})


def ada(world: World, number: int = 0) -> int:
    return world.add(name=f"Ada {number}", email=f"ada{number}@example.com")


def test_a_clean_pair_has_no_findings(world: World) -> None:
    for number in range(3):
        ada(world, number)
    world.run()
    reconcile(world)
    assert present(world) == []
    found = counts(world)
    assert (found["in_scope"], found["in_sync"], found["records"]["lead"]) == (3, 3, 3)


def test_a_finding_keeps_its_first_sight_and_ends_when_it_is_gone(world: World) -> None:
    ada(world)
    world.run()
    rename_lead(world, "Big deal")
    reconcile(world)
    ((first, last),) = world.rows("SELECT first_seen, last_seen FROM finding")
    reconcile(world, depth="changed")
    ((same, later),) = world.rows("SELECT first_seen, last_seen FROM finding")
    assert same == first
    assert later > last
    rename_lead(world, "Ada 0")
    reconcile(world, depth="changed")
    assert world.rows("SELECT state, ended_at IS NOT NULL FROM finding") == [("resolved", True)]


def test_an_edit_is_found_without_reading_everything(world: World) -> None:
    for number in range(110):
        ada(world, number)
    world.run()
    an_hour_later(world)
    reconcile(world)
    rename_lead(world, "Big deal", 70)
    run_id = reconcile(world, depth="changed")
    assert present(world) == [("changed", "lead", "title", "theirs", "reported")]
    # Nothing else is compared, and lists are read until the last known change.
    assert counts(world)["compared"] == 1
    paths = [path for _, path, _ in world.calls(run_id)]
    assert len(paths) <= 8, paths
    ((field, shown),) = world.rows("SELECT detail ->> 'chatwoot', detail ->> 'krayin' FROM finding")
    assert (field, shown) == ("Ada 70", "Big deal")


def test_an_unchanged_pair_is_compared_with_a_call_for_each_list(world: World) -> None:
    for number in range(20):
        ada(world, number)
    world.run()
    an_hour_later(world)
    reconcile(world)
    run_id = reconcile(world, depth="changed")
    assert counts(world)["compared"] == 0
    listed = [path for _, path, _ in world.calls(run_id)]
    assert sorted(listed) == ["contacts/persons", "leads"]


def test_an_accepted_difference_counts_as_in_sync_until_it_changes(world: World) -> None:
    ada(world)
    world.run()
    rename_lead(world, "Big deal")
    reconcile(world)
    ((number,),) = world.rows("SELECT id FROM finding")
    reconcile(world, accepted=frozenset({number}))
    assert present(world) == [("changed", "lead", "title", "theirs", "accepted")]
    assert counts(world)["in_sync"] == 1
    rename_lead(world, "Bigger deal")
    reconcile(world, depth="changed")
    assert present(world) == [("changed", "lead", "title", "theirs", "reported")]
    assert counts(world)["in_sync"] == 0


def test_some_contacts_alone_are_read_by_their_ids(world: World) -> None:
    first, second = ada(world, 1), ada(world, 2)
    world.run()
    for lead in world.leads():
        world.api("DELETE", f"leads/{lead['id']}")
    run_id = reconcile(world, contact_ids=frozenset({second}))
    assert world.rows("SELECT contact_id, class, crm_kind FROM finding") == [
        (second, "stale_mapping", "lead")
    ]
    assert all("page" not in path for _, path, _ in world.calls(run_id))
    reconcile(world, contact_ids=frozenset({first}))
    assert [row[0] for row in world.rows("SELECT contact_id FROM finding ORDER BY 1")] == [first, second]


def test_a_named_contact_that_is_gone_is_seen_to_alone(world: World) -> None:
    first, second = ada(world, 1), ada(world, 2)
    world.run()
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        changes.delete_contact(connection, first)
        changes.delete_contact(connection, second)
    settings = {"on_source_delete": "delete"}
    reconcile(world, settings, contact_ids=frozenset({first}), repair=True)
    assert world.rows("SELECT contact_id, state FROM finding") == [(first, "repaired")]
    assert [person["name"] for person in world.persons()] == ["Ada 2"]


def test_classes_are_repaired_by_their_own_setting(world: World) -> None:
    ada(world)
    world.run()
    ada(world, 1)
    rename_lead(world, "Big deal")
    by_class = {"reconcile": {"repair_by_class": {"missing": "repair"}}, "on_crm_edit": "overwrite"}
    reconcile(world, by_class)
    assert present(world) == [("changed", "lead", "title", "theirs", "open")]
    assert len(world.leads()) == 2
    reconcile(world, {**by_class, **REPAIRS})
    assert present(world) == []
    assert [lead["title"] for lead in world.leads()] == ["Ada 0", "Ada 1"]


def test_repairs_go_by_the_ledger_in_the_lane_of_drift(world: World) -> None:
    ada(world)
    world.run()
    rename_lead(world, "Big deal")
    run_id = reconcile(world, {**REPAIRS, "on_crm_edit": "overwrite"})
    assert world.rows("SELECT lane, state FROM operation WHERE run_id = %s", run_id) == [(4, "done")]
    assert {row[0] for row in world.rows("SELECT DISTINCT lane FROM api_call WHERE run_id = %s", run_id)} == {
        4
    }
    assert world.rows("SELECT state, operation_id IS NOT NULL FROM finding") == [("repaired", True)]
    found = counts(world)
    assert (found["in_sync"], found["states"]) == (1, {"changed": {"repaired": 1}})


def test_a_repair_of_too_much_waits_for_approval(world: World) -> None:
    for number in range(4):
        ada(world, number)
    same = [world.add(name=f"Same {number}", email=f"same{number}@example.com") for number in range(5)]
    world.run()
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        connection.execute(
            "UPDATE contacts SET name = name || ' L.' WHERE account_id = 1 AND id <> ALL(%s)", (same,)
        )
    guard = {"max_changes_without_approval": {"number": 2, "share": 0.2}}
    reconcile(world, {**REPAIRS, **guard})
    assert {row[1] for row in world.rows("SELECT id, state FROM operation WHERE state <> 'done'")} == {"held"}
    assert not any(lead["title"].endswith("L.") for lead in world.leads())
    assert (counts(world)["in_scope"], counts(world)["in_sync"]) == (9, 5)
    # What waits for approval is being seen to: no second look finds it missing.
    reconcile(world, {**REPAIRS, **guard}, depth="changed")
    assert counts(world)["waiting"] == 4
    assert (counts(world)["in_scope"], counts(world)["in_sync"]) == (9, 5)
    assert {row[4] for row in present(world)} == {"repairing"}


def test_when_a_call_took_place_is_written_again(world: World) -> None:
    contact = ada(world)
    settings = {"sync_conversations": True, "on_crm_edit": "overwrite", **REPAIRS}
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        (inbox,) = connection.execute(
            "SELECT id FROM inboxes WHERE channel_type = 'Channel::Whatsapp'"
        ).fetchone() or (0,)
        conversations.add_conversation(connection, contact, inbox)
    world.run(**settings)
    (call,) = world.api("GET", "activities?pagination=0&type=call")["data"]
    world.api("PUT", f"activities/{call['id']}", {"schedule_from": "2020-01-01 00:00:00"})
    reconcile(world, {**settings, "reconcile": {"repair": "report"}})
    assert present(world) == [("changed", "activity", "schedule_from", "theirs", "open")]
    reconcile(world, settings)
    assert present(world) == []
    (again,) = world.api("GET", "activities?pagination=0&type=call")["data"]
    assert again["schedule_from"] == call["schedule_from"]


def test_custom_fields_are_compared_where_all_of_krayin_is_read(world: World) -> None:
    world.api(
        "POST",
        "settings/attributes",
        {"code": "loyalty", "name": "Loyalty", "type": "text", "entity_type": "persons"},
    )
    settings = {"custom_fields": {"person": {"level": "loyalty"}}, "on_crm_edit": "overwrite"}
    world.add(name="Ada", email="ada@example.com", custom_attributes={"level": "gold"})
    world.run(**settings)
    (person,) = world.persons()
    stored = world.stored("persons", person["id"])
    world.api(
        "PUT",
        f"contacts/persons/{person['id']}",
        {"name": "Ada", "emails": stored["emails"], "contact_numbers": [{"value": "", "label": "work"}],
         "loyalty": "lead"},
    )  # fmt: skip
    reconcile(world, settings)
    assert present(world) == [("changed", "person", "custom.loyalty", "theirs", "open")]
    reconcile(world, {**settings, **REPAIRS})
    assert present(world) == []
    assert world.stored("persons", person["id"])["loyalty"] == "gold"


def test_custom_fields_of_organizations_are_compared_as_well(world: World) -> None:
    world.api(
        "POST",
        "settings/attributes",
        {"code": "segment", "name": "Segment", "type": "text", "entity_type": "organizations"},
    )
    settings = {
        "sync_to_organization": True,
        "custom_fields": {"organization": {"size": "segment"}},
        "on_crm_edit": "overwrite",
    }
    for number in range(2):
        world.add(
            name=f"Ada {number}",
            email=f"ada{number}@example.com",
            custom_attributes={"company": f"Works {number}", "size": "big"},
        )
    world.run(**settings)
    reconcile(world, settings)
    assert present(world) == []
    edited, other = sorted(row["id"] for row in world.krayin.records("organizations")["organizations"])
    world.api(
        "PUT", f"contacts/organizations/{edited}", {"name": "Works 0", "segment": "small", "address": None}
    )
    reconcile(world, settings)
    assert present(world) == [("changed", "organization", "custom.segment", "theirs", "open")]
    reconcile(world, {**settings, **REPAIRS})
    assert present(world) == []
    segments = [world.stored("organizations", one)["segment"] for one in (edited, other)]
    assert segments == ["big", "big"]


def test_a_survivor_without_records_takes_over_those_of_the_merged_one(world: World) -> None:
    loser = ada(world)
    world.run()
    (person,), (lead,) = world.persons(), world.leads()
    survivor = world.add(name="Ada L.", phone_number="+493012345")
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        changes.merge_contacts(connection, survivor, loser)
    reconcile(world, REPAIRS)
    assert world.rows(
        "SELECT crm_kind, crm_id, source_id, origin FROM mapping WHERE state = 'linked' ORDER BY crm_kind"
    ) == [
        ("lead", lead["id"], str(survivor), "created"),
        ("person", person["id"], str(survivor), "created"),
    ]
    (now,) = world.persons()
    assert (now["name"], [row["value"] for row in now["contact_numbers"]]) == ("Ada L.", ["+493012345"])
    reconcile(world, REPAIRS)
    assert present(world) == []


def test_a_merged_contact_gives_its_address_to_the_survivor(world: World) -> None:
    loser = ada(world)
    survivor = world.add(name="Ada L.", phone_number="+493012345")
    world.run()
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        changes.merge_contacts(connection, survivor, loser)
    reconcile(world, {**REPAIRS, "on_source_delete": "close_lead"})
    emails = {person["name"]: [row["value"] for row in person["emails"]] for person in world.persons()}
    assert emails["Ada L."] == ["ada0@example.com"]
    assert emails["Ada 0"][0].endswith(".invalid")
    assert [lead["lead_pipeline_stage_id"] for lead in world.leads()] == [6, 1]
    assert present(world) == []


def test_merged_contacts_of_nothing_but_a_phone_give_it_to_their_survivors(world: World) -> None:
    """Where e-mails are optional: to Krayin two persons with neither e-mail nor phone are one."""
    world.krayin.edit(attributes=[{"id": 29, "is_required": 0}])
    losers = [world.add(name=f"Phone {n}", phone_number=f"+1415555030{n}") for n in range(2)]
    survivors = [ada(world, n) for n in range(2)]
    world.run()
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        for survivor, loser in zip(survivors, losers, strict=True):
            changes.merge_contacts(connection, survivor, loser)
    reconcile(world, {**REPAIRS, "on_source_delete": "close_lead"})
    phones = {row["name"]: [one["value"] for one in row["contact_numbers"]] for row in world.persons()}
    assert (phones["Ada 0"], phones["Ada 1"]) == (["+14155550300"], ["+14155550301"])
    assert present(world) == []


def test_adopted_records_of_a_deleted_contact_are_only_reported(world: World) -> None:
    body = {
        "name": "Ada",
        "emails": [{"value": "ada@example.com", "label": "work"}],
        "contact_numbers": [{"value": "", "label": "work"}],
    }
    person = world.api("POST", "contacts/persons", body)["data"]
    world.api(
        "POST",
        "leads",
        {"title": "Ada", "lead_value": 1, "lead_pipeline_stage_id": 1, "person": {"id": person["id"]}},
    )
    contact = world.add(name="Ada", email="ada@example.com")
    world.run()
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        changes.delete_contact(connection, contact)
    reconcile(world, {**REPAIRS, "on_source_delete": "delete"})
    assert present(world) == [("orphan", "person", None, None, "reported")]
    assert len(world.persons()) == len(world.leads()) == 1


def test_a_deleted_contact_that_returns_has_its_records_back(world: World) -> None:
    contact = ada(world)
    world.run()
    (person,) = world.persons()
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        changes.delete_contact(connection, contact)
        reconcile(world)
        assert present(world) == [("orphan", "person", None, None, "reported")]
        changes.add_contact(connection, 1, id=contact, name="Ada 0", email="ada0@example.com")
    reconcile(world, REPAIRS)
    assert present(world) == []
    assert world.rows("SELECT crm_id FROM mapping WHERE crm_kind = 'person' AND state = 'linked'") == [
        (person["id"],)
    ]
    assert len(world.persons()) == 1


def test_a_summary_names_every_class(world: World) -> None:
    ada(world)
    world.run()
    ada(world, 1)
    rename_lead(world, "Big deal")
    run_id = reconcile(world)
    with connect(world.sync_url) as connection:
        run = read_run(connection, run_id)
    text = "\n".join(lines_of(run))
    assert "2, 0 of them in sync" in text
    assert "missing             1 (1 open): missing in Krayin" in text
    assert "changed             1 (1 reported): field differs" in text
    assert numbers_of(run)["missing"] == 1
    assert "Big deal" not in text


@pytest.mark.parametrize(
    ("day", "depth"),
    [(datetime(2026, 11, 22, 2, tzinfo=UTC), "full"), (datetime(2026, 11, 23, 2, tzinfo=UTC), "changed")],
)
def test_one_day_a_week_everything_is_read(day: datetime, depth: str) -> None:
    assert ReconcileRequest().depth_on(day, "sunday") == depth
    assert ReconcileRequest(depth="full").depth_on(day, None) == "full"


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600 if SOAK else 600)
def test_no_false_finding_among_many(world: World) -> None:
    """More contacts than a page or a chunk has, 50,000 with SOAK=1, compared changed and full."""
    number = 50_000 if SOAK else 1_100
    now = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        copy_rows(
            connection,
            "contacts",
            (
                "account_id",
                "name",
                "email",
                "phone_number",
                "additional_attributes",
                "created_at",
                "updated_at",
            ),
            (
                (
                    1,
                    f"Ádä Ñ {one} 😀" if one % 7 == 0 else f"  Ada   {one} ",
                    None if one % 5 == 0 else f"ada{one}@Example.com".lower(),
                    f"+4930{one:07d}" if one % 5 == 0 or one % 3 == 0 else None,
                    json.dumps(
                        {
                            "company_name": f"Firm {one % 200}",
                            "city": "Köln",
                            "lead_value": one % 1000 + 0.5,
                            "description": "a\r\nb ",
                        }
                    ),
                    now,
                    now,
                )
                for one in range(1, number + 1)
            ),
        )
        advance_sequences(connection, ["contacts"])
    settings = {"sync_to_organization": True}
    world.run(**settings)
    for depth in ("changed", "full"):
        reconcile(world, settings, depth=depth)
        assert present(world) == []
        found = counts(world)
        assert (found["in_scope"], found["in_sync"]) == (number, number)


def test_the_form_of_a_run_says_what_is_asked_for() -> None:
    params = {"depth": "as scheduled", "repair": "as set", "contact_ids": "17, 42", "accept": ""}
    context = {"params": params, "dag_run": SimpleNamespace(run_id="manual__1")}
    assert reconcile_request(context) == ReconcileRequest(
        "manual__1", contact_ids=frozenset({17, 42}), asked_by="DAG run manual__1"
    )
    context["params"] = {"depth": "full", "repair": "no", "contact_ids": None, "accept": "3"}
    assert reconcile_request(context) == ReconcileRequest(
        "manual__1", "full", repair=False, accepted=frozenset({3}), asked_by="DAG run manual__1"
    )


def edit_leads(world: World) -> None:
    for place in range(4):
        rename_lead(world, "By hand", place)


def edit_persons(world: World) -> None:
    for one in world.persons():
        phones = one["contact_numbers"] or [{"value": "", "label": "work"}]
        body = {"emails": one["emails"], "contact_numbers": phones, "name": "By hand"}
        world.api("PUT", f"contacts/persons/{one['id']}", body)


def edit_organizations(world: World) -> None:
    for one in world.organizations():
        world.api("PUT", f"contacts/organizations/{one['id']}", {"address": {"city": "Oslo"}})


@pytest.mark.parametrize(
    ("edit", "changed"),
    [
        (edit_leads, ("contact", ["lead.title"])),
        (edit_persons, ("contact", ["person.name"])),
        (edit_organizations, ("company", ["organization.address.city"])),
    ],
)
def test_edits_that_a_repair_would_overwrite_wait_for_approval_too(
    world: World, edit: Callable[[World], None], changed: tuple[str, list[str]]
) -> None:
    for number in range(4):
        world.add(
            name=f"Ada {number}",
            email=f"ada{number}@example.com",
            additional_attributes={"company_name": f"Firm {number}", "company_city": "Kyiv"},
        )
    world.settings |= {
        "on_crm_edit": "overwrite",
        "sync_to_organization": True,
        **REPAIRS,
    }
    world.run()
    edit(world)
    reconcile(world, {"max_removals_without_approval": {"number": 3, "share": 1.0}})
    assert world.rows(
        "SELECT DISTINCT source_kind, changes, count(*) FROM operation WHERE state = 'held' GROUP BY 1, 2"
    ) == [(*changed, 4)]
    shown = json.dumps([world.leads(), world.persons(), world.organizations()])
    assert ("By hand" if edit is not edit_organizations else "Oslo") in shown


def declined(world: World) -> int:
    """Decline what is held; return the number of the approval."""
    with psycopg.connect(world.sync_url, autocommit=True) as connection:
        question = ask(connection, "test", "a run")
        assert question is not None
        answer(connection, question.approval_id, approved=False, decided_by="ann")
        return question.approval_id


def test_what_was_declined_is_not_asked_again_every_night(world: World) -> None:
    contacts = [ada(world, number) for number in range(4)]
    world.run()
    guard = {
        "max_changes_without_approval": {"number": 2, "share": 0.2},
        "max_removals_without_approval": {"number": 2, "share": 1.0},
    }
    settings = {**REPAIRS, **guard, "on_crm_edit": "overwrite", "on_source_delete": "delete"}
    edit_leads(world)
    reconcile(world, settings)
    declined(world)
    reconcile(world, settings)
    assert world.operations("held") == []
    assert set(present(world)) == {("changed", "lead", "title", "theirs", "reported")}
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        for contact in contacts:
            changes.delete_contact(connection, contact)
    reconcile(world, settings)
    assert len(world.operations("held")) == 4, "to delete is another plan than the one declined"
    approval = declined(world)
    reconcile(world, settings)
    assert world.operations("held") == []
    assert present(world) == [("orphan", "person", None, None, "reported")] * 4
    assert len(world.persons()) == 4
    reconcile(world, settings, repair=True)
    assert len(world.operations("held")) == 4, "who asks for all repairs asks for these too"
    declined(world)
    with psycopg.connect(world.sync_url, autocommit=True) as connection:
        assert replay(connection, ReplayRequest("test", approval_id=approval), by="ada").planned == 0
        assert replay(connection, ReplayRequest("test", approval_id=approval + 1), by="ada").planned == 4
    world.run(**settings)
    assert world.persons() == []


def test_a_contact_merged_into_an_erased_one_gives_it_nothing(world: World) -> None:
    erased = world.add(name="Bob", phone_number="+493012345")
    loser = ada(world)
    world.run()
    erase(world.sync(), erased, also_adopted=False)
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        changes.merge_contacts(connection, erased, loser)
    for choice in ("report", "delete"):
        reconcile(world, {**REPAIRS, "on_source_delete": choice})
        assert world.rows("SELECT 1 FROM mapping WHERE source_id = %s", str(erased)) == []
        assert [one["name"] for one in world.persons()] == ["Ada 0"]
        ((repair_text,),) = world.rows("SELECT repair FROM finding WHERE state = 'reported'")
        assert "erased on request" in repair_text


def test_a_chain_of_merges_is_told_from_a_deletion(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The middle one never had anything of its own, and what it got was too old to be read as news."""
    monkeypatch.setattr(merged_contacts, "MARGIN", 0)
    first, middle, last = (ada(world, number) for number in range(3))
    world.run()
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        (inbox,) = connection.execute("SELECT min(id) FROM inboxes").fetchone() or (0,)
        conversations.add_conversation(connection, first, inbox)
        reconcile(world)
        changes.merge_contacts(connection, middle, first)
        reconcile(world)
        changes.merge_contacts(connection, last, middle)
        reconcile(world)
    assert world.rows(
        "SELECT contact_id, detail -> 'merged_into' FROM finding WHERE state = 'reported' ORDER BY contact_id"
    ) == [(first, last), (middle, last)]


def test_who_returns_while_the_deletion_waits_for_approval_is_not_deleted(world: World) -> None:
    contacts = [ada(world, number) for number in range(4)]
    world.run()
    guard = {"max_removals_without_approval": {"number": 2, "share": 1.0}}
    settings = {**REPAIRS, **guard, "on_source_delete": "delete"}
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        for contact in contacts:
            changes.delete_contact(connection, contact)
        reconcile(world, settings)
        assert len(world.operations("held")) == 4
        for number, contact in enumerate(contacts):
            changes.add_contact(
                connection, 1, id=contact, name=f"Ada {number}", email=f"ada{number}@example.com"
            )
    reconcile(world, settings)
    assert world.operations("held") == []
    with psycopg.connect(world.sync_url, autocommit=True) as connection:
        assert ask(connection, "test", "a run") is None
    world.run(**settings)
    assert [one["name"] for one in world.persons()] == [f"Ada {number}" for number in range(4)]
    assert world.rows("SELECT DISTINCT state FROM mapping") == [("linked",)]


def follow(world: World, contact: int, *, minutes: int = 5) -> None:
    """Close the lead of a contact who then writes again, so that it gets another."""
    lead = max(one["id"] for one in world.leads())
    world.api("PUT", f"leads/stage/edit/{lead}", {"lead_pipeline_stage_id": 5})
    world.change(contact, last_activity_at=datetime.now(UTC) + timedelta(minutes=minutes))
    world.run(new_lead_after_close=True)
    assert max(one["id"] for one in world.leads()) > lead


def test_leads_that_were_followed_go_with_a_deleted_contact(world: World) -> None:
    contact = ada(world)
    world.run()
    follow(world, contact)
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        changes.delete_contact(connection, contact)
    reconcile(world, {**REPAIRS, "on_source_delete": "delete"})
    assert world.operations("quarantined") == []
    assert (world.leads(), world.persons(), present(world)) == ([], [], [])


def test_leads_that_were_followed_pass_to_the_survivor(world: World) -> None:
    loser = ada(world)
    world.run()
    follow(world, loser)
    survivor = world.add(name="Ada L.", phone_number="+493012345")
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        changes.merge_contacts(connection, survivor, loser)
    reconcile(world, REPAIRS)
    receipt = erase(world.sync(), survivor, also_adopted=False)
    assert (receipt.kept, world.leads(), world.persons()) == ({}, [], [])


def test_a_person_whose_lead_somebody_deleted_goes_with_the_contact(world: World) -> None:
    contact = ada(world)
    world.run()
    world.api("DELETE", f"leads/{world.leads()[0]['id']}")
    reconcile(world)
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        changes.delete_contact(connection, contact)
    reconcile(world, {**REPAIRS, "on_source_delete": "delete"})
    assert (world.persons(), present(world)) == ([], [])


def test_a_lead_that_was_there_before_us_stays_also_when_it_was_followed(world: World) -> None:
    body = {
        "name": "Ada 0",
        "emails": [{"value": "ada0@example.com", "label": "work"}],
        "contact_numbers": [{"value": "", "label": "work"}],
    }
    person = world.api("POST", "contacts/persons", body)["data"]
    lead = {"title": "Ada", "lead_value": 1, "lead_pipeline_stage_id": 1, "person": {"id": person["id"]}}
    theirs = world.api("POST", "leads", lead)["data"]["id"]
    contacts = [ada(world), ada(world, 1)]
    world.run()
    assert world.rows("SELECT origin FROM mapping WHERE crm_kind = 'lead' AND crm_id = %s", theirs) == [
        ("adopted",)
    ]
    world.api("PUT", f"leads/stage/edit/{theirs}", {"lead_pipeline_stage_id": 5})
    world.change(contacts[0], last_activity_at=datetime.now(UTC) + timedelta(minutes=5))
    world.run(new_lead_after_close=True)
    receipt = erase(world.sync(), contacts[0], also_adopted=False)
    assert receipt.kept == {"lead": [theirs], "person": [person["id"]]}
    assert theirs in [one["id"] for one in world.leads()]


def test_what_is_in_sync_counts_contacts_that_are_there(world: World) -> None:
    """Neither a contact deleted in Chatwoot nor one deleted in Krayin makes another one differ."""
    contacts = [ada(world, number) for number in range(4)]
    world.run()
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        changes.delete_contact(connection, contacts[0])
    world.api("DELETE", f"leads/{world.leads()[1]['id']}")
    world.api("DELETE", f"contacts/persons/{world.persons()[1]['id']}")
    reconcile(world)
    assert {row[0] for row in present(world)} == {"orphan", "stale_mapping"}
    assert (counts(world)["in_scope"], counts(world)["in_sync"]) == (3, 2)
