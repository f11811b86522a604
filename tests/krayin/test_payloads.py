"""Payloads serialise exactly, and what would lose data cannot be said."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from krayin.payloads import (
    ActivityDraft,
    ActivityUpdate,
    Labelled,
    LeadDraft,
    LeadUpdate,
    OrganizationUpdate,
    PersonDraft,
    PersonUpdate,
)
from pydantic import ValidationError

ANNA = PersonDraft(
    name="Anna",
    emails=(Labelled(value="anna@example.com"),),
    contact_numbers=(Labelled(value="+491701", label="home"),),
    job_title="CTO",
    organization_name="Acme, Inc.",
    user_id=4,
    custom={"chatwoot_id": "c-1"},
    booleans={"vip": True},
)
NOON = datetime(2026, 5, 5, 12, tzinfo=timezone(timedelta(hours=2)))


def test_a_person_is_written_whole():
    assert ANNA.to_body() == {
        "name": "Anna",
        "emails": [{"value": "anna@example.com", "label": "work"}],
        "contact_numbers": [{"value": "+491701", "label": "home"}],
        "job_title": "CTO",
        "organization_name": "Acme, Inc.",
        "user_id": 4,
        "vip": 1,
        "chatwoot_id": "c-1",
    }


def test_a_person_without_a_phone_gets_the_blank_one_but_not_inside_a_lead():
    draft = PersonDraft(name="Bo", emails=(Labelled(value="bo@example.com"),))
    assert draft.to_body()["contact_numbers"] == [{"value": "", "label": "work"}]
    lead = LeadDraft(title="Bo", lead_pipeline_stage_id=1, person=draft)
    assert "contact_numbers" not in lead.to_body()["person"]
    update = PersonUpdate(
        name="Bo", emails=(), contact_numbers=(), user_id=None, organization_id=None, booleans={}
    )
    assert update.to_body()["contact_numbers"] == [{"value": "", "label": "work"}]


def test_keys_that_other_programs_put_into_an_email_row_are_kept():
    row = Labelled.model_validate({"value": "a@b", "label": "home", "chatwoot_id": 7, "verified": True})
    assert row.to_row() == {"value": "a@b", "label": "home", "chatwoot_id": 7, "verified": True}


def test_an_address_is_cleaned_but_never_cut_into_another_one():
    long = "x" * 300 + "@example.com"
    assert Labelled(value=f" {long}\0 ").value == long


def test_an_update_of_a_person_says_everything_whose_absence_wipes():
    update = PersonUpdate(
        name="Anna",
        emails=ANNA.emails,
        contact_numbers=ANNA.contact_numbers,
        user_id=None,
        organization_id=9,
        booleans={"vip": False, "gdpr": True},
    )
    assert update.to_body() == {
        "name": "Anna",
        "emails": [{"value": "anna@example.com", "label": "work"}],
        "contact_numbers": [{"value": "+491701", "label": "home"}],
        "user_id": None,
        "organization_id": 9,
        "vip": 0,
        "gdpr": 1,
    }
    for key in ("emails", "contact_numbers", "user_id", "organization_id", "booleans", "name"):
        given = update.model_dump()
        del given[key]
        with pytest.raises(ValidationError, match=key):
            PersonUpdate.model_validate(given)


def test_an_organization_name_wins_over_the_id_and_an_empty_job_title_clears():
    update = PersonUpdate(
        name="Anna",
        emails=(),
        contact_numbers=(),
        user_id=1,
        organization_id=9,
        organization_name="Other",
        booleans={},
        job_title="",
    )
    body = update.to_body()
    assert body["organization_name"] == "Other"
    assert "organization_id" not in body
    assert body["job_title"] == ""


def test_a_lead_with_its_person_is_one_body():
    lead = LeadDraft(
        title="Anna",
        lead_pipeline_stage_id=2,
        description="Hello",
        lead_value=Decimal("99.50"),
        lead_source_id=1,
        lead_type_id=2,
        user_id=3,
        expected_close_date=date(2030, 1, 31),
        person=ANNA,
        custom={"chatwoot_id": "l-1"},
    )
    assert lead.to_body() == {
        "title": "Anna",
        "lead_pipeline_stage_id": 2,
        "description": "Hello",
        "lead_value": 99.5,
        "lead_source_id": 1,
        "lead_type_id": 2,
        "user_id": 3,
        "expected_close_date": "2030-01-31",
        "person": ANNA.to_body(),
        "chatwoot_id": "l-1",
    }


def test_absent_optional_keys_are_left_out_because_null_is_refused():
    assert LeadDraft(title="x", lead_pipeline_stage_id=1).to_body() == {
        "title": "x",
        "lead_pipeline_stage_id": 1,
    }
    assert LeadDraft(title="x", lead_pipeline_stage_id=1, person_id=5).to_body()["person"] == {"id": 5}


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("12", 12),
        ("12.50", 12.5),
        ("99999999.9999", 99999999.9999),
        ("1e12", 99999999.9999),
        ("0.0001", 0.0001),
    ],
)
def test_lead_values_are_numbers_krayin_keeps(value, sent):
    body = LeadDraft(title="x", lead_pipeline_stage_id=1, lead_value=Decimal(value)).to_body()
    assert json.dumps(body["lead_value"]) == json.dumps(sent)


def test_a_negative_lead_value_is_refused_here():
    with pytest.raises(ValidationError, match="lead_value"):
        LeadDraft(title="x", lead_pipeline_stage_id=1, lead_value=Decimal(-5))


def test_an_update_of_a_lead_sends_the_given_keys_with_date_and_booleans():
    update = LeadUpdate(
        expected_close_date=date(2020, 2, 29), booleans={"hot": True}, title="New", user_id=None
    )
    assert update.to_body() == {
        "expected_close_date": "2020-02-29",
        "title": "New",
        "user_id": None,
        "hot": 1,
    }
    cleared = LeadUpdate(expected_close_date=None, booleans={}, description=None, lost_reason=None)
    assert cleared.to_body() == {"description": "", "lost_reason": None}
    with pytest.raises(ValidationError, match="expected_close_date"):
        LeadUpdate.model_validate({"booleans": {}, "title": "x"})
    with pytest.raises(ValidationError, match="booleans"):
        LeadUpdate.model_validate({"expected_close_date": None, "title": "x"})


def test_closed_at_takes_only_the_local_form():
    update = LeadUpdate(expected_close_date=None, booleans={}, closed_at="2026-05-05 10:00:00")
    assert update.to_body()["closed_at"] == "2026-05-05 10:00:00"
    for wrong in ("2026-05-05T10:00:00Z", "1778000000", "2026-13-45 10:00:00"):
        with pytest.raises(ValidationError, match="closed_at"):
            LeadUpdate(expected_close_date=None, booleans={}, closed_at=wrong)


def test_organizations_send_what_was_given():
    address = {"address": "Main St 1", "country": "DE", "state": "BE", "city": "Berlin", "postcode": "10115"}
    assert OrganizationUpdate(address=address).to_body() == {"address": address}
    assert OrganizationUpdate(user_id=None).to_body() == {"user_id": None}
    assert OrganizationUpdate().to_body() == {}


def test_an_activity_keeps_its_instants_and_its_key():
    draft = ActivityDraft(
        type="call",
        title="cw-5",
        comment="x",
        person_id=1,
        schedule_from=NOON,
        schedule_to=NOON + timedelta(minutes=30),
        additional={"chatwoot_id": "5"},
    )
    moment = int(datetime(2026, 5, 5, 10, tzinfo=UTC).timestamp())
    assert draft.to_body() == {
        "type": "call",
        "title": "cw-5",
        "comment": "x",
        "person_id": 1,
        "schedule_from": moment,
        "schedule_to": moment + 1800,
        "additional": '{"chatwoot_id":"5"}',
    }
    update = ActivityUpdate(is_done=True, person_id=3, additional={"chatwoot_id": "5"})
    assert update.to_body() == {"is_done": 1, "person_id": 3, "additional": '{"chatwoot_id":"5"}'}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"type": "note"}, "needs a comment"),
        ({"type": "note", "comment": " \u200b"}, "needs a comment"),
        ({"type": "call", "comment": "x"}, "needs schedule_from"),
        ({"type": "file", "schedule_from": NOON, "schedule_to": NOON}, "upload"),
        ({"type": "note", "comment": "x", "person_id": 1, "lead_id": 2}, "lead only"),
        ({"type": "call", "schedule_from": datetime(2026, 1, 1), "schedule_to": NOON}, "timezone"),  # noqa: DTZ001
        ({"type": "note", "comment": "x", "participants": {"persons": [1]}}, "participants"),
    ],
)
def test_activities_krayin_would_refuse_or_mail_cannot_be_made(fields, message):
    with pytest.raises(ValidationError, match=message):
        ActivityDraft(**fields)


def test_an_update_cannot_name_participants_either():
    with pytest.raises(ValidationError, match="participants"):
        ActivityUpdate(participants={})


@pytest.mark.parametrize("code", ["id", "participants", "unique_id", "products", "name", "emails", "user_id"])
def test_custom_attributes_cannot_hide_krayins_own_keys(code):
    with pytest.raises(ValidationError, match=code):
        PersonDraft(name="x", custom={code: 1})


@pytest.mark.parametrize(
    "build",
    [
        lambda text: PersonDraft(name=text).to_body()["name"],
        lambda text: LeadDraft(title=text, lead_pipeline_stage_id=1).to_body()["title"],
        lambda text: OrganizationUpdate(name=text).to_body()["name"],
    ],
)
def test_lines_are_cleaned_trimmed_and_cut_when_made(build):
    assert build("  Anna\0 \ud83d ") == "Anna \ufffd"
    assert build("x" * 300).endswith("… [cut]")
    assert len(build("x" * 300)) == 255
    with pytest.raises(ValidationError, match="at least 1"):
        build(" \u200b ")


def test_long_texts_are_cut_at_bytes_not_characters():
    draft = ActivityDraft(type="note", comment="😀" * 20_000)
    assert len(draft.to_body()["comment"].encode()) <= 65_535
    assert draft.to_body()["comment"].endswith("… [cut]")


def test_a_validation_error_names_the_key_but_never_the_value():
    with pytest.raises(ValidationError) as caught:
        PersonDraft(name="x", user_id="anna.secret@example.com")
    assert "user_id" in str(caught.value)
    assert "anna.secret" not in str(caught.value)


@pytest.mark.parametrize(
    "payload",
    [
        ANNA,
        LeadDraft(title="x", lead_pipeline_stage_id=1, lead_value=Decimal("1.5"), person=ANNA),
        LeadUpdate(expected_close_date=None, booleans={"hot": False}, description=None),
        OrganizationUpdate(user_id=None, address={"city": "Bonn"}),
        ActivityDraft(type="call", schedule_from=NOON, schedule_to=NOON, additional={"k": "v"}),
    ],
)
def test_a_payload_survives_json_with_the_same_body(payload):
    stored = json.loads(json.dumps(payload.model_dump(mode="json", exclude_unset=True)))
    assert type(payload).model_validate(stored).to_body() == payload.to_body()
