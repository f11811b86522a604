"""The field-by-field comparison: whose change it is, and what would be written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from reconciliation.crm.fields import called_by_company, listed_person, organization_fields
from reconciliation.drift.field_differences import (
    activity_differences,
    compare,
    edited,
    is_cut,
)
from reconciliation.drift.finding import Finding, FindingClass, Side

if TYPE_CHECKING:
    from reconciliation.model.merge import OnCrmEdit

SENT = {"name": "Ada", "emails": ["ada@example.com"], "phones": [], "job_title": None, "custom.level": "gold"}
LISTED = {"name": "Ada", "emails": ["ada@example.com"], "phones": [], "job_title": None}


def differences(
    shown: dict[str, Any], wanted: dict[str, Any], on_crm_edit: OnCrmEdit = "keep", sent: Any = SENT
) -> list[tuple[str, Side, bool]]:
    found = compare(
        last_sent=sent, present={**LISTED, **shown}, desired={**SENT, **wanted}, on_crm_edit=on_crm_edit
    )
    return [(one.field, one.side, one.writes) for one in found]


@pytest.mark.parametrize(
    ("shown", "wanted", "found"),
    [
        ({}, {}, []),
        ({}, {"name": "Ada L."}, [("name", Side.OURS, True)]),
        ({"name": "Countess"}, {}, [("name", Side.THEIRS, False)]),
        ({"name": "Countess"}, {"name": "Countess"}, []),
        ({"name": "Countess"}, {"name": "Ada L."}, [("name", Side.THEIRS, False)]),
        ({"job_title": "Queen"}, {}, []),
        ({"emails": ["ADA@example.com"]}, {}, []),
        ({"emails": ["ada@example.com", "home@example.com"]}, {}, []),
        ({"emails": ["home@example.com"]}, {}, [("emails", Side.THEIRS, False)]),
        ({}, {"emails": ["new@example.com"]}, [("emails", Side.OURS, True)]),
        ({}, {"custom.level": "lead"}, [("custom.level", Side.OURS, True)]),
        ({"custom.level": "lead"}, {}, [("custom.level", Side.THEIRS, False)]),
    ],
)
def test_whose_change_it_is(shown: dict[str, Any], wanted: dict[str, Any], found: list[Any]) -> None:
    assert differences(shown, wanted) == found
    overwritten = differences(shown, wanted, "overwrite")
    assert overwritten == [(name, side, True) for name, side, _ in found]


def test_fields_never_sent_to_an_adopted_record_are_theirs() -> None:
    assert differences({"name": "Countess"}, {}, sent={"emails": ["ada@example.com"]}) == [
        ("name", Side.THEIRS, False),
    ]


def test_what_was_not_sent_is_not_looked_at() -> None:
    assert [one.field for one in edited({"name": "Ada"}, {"name": "Countess", "job_title": "Queen"})] == [
        "name"
    ]
    assert edited({"name": "Ada", "custom.level": "gold"}, {"name": "Ada"}) == []


def test_a_person_in_a_renamed_organization_has_the_right_company() -> None:
    facts = {"name": "Ada", "organization_id": 7, "organization_name": "Acme & Sons"}
    person = listed_person(facts)
    assert called_by_company(person, {7: ["acme"]}, "ACME")["organization"] == "ACME"
    assert called_by_company(person, {7: ["acme"]}, "Other")["organization"] == "Acme & Sons"
    assert called_by_company(person, {}, "Acme")["organization"] == "Acme & Sons"


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ({"city": "Rome"}, {"address.city": "Rome"}),
        ("Main street", {"address.address": "Main street"}),
        (["Main street", "Rome"], {"address.address": "Main street, Rome"}),
        ([], {}),
        (None, {}),
    ],
)
def test_addresses_in_any_shape_are_compared_by_line(stored: Any, shown: dict[str, Any]) -> None:
    assert organization_fields({"address": stored}) == shown


def test_activities_differ_by_what_was_sent() -> None:
    sent = {
        "title": "ConversationStreams",
        "comment": "aa",
        "is_done": False,
        "schedule_from": "2026-05-05T12:00:00.5+00:00",
    }
    shown = {**sent, "type": "call", "schedule_from": "2026-05-05T12:00:00+00:00"}
    assert activity_differences(sent, shown) == []
    assert activity_differences(sent, {**shown, "comment": "bb", "is_done": True}) == ["comment", "is_done"]
    later = {**shown, "schedule_from": "2026-05-05T13:00:00+00:00"}
    assert activity_differences(sent, later) == ["schedule_from"]
    assert activity_differences(sent, {**later, "type": "note"}) == []


def test_a_value_that_krayin_cut_is_told_from_an_edit() -> None:
    assert is_cut("a" * 300, "a" * 255)
    assert is_cut("ä" * 40_000, "ä" * 32_767)
    assert not is_cut("a" * 300, "a" * 254)
    assert not is_cut("a" * 255, "a" * 255)
    assert not is_cut(5, "5")


def test_a_finding_is_known_again_though_its_record_was_made_anew() -> None:
    finding = Finding(
        FindingClass.CHANGED, "x", source_kind="contact", source_id="5", crm_kind="lead", crm_id=1
    )
    again = Finding(
        FindingClass.CHANGED, "y", source_kind="contact", source_id="5", crm_kind="lead", crm_id=2
    )
    assert finding.key == again.key
    twins = [
        Finding(
            FindingClass.DUPLICATE, "x", source_kind="contact", source_id="5", crm_kind="lead", crm_id=one
        )
        for one in (1, 2)
    ]
    assert twins[0].key != twins[1].key
    assert "Ada" not in repr(Finding(FindingClass.CHANGED, "x", detail={"krayin": "Ada"}))
