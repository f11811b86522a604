"""Whole ways of a record: mapped, sent, stored by Krayin, edited there, merged and sent again."""

from __future__ import annotations

from copy import deepcopy
from datetime import date

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from krayin.text import CUT_MARK
from reconciliation.crm.fields import (
    booleans_of,
    lead_draft,
    lead_fields,
    lead_update,
    listed_person,
    organization_fields,
    person_draft,
    person_fields,
    person_update,
)
from reconciliation.model.contact import (
    LEAD_FIELDS,
    PERSON_FIELDS,
    MappingRules,
    map_contact,
    placeholder_email,
)
from reconciliation.model.desired_contact import DesiredContact
from reconciliation.model.merge import flatten, merge, same_value
from reconciliation.settings.targets import LeadTargets

from tests.reconciliation.krayin_model import edit_lead, new_lead, new_person, put_person
from tests.reconciliation.samples import CUSTOM_TYPES, contact, contacts, filled

SOURCES = {"text": "c_text", "area": "c_area", "flag": "c_flag", "price": "c_price", "day": "c_day"}
RULES = MappingRules(
    phone_region="DE",
    link_organizations=True,
    fields=dict.fromkeys(("person", "lead"), filled(SOURCES)),
)
TARGETS = LeadTargets(1, 1, 2, 1, 5, {})
FLAGS = ("c_flag",)
OWNER = 9


def test_whoever_reads_a_person_or_lead_reads_every_mapped_field():
    person = {field.target for field in PERSON_FIELDS}
    for read in (person_fields({}), listed_person({})):
        assert person - set(read) == set()
    lead = {field.target for field in LEAD_FIELDS}
    assert lead - set(lead_fields({})) == set()


reachable = contacts.filter(lambda one: isinstance(map_contact(one, RULES), DesiredContact))


def wanted_of(one):
    mapped = map_contact(one, RULES)
    assert isinstance(mapped, DesiredContact)
    person = dict(mapped.person)
    person["emails"] = person["emails"] or [placeholder_email(1, 7)]
    return person, mapped.lead


def merged_person(last_sent, stored, person, mode="keep"):
    return merge(
        last_sent=last_sent,
        present=person_fields(stored, CUSTOM_TYPES),
        desired=flatten(person),
        on_crm_edit=mode,
        phone_region="DE",
    )


def merged_lead(last_sent, stored, lead, mode="keep"):
    return merge(
        last_sent=last_sent,
        present=lead_fields(stored, CUSTOM_TYPES),
        desired=flatten(lead),
        on_crm_edit=mode,
    )


def assert_holds(fields, stored_fields):
    for name, value in flatten(fields).items():
        if name in {"emails", "phones"}:
            assert stored_fields[name] == value
        else:
            assert same_value(name, stored_fields[name], value), name


@given(reachable)
def test_what_was_created_does_not_look_edited(one):
    person, lead = wanted_of(one)
    stored = new_person(person_draft(person, owner_id=OWNER, booleans=FLAGS).to_body())
    assert stored["user_id"] == OWNER
    outcome = merged_person(flatten(person), stored, person)
    assert (outcome.changed, outcome.kept) == ((), ())
    stored_lead = new_lead(lead_draft(lead, TARGETS, booleans=FLAGS, person_id=1).to_body())
    outcome = merged_lead(flatten(lead), stored_lead, lead)
    assert (outcome.changed, outcome.kept) == ((), ())


@given(reachable, reachable, st.sampled_from(["keep", "overwrite"]))
def test_a_changed_contact_arrives_whole_and_owner_and_date_survive(before, after, mode):
    person, lead = wanted_of(before)
    next_person, next_lead = wanted_of(after)
    stored = new_person(person_draft(person, owner_id=OWNER, booleans=FLAGS).to_body())
    outcome = merged_person(flatten(person), stored, next_person, mode)
    stored = put_person(stored, person_update(stored, outcome, FLAGS).to_body())
    assert_holds(next_person, person_fields(stored, CUSTOM_TYPES))
    assert stored["user_id"] == OWNER
    assert merged_person(outcome.last_sent, stored, next_person, mode).changed == ()

    stored_lead = new_lead(lead_draft(lead, TARGETS, booleans=FLAGS, person_id=1).to_body())
    stored_lead |= {"expected_close_date": "2020-01-31", "user_id": OWNER}
    outcome = merged_lead(flatten(lead), stored_lead, next_lead, mode)
    stored_lead = edit_lead(stored_lead, lead_update(stored_lead, outcome, FLAGS).to_body())
    assert_holds(next_lead, lead_fields(stored_lead, CUSTOM_TYPES))
    assert (stored_lead["expected_close_date"], stored_lead["user_id"]) == ("2020-01-31", OWNER)
    assert merged_lead(outcome.last_sent, stored_lead, next_lead, mode).changed == ()


ROW = {"value": "typed@example.com", "label": "home", "added_by": "someone"}
PHONE_ROW = {"value": "+4930123", "label": "fax"}


@given(reachable, reachable, st.sampled_from(sorted(CUSTOM_TYPES)))
def test_what_a_salesperson_typed_survives_every_write(before, after, code):
    person, _ = wanted_of(before)
    next_person, _ = wanted_of(after)
    typed = {"c_text": "t", "c_area": "u", "c_flag": 1, "c_price": 77.5, "c_day": "2031-05-05"}[code]
    stored = new_person(person_draft(person, owner_id=None, booleans=FLAGS).to_body())
    assume(not same_value("custom.x", stored[code], typed))
    edited = deepcopy(stored) | {
        code: typed, "user_id": 3, "job_title": "Typed title", "organization_id": 8,
        "organization": {"id": 8, "name": "Typed organization"},
    }  # fmt: skip
    edited["emails"] = [*edited["emails"], ROW]
    edited["contact_numbers"] = [*(edited["contact_numbers"] or []), PHONE_ROW]
    outcome = merged_person(flatten(person), edited, next_person)
    after_write = put_person(edited, person_update(edited, outcome, FLAGS).to_body())
    assert same_value("custom.x", after_write[code], typed)
    assert after_write["user_id"] == 3
    assert after_write["job_title"] == "Typed title"
    assert (after_write["organization_id"], after_write["organization"]["name"]) == (8, "Typed organization")
    assert ROW in after_write["emails"]
    assert PHONE_ROW in after_write["contact_numbers"]


@given(reachable)
def test_an_adopted_person_loses_nothing(one):
    person, lead = wanted_of(one)
    stored = {
        "name": "Typed name", "emails": [ROW], "contact_numbers": [PHONE_ROW], "job_title": "Typed", "user_id": 4,
        "organization_id": 8, "organization": {"id": 8, "name": "Typed organization"},
        "c_text": "t", "c_area": "u", "c_flag": 1, "c_price": 5.0, "c_day": "2031-05-05",
    }  # fmt: skip
    outcome = merged_person(None, stored, person, "overwrite")
    assert outcome.changed == ()
    assert put_person(stored, person_update(stored, outcome, FLAGS).to_body()) == stored
    typed_lead = {
        "title": "Deal", "lead_value": "5.0000", "description": "mine", "expected_close_date": "2020-01-31",
        "user_id": 4, "c_text": "t", "c_area": "u", "c_flag": 1, "c_price": 5.0, "c_day": "2031-05-05",
    }  # fmt: skip
    outcome = merged_lead(None, typed_lead, lead, "overwrite")
    assert outcome.changed == ()
    assert edit_lead(typed_lead, lead_update(typed_lead, outcome, FLAGS).to_body()) == typed_lead


def test_a_person_made_past_the_api_can_be_written():
    stored = {"name": "A", "emails": None, "contact_numbers": None, "organization": None, "user_id": None}
    person, _ = wanted_of(contact(phone_number=None))
    outcome = merged_person(None, stored, person)
    body = person_update(stored, outcome, FLAGS).to_body()
    assert body["contact_numbers"] == [{"value": "", "label": "work"}]
    assert body["emails"] == [{"value": "anna@example.com", "label": "work"}]
    assert (body["user_id"], body["organization_id"], body["c_flag"]) == (None, None, 0)


def test_a_person_put_carries_all_that_would_be_wiped_and_names_no_more_than_changed():
    stored = {
        "name": "Anna", "emails": [ROW], "contact_numbers": [PHONE_ROW], "job_title": "CEO", "user_id": 4,
        "organization_id": 8, "organization": {"id": 8, "name": "Acme"}, "c_flag": 1, "c_text": "t", "vip": 1,
    }  # fmt: skip
    outcome = merge(
        last_sent={"name": "Anna"}, present=person_fields(stored, ["c_flag", "c_text", "vip"]),
        desired={"name": "Anne"}, on_crm_edit="keep",
    )  # fmt: skip
    assert person_update(stored, outcome, ("c_flag", "vip", "new_box")).to_body() == {
        "name": "Anne", "emails": [ROW], "contact_numbers": [PHONE_ROW], "user_id": 4, "organization_id": 8,
        "c_flag": 1, "vip": 1, "new_box": 0,
    }  # fmt: skip


def test_a_company_that_changes_or_goes_in_chatwoot():
    stored = {"name": "A", "emails": [ROW], "contact_numbers": [], "organization_id": 8, "user_id": None}
    stored["organization"] = {"id": 8, "name": "Acme"}
    for wanted, body in (("Beta", {"organization_name": "Beta"}), (None, {"organization_id": None})):
        outcome = merge(
            last_sent={"organization": "ACME"}, present=person_fields(stored, ()),
            desired={"organization": wanted}, on_crm_edit="keep",
        )  # fmt: skip
        sent = person_update(stored, outcome, ()).to_body()
        assert {key: sent[key] for key in sent if key.startswith("organization")} == body


@pytest.mark.parametrize(
    ("date_stored", "sent"),
    [
        ("2030-01-31", "2030-01-31"), ("2030-01-31 00:00:00", "2030-01-31"), (None, None), ("", None),
        ("0000-00-00", None),
    ],
)  # fmt: skip
def test_a_lead_edit_carries_date_and_boxes_and_clears_what_was_cleared(date_stored, sent):
    stored = {
        "title": "T",
        "description": "d",
        "lead_value": "5.0000",
        "expected_close_date": date_stored,
        "hot": 1,
    }
    outcome = merge(
        last_sent={"description": "d", "lead_value": "5", "custom.c_text": "x"},
        present=lead_fields({**stored, "c_text": "x"}, ["c_text"]),
        desired={"title": "T", "description": None, "lead_value": None, "custom.c_text": None},
        on_crm_edit="keep",
    )
    update = lead_update(stored, outcome, ["hot"])
    assert update.expected_close_date == (None if sent is None else date.fromisoformat(sent))
    expected = {"description": "", "lead_value": 0, "hot": 1, "c_text": ""}
    assert update.to_body() == expected | ({} if sent is None else {"expected_close_date": sent})


def test_a_new_lead_carries_targets_and_only_values_there_are():
    lead = {
        "title": "T", "description": "", "lead_value": None,
        "custom": {"c_text": None, "c_flag": 0, "c_price": "5", "c_day": None},
    }  # fmt: skip
    assert lead_draft(lead, TARGETS, booleans=FLAGS, person_id=3).to_body() == {
        "title": "T", "lead_pipeline_stage_id": 1, "lead_source_id": 2, "lead_type_id": 1, "user_id": 5,
        "person": {"id": 3}, "c_flag": 0, "c_price": "5",
    }  # fmt: skip


@pytest.mark.parametrize("shown", [0, None, False, "0", ""])
def test_a_box_that_is_not_ticked_stays_so_however_krayin_shows_it(shown):
    assert booleans_of({"b": shown}, ["b"]) == {"b": False}
    assert booleans_of({"b": shown}, ["b"], {"custom.b": 1}) == {"b": True}
    assert booleans_of({"b": 1}, ["b"], {"custom.b": shown}) == {"b": False}


@pytest.mark.parametrize("shown", [1, True, "1"])
def test_a_box_that_is_ticked_stays_so_however_krayin_shows_it(shown):
    assert booleans_of({"b": shown}, ["b"]) == {"b": True}


@pytest.mark.parametrize(
    ("address", "fields"),
    [
        (None, {}),
        ("", {}),
        ([], {}),
        ({}, {}),
        ({"city": "Bonn", "country": None}, {"address.city": "Bonn", "address.country": None}),
        ("Main St 1", {"address.address": "Main St 1"}),
        (["Main St 1", "53111 Bonn"], {"address.address": "Main St 1, 53111 Bonn"}),
        (5, {"address.address": "5"}),
    ],
)
def test_an_address_of_any_shape_is_read(address, fields):
    assert organization_fields({"address": address, "c": 1}, ["c"]) == {**fields, "custom.c": 1}


def test_a_partly_filled_address_is_completed_and_what_was_typed_stays():
    present = organization_fields({"address": {"address": "Typed St 1", "city": "", "note": "x"}}, ())
    wanted = {
        f"address.{key}": value for key, value in (("address", "Main St"), ("city", "Bonn"), ("state", ""))
    }
    outcome = merge(last_sent=None, present=present, desired=wanted, on_crm_edit="keep")
    assert outcome.values == {"address.address": "Typed St 1", "address.city": "Bonn", "address.note": "x"}
    assert outcome.changed == ("address.city",)


def test_a_value_too_long_is_cut_once_and_not_sent_again():
    person, lead = wanted_of(
        contact(name="é" * 300, additional_attributes={"description": "😀" * 20_000, "job_title": "x" * 999})
    )
    stored = new_person(person_draft(person, owner_id=None, booleans=()).to_body())
    assert stored["name"].endswith(CUT_MARK)
    assert merged_person(flatten(person), stored, person).changed == ()
    stored_lead = new_lead(lead_draft(lead, TARGETS, booleans=(), person_id=1).to_body())
    assert len(stored_lead["description"].encode()) <= 65_535
    assert merged_lead(flatten(lead), stored_lead, lead).changed == ()
