"""What waits for somebody, calls of unknown outcome, and leads of ours to be reopened."""

from __future__ import annotations

import pytest
from reconciliation.drift.detectors.unsettled import closed_by_us, unsettled
from reconciliation.drift.finding import FindingClass, FindingState

from tests.reconciliation.drift.detectors.canned import CannedDrift


def operation(**changes):
    row = {
        "id": 3,
        "source_kind": "contact",
        "source_id": "7",
        "state": "quarantined",
        "error_class": "ambiguous_person",
        "error_message": "two persons",
        "candidates": None,
        "contact_id": None,
    }
    return CannedDrift({"operation/unsettled": [{**row, **changes}]})


@pytest.mark.parametrize(
    ("changes", "kind", "contact_id", "crm_kind"),
    [
        ({}, FindingClass.QUARANTINED, 7, "person"),
        ({"state": "unknown"}, FindingClass.UNKNOWN, 7, "person"),
        ({"source_kind": "stage"}, FindingClass.QUARANTINED, 7, "lead"),
        ({"source_kind": "message", "contact_id": 8}, FindingClass.QUARANTINED, 8, "activity"),
        ({"source_kind": "company", "source_id": "acme"}, FindingClass.QUARANTINED, None, "organization"),
    ],
)
def test_each_operation_that_is_not_settled_is_a_finding(changes, kind, contact_id, crm_kind):
    (one,) = unsettled(operation(**changes))
    assert (one.kind, one.contact_id, one.crm_kind, one.repairable) == (kind, contact_id, crm_kind, False)
    assert one.detail["operation"] == 3


def test_a_lead_that_we_closed_is_being_reopened():
    drift = CannedDrift({"removal/standing": [{"id": "7", "lead": 6, "wanted": 1, "shown": 5}]})
    (one,) = closed_by_us(drift)
    assert (one.kind, one.state, one.calls) == (FindingClass.MOVED_STAGE, FindingState.REPAIRING, 1)
    assert (one.contact_id, one.crm_id, one.detail) == (7, 6, {"wanted": 1, "krayin": 5})
