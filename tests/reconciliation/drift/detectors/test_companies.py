"""What is found of a company's organization, without any system."""

from __future__ import annotations

import pytest
from reconciliation.drift.detectors.companies import deleted_company, edited_company
from reconciliation.drift.finding import STAYS_DELETED
from reconciliation.plan.contact import Rules

SENT = {"address.city": "Rome", "custom.size": "big"}


def found(name="Acme", custom=None, on_crm_edit="keep", known=(), **address):
    facts = {"name": name, "address": {"city": "Rome", **address}}
    row = {"id": 3, "source_id": "acme", "crm_id": 9, "last_sent": SENT, "facts": facts}
    return [
        (one.field, one.side, one.calls, one.repairable, one.row_id)
        for one in edited_company(row, custom or {}, known, Rules(on_crm_edit=on_crm_edit))
    ]


def test_nothing_is_found_of_what_is_equal():
    assert found() == []
    assert found("ACME") == []


def test_a_name_is_never_written():
    assert found("Other", on_crm_edit="overwrite") == [("name", "theirs", 0, False, 3)]
    assert found("Other", known=["other"]) == [], "one of the names that Krayin takes for the same"


@pytest.mark.parametrize(("on_crm_edit", "calls"), [("keep", 0), ("overwrite", 1)])
def test_edits_are_theirs_and_one_call_writes_them(on_crm_edit, calls):
    edited = found(city="Oslo", custom={"custom.size": "small"}, on_crm_edit=on_crm_edit)
    assert edited == [
        ("address.city", "theirs", calls, bool(calls), 3),
        ("custom.size", "theirs", 0, bool(calls), 3),
    ]


def test_a_line_that_an_emptied_form_does_not_have_is_blank():
    row = {"id": 3, "source_id": "acme", "crm_id": 9, "last_sent": SENT, "facts": {"name": "Acme"}}
    (finding,) = edited_company(row, {}, (), Rules())
    assert (finding.field, finding.detail) == ("address.city", {"chatwoot": "Rome", "krayin": None})


def test_a_deleted_organization_is_missed_by_those_who_name_it():
    row = {"id": 3, "source_id": "acme"}
    assert list(deleted_company(row, 0, recreate=True)) == []
    (again,) = deleted_company(row, 2, recreate=True)
    assert (again.calls, again.repairable, again.row_id) == (2, True, 3)
    (stays,) = deleted_company(row, 2, recreate=False)
    assert (stays.calls, stays.repair) == (0, STAYS_DELETED)
