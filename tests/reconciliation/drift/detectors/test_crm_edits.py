"""What looks edited in Krayin's lists, before Chatwoot is asked."""

from __future__ import annotations

import pytest
from reconciliation.drift.detectors.crm_edits import find_edits, looks_edited

from tests.reconciliation.drift.detectors.canned import CannedDrift

PERSON = {"name": "Ada", "emails": ["ada@example.com"], "phones": [], "job_title": None}
LEAD = {"title": "Ada", "lead_value": None, "description": "x"}


def row(kind="person", facts=None, **changes):
    sent = PERSON if kind == "person" else LEAD
    shown = {**sent, **({"person_id": 5, "stage_id": 1} if kind == "lead" else {}), **(facts or {})}
    known = {"crm_kind": kind, "facts": shown, "last_sent": sent, "pending_write": None}
    return {**known, "acked_hash": b"a", "source_hash": b"a", "person_id": 5, "stage_id": None, **changes}


def test_a_record_as_it_was_sent_is_passed_over():
    assert not looks_edited(row(), None)
    assert not looks_edited(row("lead"), None)


@pytest.mark.parametrize(
    "seen",
    [
        row(facts={"name": "Countess"}),
        row("lead", {"title": "Big deal"}),
        row("lead", {"person_id": 8}),
        row("lead", stage_id=2),
        row(acked_hash=b"b"),
        row(pending_write={"name": "Ada"}),
    ],
)
def test_what_was_edited_or_not_sent_or_hangs_elsewhere_is_looked_at(seen):
    assert looks_edited(seen, None)


def test_a_stage_that_is_as_we_left_it_is_no_edit():
    assert not looks_edited(row("lead", stage_id=1), None)


def test_named_contacts_are_looked_at_whatever_the_lists_show_and_nothing_else():
    gone = [{"id": 1, "source_kind": "contact", "source_id": "9"}, {"id": 2, "source_kind": "company"}]
    edits = find_edits(CannedDrift({"mapping/gone": gone}, named=frozenset({7})), None)
    assert (edits.contacts, edits.deleted_companies) == ({7}, [])
