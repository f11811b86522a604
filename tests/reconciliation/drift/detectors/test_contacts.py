"""What is found of one contact and its person and lead, without any system."""

from __future__ import annotations

import pytest
from reconciliation.drift.detectors.contacts import ComparedContact, ContactDetector, ShownRow
from reconciliation.model.desired_contact import DesiredContact
from reconciliation.plan.contact import Rules
from reconciliation.store.mapping_row import MappingRow, MappingState

PERSON = {"name": "Ada", "emails": ["ada@example.com"], "phones": [], "job_title": None, "organization": None}
LEAD = {"title": "Ada", "lead_value": None, "description": "Contact 7"}
DESIRED = DesiredContact(7, PERSON, LEAD)
STAGES = (1, 2, 3)
LOST = 6


def shown(number, crm_id, fields, sent=None, state=MappingState.LINKED, **more):
    known = DESIRED.person_hash() if number == 1 else DESIRED.lead_hash()
    row = MappingRow(number, crm_id, "created", state, known, known, sent or fields, **more)
    return ShownRow(row, fields)


def person(**changes):
    return shown(1, 5, {**PERSON, **changes}, PERSON)


def lead(**changes):
    return shown(2, 6, {**LEAD, "person_id": 5, "stage_id": 2, **changes}, LEAD)


def missing(number, state):
    return ShownRow(MappingRow(number, None, None, state, b"", None), None)


def stage(lead_id=6, at=2):
    sent = {"lead": lead_id, "stage": at}
    return ShownRow(MappingRow(3, lead_id, None, MappingState.LINKED, b"", b"", sent), None)


def found(rows=None, desired=DESIRED, on_crm_edit="keep", *, recreate=False, custom=None, **more):
    rules = Rules(on_crm_edit=on_crm_edit, final_stages=frozenset({LOST}))
    detector = ContactDetector(1, rules, recreate, STAGES, custom or {})
    rows = {"person": person(), "lead": lead()} if rows is None else rows
    contact = ComparedContact(7, desired, rows, **more)
    return [
        (str(one.kind), one.crm_kind, one.field, one.side, one.row_id, one.calls)
        for one in detector.findings(contact)
    ]


def test_nothing_is_found_of_what_is_equal():
    assert found() == []


def test_a_contact_without_rows_is_for_the_planner():
    assert found({}) == []
    assert ComparedContact(7, DESIRED, {}).is_undecided


@pytest.mark.parametrize(("on_crm_edit", "calls"), [("keep", 0), ("overwrite", 1)])
def test_an_edit_in_krayin_is_theirs(on_crm_edit, calls):
    rows = {"person": person(name="Countess"), "lead": lead(title="Big deal")}
    assert found(rows, on_crm_edit=on_crm_edit) == [
        ("changed", "person", "name", "theirs", 1, calls),
        ("changed", "lead", "title", "theirs", 2, calls),
    ]


def test_a_change_in_chatwoot_is_ours_and_one_call_writes_all_fields():
    desired = DesiredContact(7, {**PERSON, "name": "Ada L.", "job_title": "Boss"}, LEAD)
    assert found(desired=desired) == [
        ("changed", "person", "name", "ours", 1, 1),
        ("changed", "person", "job_title", "ours", 1, 0),
    ]


def test_an_update_without_an_answer_is_no_edit():
    desired = DesiredContact(7, {**PERSON, "name": "Ada L."}, LEAD)
    row = shown(1, 5, {**PERSON, "name": "Ada L."}, PERSON, pending_write={"name": "Ada L."})
    assert found({"person": row, "lead": lead()}, desired) == []


def test_custom_fields_count_where_they_were_read():
    desired = DesiredContact(7, {**PERSON, "custom": {"level": "gold"}}, LEAD)
    row = shown(1, 5, PERSON, {**PERSON, "custom.level": "gold"})
    rows = {"person": row, "lead": lead()}
    assert found(rows, desired) == []
    edited = {("person", 5): {"custom.level": "lead"}}
    assert found(rows, desired, custom=edited) == [("changed", "person", "custom.level", "theirs", 1, 0)]


def test_the_organization_of_a_person_goes_by_the_companies_we_know_it_for():
    desired = DesiredContact(7, {**PERSON, "organization": "Acme"}, LEAD)
    facts = {**PERSON, "organization_id": 9, "organization_name": "Acme & Sons"}
    rows = {"person": shown(1, 5, facts, {**PERSON, "organization": "Acme"}), "lead": lead()}
    assert found(rows, desired, company_names={9: ["acme"]}) == []
    assert found(rows, desired) == [("changed", "person", "organization", "theirs", 1, 0)]


@pytest.mark.parametrize(("recreate", "calls"), [(False, 0), (True, 1)])
def test_records_deleted_in_krayin(recreate, calls):
    gone = {"person": missing(1, MappingState.GONE), "lead": missing(2, MappingState.GONE)}
    assert found(gone, recreate=recreate) == [
        ("stale_mapping", "person", None, None, 1, calls),
        ("stale_mapping", "lead", None, None, 2, 0),
    ]
    only_lead = {"person": person(), "lead": missing(2, MappingState.GONE)}
    assert found(only_lead, recreate=recreate) == [("stale_mapping", "lead", None, None, 2, calls)]


def test_a_person_without_a_lead_lacks_one():
    assert found({"person": person()}) == [("missing", "lead", None, "ours", None, 1)]
    pending = {"person": person(), "lead": missing(2, MappingState.PENDING)}
    assert found(pending) == [("missing", "lead", None, "ours", 2, 1)]


def test_a_lead_of_another_person_is_only_told():
    rows = {"person": person(), "lead": lead(person_id=8)}
    assert found(rows, on_crm_edit="overwrite") == [("changed", "lead", "person", "theirs", 2, 0)]


@pytest.mark.parametrize(
    ("at", "on_crm_edit", "calls"),
    [(1, "keep", 0), (1, "overwrite", 1), (9, "overwrite", 0)],
)
def test_a_lead_that_somebody_moved_behind_its_stage(at, on_crm_edit, calls):
    rows = {"person": person(), "lead": lead(stage_id=at)}
    assert found(rows, on_crm_edit=on_crm_edit, stage=stage()) == [
        ("moved_stage", "lead", "stage", "theirs", 3, calls)
    ]


@pytest.mark.parametrize("at", [2, 3, LOST])
def test_a_lead_at_its_stage_beyond_it_or_closed_is_right(at):
    assert found({"person": person(), "lead": lead(stage_id=at)}, stage=stage()) == []


def test_a_stage_that_another_lead_reached_or_that_is_being_moved_says_nothing():
    rows = {"person": person(), "lead": lead(stage_id=1)}
    assert found(rows, stage=stage(lead_id=4)) == []
    assert found(rows, stage=stage(), is_moving=True) == []


def test_what_was_cut_is_told_of_the_record_it_goes_to():
    warnings = ("name was cut to 255 characters", "title was cut to 255 characters", "something else")
    assert found(desired=DesiredContact(7, PERSON, LEAD, warnings=warnings)) == [
        ("truncated", "person", "name", "ours", 1, 0),
        ("truncated", "lead", "title", "ours", 2, 0),
    ]


def test_who_is_quarantined_as_it_is_is_decided():
    quarantined = {"person": missing(1, MappingState.QUARANTINED)}
    assert ComparedContact(7, DESIRED, quarantined).is_undecided
    row = MappingRow(1, None, None, MappingState.QUARANTINED, DESIRED.person_hash(), None)
    assert not ComparedContact(7, DESIRED, {"person": ShownRow(row, None)}).is_undecided


def test_news_is_what_chatwoot_changed_of_a_linked_contact():
    rows = {"person": person(), "lead": lead()}
    assert not ComparedContact(7, DESIRED, rows).is_news
    assert ComparedContact(7, DesiredContact(7, PERSON, {**LEAD, "title": "A"}), rows).is_news
    assert not ComparedContact(7, DESIRED, {"person": missing(1, MappingState.GONE)}).is_news
