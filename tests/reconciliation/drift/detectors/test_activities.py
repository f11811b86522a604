"""What is found of activities and lead stages, without any system."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from reconciliation.crm.fields import activity_sent
from reconciliation.drift.detectors.activities import StagedDetector, deleted_activity, edited_activity
from reconciliation.model.desired_activity import DesiredActivity
from reconciliation.model.stages import Pipeline

NOON = datetime(2026, 5, 5, 12, tzinfo=UTC)
CALL = DesiredActivity("message", "4", 7, "call", "Message #4", "Hello", True, NOON, NOON, "key")
SENT = activity_sent(CALL, {"person": 5})
LOST = 6


def edited(on_crm_edit="keep", **facts):
    row = {"id": 3, "source_kind": "message", "source_id": "4", "crm_id": 9, "last_sent": SENT}
    shown = {**row, "facts": {"type": "call", **SENT, **facts}}
    return [
        (one.field, one.calls, one.repairable, dict(one.detail))
        for one in edited_activity(shown, 7, on_crm_edit)
    ]


def test_of_what_was_said_no_value_is_kept():
    assert edited() == []
    assert edited(title="Chat", comment="ff", is_done=False) == [
        ("title", 0, False, {}),
        ("comment", 0, False, {}),
        ("is_done", 0, False, {"chatwoot": True, "krayin": False}),
    ]


def test_one_call_writes_all_that_was_edited():
    later = "2026-05-05T13:00:00+00:00"
    assert [one[:3] for one in edited("overwrite", title="Chat", schedule_from=later)] == [
        ("title", 1, True),
        ("schedule_from", 0, True),
    ]


@pytest.mark.parametrize("recreate", [False, True])
def test_a_deleted_activity_is_made_again_only_if_that_is_set(recreate):
    row = {"id": 3, "source_kind": "message", "source_id": "4"}
    finding = deleted_activity(row, recreate=recreate)
    assert (finding.repairable, finding.calls, finding.row_id) == (recreate, int(recreate), 3)


def staged(on_crm_edit="keep", **row):
    detector = StagedDetector(Pipeline(1, (1, 2, 3), frozenset({LOST})), 1, on_crm_edit)
    return [(str(one.kind), one.field, one.side, one.calls, one.repairable) for one in detector.findings(row)]


def activity(**changes):
    row = {
        "source_kind": "message",
        "source_id": "4",
        "contact_id": 7,
        "desired": CALL.to_json(),
        "is_accepted": False,
        "state": "linked",
        "crm_id": 9,
        "last_sent": SENT,
        "person_state": "linked",
    }
    return staged(**{**row, **changes})


def test_an_activity_that_krayin_lacks_is_missing():
    assert activity(crm_id=None, state=None) == [("missing", None, "ours", 1, True)]


def test_an_activity_that_differs_is_changed():
    assert activity(last_sent={**SENT, "is_done": False, "comment": "ff"}) == [
        ("changed", "comment", "ours", 1, True),
        ("changed", "is_done", "ours", 0, True),
    ]
    assert activity() == [("changed", "contact", "ours", 1, True)], "it hangs on another contact now"


@pytest.mark.parametrize("known", [{"is_accepted": True}, {"state": "gone"}, {"person_state": "gone"}])
def test_an_activity_that_krayin_has_or_that_was_deleted_there_is_no_news(known):
    assert activity(**known) == []


def stage(on_crm_edit="keep", at=1, **changes):
    row = {
        "source_kind": "stage",
        "source_id": "7",
        "contact_id": 7,
        "desired": {"stage_id": 2, "milestone": "created", "reached_at": NOON.isoformat()},
        "last_sent": None,
        "lead_state": "linked",
        "lead_id": 6,
        "lead_origin": "created",
        "made_in_stage": None,
        "lead_facts": {"pipeline_id": 1, "stage_id": at},
        "follows_lead": False,
    }
    return staged(on_crm_edit, **{**row, **changes})


def test_a_lead_before_the_stage_it_qualified_for_is_moved_on():
    assert stage() == [("moved_stage", "stage", "ours", 1, True)]


def test_a_lead_that_a_salesperson_put_elsewhere_stays_unless_that_is_overwritten():
    by_us = {"desired": {"stage_id": 3, "milestone": "created", "reached_at": NOON.isoformat()}}
    assert stage(at=2, **by_us) == [("moved_stage", "stage", "theirs", 0, False)]
    assert stage("overwrite", at=2, **by_us) == [("moved_stage", "stage", "ours", 1, True)]
    ours = {**by_us, "last_sent": {"lead": 6, "stage": 2}}
    assert stage(at=2, **ours) == [("moved_stage", "stage", "ours", 1, True)]
    # Where it began is no place that a salesperson put it.
    assert stage(at=2, made_in_stage=2, **by_us) == [("moved_stage", "stage", "ours", 1, True)]


@pytest.mark.parametrize(
    "lead",
    [
        {"at": 2},
        {"at": 3},
        {"at": LOST},
        {"lead_state": "gone"},
        {"lead_facts": None},
        {"follows_lead": True},
    ],
)
def test_a_lead_that_is_there_beyond_closed_gone_or_not_known_is_left(lead):
    assert stage(**lead) == []
