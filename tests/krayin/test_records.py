"""Krayin's rows become frozen values, whatever more they hold."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from krayin.catalogue import Pipeline
from krayin.json_values import ShapeError
from krayin.payloads import Labelled
from krayin.records import Activity, CreatedLead, Lead, Organization, Person, RawEntity, labelled_rows

STAMPS = {"created_at": "2026-11-22T08:00:20.000000Z", "updated_at": "2026-11-22T08:00:21.000000Z"}
PERSON = {
    "id": 1,
    "name": "Full Person",
    "emails": [
        {"value": "full@example.com", "label": "work"},
        {"value": "b@example.com", "label": "home", "x": 7},
    ],
    "contact_numbers": [{"value": "", "label": "work"}],
    "organization": {"id": 6, "name": "Acme GmbH", "address": None, **STAMPS},
    "job_title": "CTO",
    "sales_owner": {"id": 4, "name": "Owner", "role": {"id": 1}},
    "something_new": [1, 2],
    **STAMPS,
}
LEAD = {
    "id": 4,
    "title": "nested",
    "description": None,
    "lead_value": "100.5000",
    "status": 1,
    "lost_reason": None,
    "closed_at": None,
    "user": {"id": 9},
    "person": PERSON,
    "lead_products": [{"id": 2, "quantity": 3, "product": {"id": 1}}],
    "lead_source_id": 1,
    "lead_type_id": "2",
    "lead_pipeline_id": 3,
    "lead_pipeline_stage_id": 5,
    "expected_close_date": "2030-01-30T18:30:00.000000Z",
    **STAMPS,
}


def test_a_person_with_everything():
    person = Person.from_json(PERSON)
    assert person == Person(
        id=1,
        name="Full Person",
        emails=(Labelled(value="full@example.com"), Labelled(value="b@example.com", label="home", x=7)),
        contact_numbers=(),
        job_title="CTO",
        organization_id=6,
        organization_name="Acme GmbH",
        organization_created_at=datetime(2026, 11, 22, 8, 0, 20, tzinfo=UTC),
        owner_id=4,
        created_at=datetime(2026, 11, 22, 8, 0, 20, tzinfo=UTC),
        updated_at=datetime(2026, 11, 22, 8, 0, 21, tzinfo=UTC),
    )


def test_a_person_without_organization_owner_and_phones():
    bare = {key: value for key, value in PERSON.items() if key not in ("organization", "sales_owner")}
    person = Person.from_json({**bare, "contact_numbers": None, "emails": []})
    assert (person.organization_id, person.organization_name, person.owner_id) == (None, None, None)
    assert (person.emails, person.contact_numbers) == ((), ())


def test_a_lead_and_what_its_creation_made():
    created = CreatedLead.from_json(LEAD)
    lead = created.lead
    assert (lead.id, lead.person_id, lead.owner_id) == (4, 1, 9)
    assert (lead.pipeline_id, lead.stage_id, lead.source_id, lead.type_id) == (3, 5, 1, 2)
    assert lead.lead_value == Decimal("100.5")
    assert lead.product_ids == (2,)
    assert lead.expected_close_at == datetime(2030, 1, 30, 18, 30, tzinfo=UTC)
    assert created.person is not None
    assert created.person.organization_id == 6
    alone = CreatedLead.from_json({**LEAD, "person": None})
    assert (alone.person, alone.lead.person_id) == (None, None)


def test_an_activity_whose_additional_is_no_object_has_none():
    row = {"id": 1, "type": "note", "is_done": 1, "user": {"id": 2, "updated_at": "Example"}}
    for additional in (None, [], ["x"], "text", 5):
        assert Activity.from_json({**row, "additional": additional}).additional == {}
    activity = Activity.from_json({**row, "additional": {"chatwoot_id": "5"}})
    assert (activity.additional, activity.is_done, activity.owner_id) == ({"chatwoot_id": "5"}, True, 2)


@pytest.mark.parametrize(
    ("kind", "participants", "mails"),
    [
        ("call", [{"person": {"id": 1}}], True),
        ("meeting", [{"user": {"id": 1}}], True),
        ("call", [], False),
        ("call", None, False),
        ("note", [{"person": {"id": 1}}], False),
        ("email", [{"person": {"id": 1}}], False),
    ],
)
def test_which_activities_krayin_mails_at_a_change(kind, participants, mails):
    activity = Activity.from_json({"id": 1, "type": kind, "participants": participants})
    assert activity.mails_participants is mails


def test_a_raw_entity_keeps_values_but_not_their_bulk():
    entity = RawEntity.from_json({"id": 1, "user_id": None, "vip": 0, "attribute_values": [{"id": 5}]})
    assert entity.values == {"id": 1, "user_id": None, "vip": 0}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ()),
        ([], ()),
        ("a@b", (Labelled(value="a@b"),)),
        (["a@b"], (Labelled(value="a@b"),)),
        ([{"value": "a@b"}], (Labelled(value="a@b"),)),
        ([{"value": None, "label": "work"}, {"value": " ", "label": "work"}, {"label": "x"}], ()),
        ({"value": "a@b", "label": "home"}, (Labelled(value="a@b", label="home"),)),
        ({"0": {"value": "a@b"}, "2": {"value": "c@d"}}, (Labelled(value="a@b"), Labelled(value="c@d"))),
        ({}, ()),
        ('[{"value": "a@b", "label": "home"}]', (Labelled(value="a@b", label="home"),)),
        ("[a@b", (Labelled(value="[a@b"),)),
        ([None, 4917012345, "a@b"], (Labelled(value="4917012345"), Labelled(value="a@b"))),
    ],
)
def test_rows_that_broken_writes_left_are_read(value, expected):
    assert labelled_rows(value) == expected


@pytest.mark.parametrize(
    "zone",
    ["Pacific/Honolulu", "Pacific/Marquesas", "America/New_York", "UTC", "Europe/Berlin", "Asia/Kolkata",
     "Asia/Kathmandu", "Pacific/Auckland", "Pacific/Chatham", "Pacific/Tongatapu"],
)  # fmt: skip
@pytest.mark.parametrize("day", [date(2030, 1, 31), date(2030, 7, 1)])
def test_the_close_date_is_told_from_its_midnight(zone, day):
    midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    lead = Lead.from_json({**LEAD, "expected_close_date": midnight.isoformat()})
    assert lead.close_date(None) == day
    assert lead.close_date(day) == day
    assert lead.close_date(day - timedelta(days=20)) == day


def test_a_copy_that_fits_the_midnight_is_the_close_date():
    kiritimati = Lead.from_json({**LEAD, "expected_close_date": "2030-01-30T10:00:00.000000Z"})
    assert kiritimati.close_date(date(2030, 1, 31)) == date(2030, 1, 31)
    nothing_shown = Lead.from_json({**LEAD, "expected_close_date": None})
    assert nothing_shown.close_date(date(2030, 1, 31)) == date(2030, 1, 31)
    assert nothing_shown.close_date(None) is None


def test_dates_of_noughts_are_no_dates():
    lead = Lead.from_json(
        {**LEAD, "closed_at": "-0001-11-30T00:00:00.000000Z", "created_at": "0000-00-00 00:00:00"}
    )
    assert (lead.closed_at, lead.created_at) == (None, None)


@pytest.mark.parametrize(
    ("parse", "value"),
    [
        (Person.from_json, []),
        (Person.from_json, None),
        (Person.from_json, {"name": "x"}),
        (Person.from_json, {"id": "abc"}),
        (Person.from_json, {"id": 1, "emails": 5}),
        (Person.from_json, {"id": 1, "organization": "Acme"}),
        (Person.from_json, {"id": 1, "created_at": "yesterday"}),
        (Lead.from_json, {"id": 1, "lead_value": "a lot"}),
        (Lead.from_json, {"id": 1, "title": {"x": 1}}),
        (Lead.from_json, {"id": 1, "lead_products": {"x": 1}}),
        (Pipeline.from_json, {"id": 1, "name": "P"}),
        (Organization.from_json, {"id": None}),
    ],
)
def test_another_shape_is_an_error_that_shows_no_value(parse, value):
    with pytest.raises(ShapeError) as caught:
        parse(value)
    for shown in ("abc", "Acme", "yesterday", "a lot"):
        assert shown not in str(caught.value)
