from __future__ import annotations

import json
import unicodedata
from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from chatwoot.records import ContactInbox
from hypothesis import given
from hypothesis import strategies as st
from reconciliation.crm.fields import lead_draft, person_draft
from reconciliation.model.contact import (
    MappingRules,
    earlier_ids,
    is_placeholder,
    map_contact,
    natural_keys,
    placeholder_email,
)
from reconciliation.model.desired_contact import (
    DesiredContact,
    Skip,
    SkippedContact,
    desired_to_json,
)
from reconciliation.model.field_values import chosen, custom_value
from reconciliation.settings.targets import LeadTargets

from tests.reconciliation.samples import CUSTOM_TYPES, NOON, contact, contacts, filled, json_values

SOURCES = {"text": "c_text", "area": "c_area", "flag": "c_flag", "price": "c_price", "day": "c_day"}
EVERYTHING = MappingRules(
    phone_region="DE",
    link_organizations=True,
    fields=dict.fromkeys(("person", "lead", "organization"), filled(SOURCES)),
)
TARGETS = LeadTargets(1, 1, 2, 1, None, {})


def desired(rules=EVERYTHING, **given) -> DesiredContact:
    mapped = map_contact(contact(**given), rules)
    assert isinstance(mapped, DesiredContact)
    return mapped


# --- whatever stands in Chatwoot --------------------------------------------------------------------


@given(contacts)
def test_no_contact_can_stop_a_run_or_be_refused_by_our_own_payloads(one):
    mapped = map_contact(one, EVERYTHING)
    if isinstance(mapped, SkippedContact):
        assert mapped.reason is Skip.NO_EMAIL_OR_PHONE
        return
    document = desired_to_json(mapped)
    document.encode()
    assert "\\u0000" not in document
    person = person_draft(mapped.person, owner_id=1, booleans=["c_flag"])
    body = lead_draft(mapped.lead, TARGETS, booleans=["c_flag"], person=person).to_body()
    json.dumps(body, allow_nan=False).encode()
    assert body["title"] == body["person"]["name"] == mapped.person["name"]
    assert len(body["title"]) <= 255
    assert len(body["description"].encode()) <= 65_535
    assert 0 <= body.get("lead_value", 0) <= Decimal("99999999.9999")


@given(contacts)
def test_what_is_mapped_is_what_krayin_will_hold(one):
    mapped = map_contact(one, EVERYTHING)
    if isinstance(mapped, SkippedContact):
        return
    person = person_draft(mapped.person, owner_id=None, booleans=["c_flag"], email_required=False)
    assert person.name == mapped.person["name"]
    assert [row.value for row in person.emails] == mapped.person["emails"]
    assert [row.value for row in person.contact_numbers] == mapped.person["phones"]
    assert person.job_title == mapped.person["job_title"]
    assert person.organization_name == mapped.person["organization"]
    lead = lead_draft(mapped.lead, TARGETS, booleans=["c_flag"])
    assert (lead.title, lead.description) == (mapped.lead["title"], mapped.lead["description"])


@given(contacts)
def test_the_hashes_do_not_depend_on_key_order_or_the_way_through_the_sync_database(one):
    mapped = map_contact(one, EVERYTHING)
    turned = contact(
        **{name: getattr(one, name) for name in ("name", "email", "phone_number", "identifier", "inboxes")},
        additional_attributes=dict(reversed(one.additional_attributes.items())),
        custom_attributes=dict(reversed(one.custom_attributes.items())),
    )
    again = map_contact(turned, EVERYTHING)
    assert mapped == again
    if isinstance(mapped, DesiredContact):
        read = DesiredContact.from_json(json.loads(desired_to_json(mapped)))
        assert (read.person_hash(), read.lead_hash()) == (mapped.person_hash(), mapped.lead_hash())


@given(st.text(max_size=30), st.text(max_size=30))
def test_the_hashes_do_not_depend_on_the_unicode_form(name, job):
    forms = [
        desired(
            name=unicodedata.normalize(form, name),
            additional_attributes={"job_title": unicodedata.normalize(form, job)},
        )
        for form in ("NFC", "NFD")
    ]
    assert forms[0].person_hash() == forms[1].person_hash()
    assert forms[0].lead_hash() == forms[1].lead_hash()


# --- the fields one by one --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"name": "  Anna  "}, "Anna"),
        ({"name": "مرحبا 👩‍👩‍👧"}, "مرحبا 👩‍👩‍👧"),
        ({"name": "\u0301"}, "\u0301"),
        ({"name": ""}, "anna"),
        ({"name": "\u200b \ufeff"}, "anna"),
        ({"name": "", "email": None}, "+491701234567"),
        ({"name": "", "email": None, "phone_number": "0170 1234567"}, "+491701234567"),
        ({"name": "", "email": "@example.com"}, "+491701234567"),
        ({"name": "", "email": "@example.com", "phone_number": None}, "@example.com"),
        ({"name": "A\0nna\ud83d"}, "Anna\ufffd"),
    ],
)
def test_everybody_gets_a_name_and_the_lead_gets_it_as_title(given, name):
    mapped = desired(**given)
    assert mapped.person["name"] == mapped.lead["title"] == name


def test_long_names_are_cut_visibly_and_counted_once():
    mapped = desired(name="😀" * 256, additional_attributes={"job_title": "x" * 300, "company": "y" * 300})
    for value in (mapped.person["name"], mapped.person["job_title"], mapped.person["organization"]):
        assert len(value) == 255
        assert value.endswith("… [cut]")
    assert mapped.warnings == (
        "name cut to 255 characters", "job_title cut to 255 characters", "organization cut to 255 characters",
    )  # fmt: skip
    assert desired(name="😀" * 255).warnings == ()


@pytest.mark.parametrize(
    "given", [{"email": None, "phone_number": None}, {"email": " ", "phone_number": "\u200b"}]
)
def test_who_cannot_be_reached_is_skipped(given):
    assert map_contact(contact(**given), EVERYTHING) == SkippedContact(7, Skip.NO_EMAIL_OR_PHONE)


def test_phone_only_and_blocked_contacts_as_the_settings_say():
    assert desired(email=None).person["emails"] == []
    phone_only = map_contact(contact(email=""), MappingRules(skip_phone_only=True))
    assert phone_only == SkippedContact(7, Skip.PHONE_ONLY)
    assert map_contact(contact(blocked=True), MappingRules()) == SkippedContact(7, Skip.BLOCKED)
    assert isinstance(map_contact(contact(blocked=True), MappingRules(skip_blocked=False)), DesiredContact)


@pytest.mark.parametrize(
    ("created", "active", "mapped", "comes"),
    [
        (-1, None, False, False),
        (0, None, False, True),
        (-9, -1, False, False),
        (-9, 0, False, True),
        (5, -9, False, True),
        (-9, -9, True, True),
    ],
)
def test_history_bounds_what_krayin_does_not_have_yet(created, active, mapped, comes):
    rules = MappingRules(history_start=NOON)
    one = contact(
        created_at=NOON + timedelta(days=created),
        last_activity_at=None if active is None else NOON + timedelta(days=active),
    )
    outcome = map_contact(one, rules, mapped=mapped)
    assert outcome == SkippedContact(7, Skip.BEFORE_HISTORY) or comes
    assert isinstance(outcome, DesiredContact) is comes


@pytest.mark.parametrize(
    ("additional", "custom", "job"),
    [
        ({"job_title": "CEO"}, {"job_title": "CTO"}, "CEO"),
        ({"job_title": " "}, {"job_title": "CTO"}, "CTO"),
        ({}, {"job_title": "CTO"}, "CTO"),
        ({"job_title": None}, {}, None),
        ({"job_title": {"name": "CEO"}}, {}, None),
        ({"job_title": ["CEO"]}, {}, None),
        ({"job_title": True}, {}, None),
        ({"job_title": 5}, {}, "5"),
        ({"job_title": float("inf")}, {"job_title": float("nan")}, None),
    ],
)
def test_attributes_are_looked_up_in_both_places(additional, custom, job):
    assert desired(additional_attributes=additional, custom_attributes=custom).person["job_title"] == job


@pytest.mark.parametrize(
    ("raw", "value", "warned"),
    [
        (None, None, False),
        ("", None, False),
        ("1500.5", "1500.5", False),
        (0, "0", False),
        ("-0", "0", False),
        ("-0.00001", "0", True),
        ("100.0000", "100", False),
        (-5, "0", True),
        ("1234.56789", "1234.5679", True),
        ("99999999.99999", "99999999.9999", True),
        (10**400, "99999999.9999", True),
        ("1e999999", "99999999.9999", True),
        ("1e-999999", "0", True),
        ("-1e999999", "0", True),
        ("1e99999999999999999999", None, True),
        ("NaN", None, True),
        ("sNaN", None, True),
        ("Infinity", None, True),
        ("12,50", None, True),
        ("€ 5", None, True),
        (True, None, False),
        ([5], None, False),
    ],
)
def test_a_lead_value_fits_the_column_or_is_left_out_aloud(raw, value, warned):
    mapped = desired(custom_attributes={"lead_value": raw})
    assert mapped.lead.get("lead_value") == value
    assert bool(mapped.warnings) is warned
    # What is no number stays in Krayin, what is blank is emptied.
    assert ("lead_value" in mapped.lead) is (value is not None or not warned)


@pytest.mark.parametrize(
    ("additional", "custom", "company"),
    [
        ({"company_name": "Acme"}, {"company_name": "Other"}, "Acme"),
        ({}, {"company_name": "Acme"}, "Acme"),
        ({"company": "Acme"}, {"company_name": "Beta"}, "Beta"),
        ({"organization": "Acme"}, {"company": "  "}, "Acme"),
        ({"company_name": "\u0301"}, {}, None),
        ({"company_name": "\u200b"}, {}, None),
        ({"company_name": {"name": "Acme"}}, {}, None),
    ],
)
def test_the_company_is_found_in_either_place_and_never_nameless(additional, custom, company):
    mapped = desired(additional_attributes=additional, custom_attributes=custom)
    assert mapped.person["organization"] == company
    assert (mapped.organization.name if mapped.organization else None) == company
    unlinked = desired(MappingRules(), additional_attributes=additional, custom_attributes=custom)
    assert unlinked.organization is None
    assert unlinked.person["organization"] is None


def test_two_spellings_of_a_company_are_one():
    folded = {
        desired(additional_attributes={"company": name}).organization.folded_name
        for name in ("Müller GmbH", "muller gmbh ", "MU\u0308LLER GmbH")
    }
    assert folded == {"muller gmbh"}


def test_an_address_of_some_parts_has_all_lines():
    mapped = desired(
        additional_attributes={"company": "Acme", "company_city": "Bonn"},
        custom_attributes={"company_zipcode": 53111, "company_city": "Köln"},
    )
    assert mapped.organization.address == {
        "address": "", "city": "Bonn", "state": "", "country": "", "postcode": "53111",
    }  # fmt: skip
    assert desired(additional_attributes={"company": "Acme"}).organization.address is None


def test_the_description_begins_with_whose_it_is_and_tells_what_is_known():
    mapped = desired(
        identifier=" u-1 ",
        additional_attributes={
            "city": "Bonn",
            "country": "Germany",
            "company": "Acme",
            "description": "a\nb",
        },
    )
    assert mapped.lead["description"].split("\n") == [
        "Chatwoot contact: 7", "Identifier: u-1", "E-mail: anna@example.com", "Phone: +491701234567",
        "Company: Acme", "Location: Bonn, Germany", "About: a", "b",
    ]  # fmt: skip


# --- ids of an earlier integration ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source_ids", "ids"),
    [
        (
            ["krayin:person:123|krayin:lead:456|krayin:organization:789|krayin:activity:101"],
            {"person": 123, "lead": 456, "organization": 789},
        ),
        (["krayin:person:123"], {"person": 123}),
        (["49170", "krayin:person:5"], {"person": 5}),
        (["krayin:person:5", "krayin:lead:6"], {"person": 5, "lead": 6}),
        (["krayin:person:12345678901234567890"], {}),
        (["krayin:person:5x|krayin:lead:-1|krayin:lead:"], {}),
        (["krayin:person:0"], {}),
        (["krayin:person:\u0665"], {}),
        (["someone|krayin:person:5"], {}),
        (["KRAYIN:PERSON:5", "", "krayin:"], {}),
    ],
)
def test_ids_of_an_earlier_integration_are_read_exactly(source_ids, ids):
    inboxes = tuple(ContactInbox(number, source_id) for number, source_id in enumerate(source_ids, 1))
    assert earlier_ids(contact(inboxes=inboxes)) == ids
    assert desired(inboxes=inboxes).adopt == ids


# --- what one is recognised by ----------------------------------------------------------------------


def test_natural_keys_are_folded_and_never_a_placeholder():
    ours = placeholder_email(1, 7)
    assert is_placeholder(ours.upper())
    assert not is_placeholder("anna@chatwoot.invalid.example.com")
    keys = natural_keys([" Anna@Example.COM", "anna@example.com", ours, " "], ["0170 1234567", "0"], "DE")
    assert keys == ("email:anna@example.com", "phone:+491701234567")


# --- custom attributes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "kind", "value"),
    [
        (None, "text", None), ("", "boolean", None), ("  ", "boolean", None), ("\u200b", "text", None),
        ([], "text", None), ([None, ""], "text", None), ({}, "text", None), (float("inf"), "price", None),
        (True, "boolean", 1), (False, "boolean", 0), ("true", "boolean", 1), ("No", "boolean", 0),
        (0, "boolean", 0), (0.0, "boolean", 0), ("0.0", "boolean", 0), (2, "boolean", 1), (["true"], "boolean", 1), ([], "boolean", None), ([5], "price", "5"),
        (True, "text", "yes"), (False, "text", "no"), (5, "text", "5"), (["a", True, None], "text", "a, yes"),
        ({"b": 1, "a": "ü"}, "text", '{"a": "ü", "b": 1}'), (" a\0\ud83d ", "textarea", "a\ufffd"),
        ("12.50", "price", "12.5"), (0, "price", "0"), (1.23456, "price", "1.2346"), ("1e3", "price", "1000"),
        ("2026-01-31", "date", "2026-01-31"), ("2026-01-31T00:00:00.000Z", "date", "2026-01-31"),
    ],
)  # fmt: skip
def test_custom_values_take_the_form_of_their_type(raw, kind, value):
    assert custom_value(raw, kind) == value
    assert type(custom_value(raw, kind)) is type(value)


COLOURS = {"red": 3, "sea green": 4, "black, white": 5}


@pytest.mark.parametrize(
    ("raw", "one", "several"),
    [
        ("Red", 3, [3]), (" SEA  green", None, None), ("Sea Green", 4, [4]), (["red"], 3, [3]),
        ("black, white", 5, [5]), (["Black, White", "red", "Red"], None, [3, 5]), ("sea green,red,", None, [3, 4]),
        ("blue", None, None), ("red, blue", None, None), ("3", None, None), (3, None, None), ([None, ""], None, None),
        ({"a": 1}, None, None), (True, None, None),
    ],
)  # fmt: skip
def test_a_choice_is_the_id_of_an_option_by_its_name(raw, one, several):
    for value, wanted in ((False, one), (True, several)):
        if wanted is None:
            with pytest.raises(ValueError, match="left out"):
                chosen(raw, COLOURS, several=value)
        else:
            assert chosen(raw, COLOURS, several=value) == wanted


@pytest.mark.parametrize(
    ("raw", "zone", "value"),
    [
        # Picked as the 24th in Berlin, in winter and summer; New York; Kathmandu; Honolulu; Auckland.
        ("2026-12-23T23:00:00.000Z", "UTC", "2026-12-24"),
        ("2026-12-23T23:00:00.000Z", "Europe/Berlin", "2026-12-24"),
        ("2026-07-23T22:00:00.000Z", "UTC", "2026-07-24"),
        ("2026-12-24T05:00:00.000Z", "UTC", "2026-12-24"),
        ("2026-12-23T18:15:00.000Z", "UTC", "2026-12-24"),
        ("2026-12-24T10:00:00.000Z", "UTC", "2026-12-24"),
        ("2026-12-23T11:00:00.000Z", "UTC", "2026-12-24"),
        ("2026-12-23T10:00:00.000Z", "Pacific/Kiritimati", "2026-12-24"),
        ("2026-12-24T11:00:00.000Z", "Pacific/Pago_Pago", "2026-12-24"),
        ("2026-12-23T23:00:00+00:00", "Asia/Tokyo", "2026-12-24"),
        ("2026-12-24T00:00:00+01:00", "UTC", "2026-12-24"),
        ("2026-12-24T00:00:00", "America/New_York", "2026-12-24"),
        ("2026-12-24", "Asia/Tokyo", "2026-12-24"),
        # A moment.
        ("2026-12-23T23:07:12Z", "UTC", "2026-12-23"),
        ("2026-12-23T23:07:12Z", "Europe/Berlin", "2026-12-24"),
        ("9999-12-31T23:00:00Z", "UTC", "9999-12-31"),
        ("0001-01-01T05:07:00Z", "America/New_York", "0001-01-01"),
        ("2026-12-24 or later", "UTC", "2026-12-24"),
    ],
)
def test_a_date_is_the_day_that_was_picked(raw, zone, value):
    assert custom_value(raw, "date", ZoneInfo(zone)) == value


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        ("maybe", "boolean"), ({"a": 1}, "boolean"), (["yes", "no"], "boolean"),
        ("abc", "price"), ("NaN", "price"), ("Infinity", "price"), ("1e999999", "price"), (-5, "price"),
        (10**400, "price"), (True, "price"), ([5, 6], "price"), ("12,50", "price"),
        ("2026-02-30", "date"), ("2026-13-45", "date"), ("31.01.2026", "date"), (20260131, "date"),
        ("0000-00-00", "date"), (True, "date"),
    ],
)  # fmt: skip
def test_what_cannot_be_put_into_that_form_is_refused_without_showing_it(raw, kind):
    with pytest.raises(ValueError, match="left out") as caught:
        custom_value(raw, kind)
    assert str(raw) not in str(caught.value)


@given(json_values, st.sampled_from(sorted(CUSTOM_TYPES.values())))
def test_a_custom_value_read_again_is_itself(raw, kind):
    try:
        value = custom_value(raw, kind)
    except ValueError:
        return
    assert custom_value(value, kind) == value


def test_a_custom_value_left_out_leaves_the_others_and_krayins_own():
    mapped = desired(custom_attributes={"price": "abc", "text": "x", "day": None})
    assert mapped.person["custom"] == {"c_text": "x", "c_area": None, "c_flag": None, "c_day": None}
    assert mapped.warnings == ("c_price: is not a number, left out",)


def test_custom_fields_look_in_both_places_past_blanks():
    mapped = desired(
        custom_attributes={"text": "", "area": "x"}, additional_attributes={"text": "y", "area": "z"}
    )
    assert mapped.person["custom"]["c_text"] == "y"
    assert mapped.person["custom"]["c_area"] == "x"
