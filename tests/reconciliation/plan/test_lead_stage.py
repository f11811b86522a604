from __future__ import annotations

import pytest
from reconciliation.model.stages import Pipeline
from reconciliation.plan.activity import LinkedRecords
from reconciliation.plan.engine import NEVER, NOW
from reconciliation.plan.estimate import Expected
from reconciliation.plan.lead_stage import decide
from reconciliation.store.mapping_row import MappingRow, MappingState

LINKED, GONE, PENDING = MappingState.LINKED, MappingState.GONE, MappingState.PENDING
PIPELINE = Pipeline(1, (1, 2, 3), frozenset({3}))
LEAD = 6


def planned(stage, *, sent=None, contact=None, pending=None, is_new=False, **more):
    row = MappingRow(1, None, None, LINKED, None, None, sent, pending)
    document = {"stage_id": stage, "milestone": "resolved", "reached_at": "2026-01-01T00:00:00+00:00", **more}
    contact = contact or LinkedRecords(LINKED, LINKED, 5, LEAD)
    return decide("7", row, b"hash", document, contact, PIPELINE, is_new=is_new)


def test_a_lead_that_stands_before_its_stage_is_moved():
    move = planned(2, sent={"lead": LEAD, "stage": 1})
    assert move is not None
    assert (move.source_id, move.contact_id, move.due_at, list(move.changes)) == ("7", 7, NOW, ["lead.stage"])
    assert move.payload["hash"] == b"hash".hex()
    assert planned(2) is not None


@pytest.mark.parametrize("before", [2, 3])
def test_a_lead_that_we_brought_as_far_is_left_alone(before):
    assert planned(2, sent={"lead": LEAD, "stage": before}) is None


@pytest.mark.parametrize(
    "case",
    [
        {"sent": {"lead": LEAD + 1, "stage": 3}},
        {"sent": {"lead": LEAD, "stage": 9}},
        {"sent": {"lead": LEAD, "stage": 3}, "pending": {"stage": 2}},
        {"sent": {"lead": LEAD, "stage": 3}, "earned": []},
    ],
    ids=["another lead", "another pipeline", "a move without an answer", "a new lead may follow"],
)
def test_what_may_not_be_as_far_is_looked_at(case):
    assert planned(2, **case) is not None


def test_a_move_waits_for_the_lead_and_changes_nothing_that_is_there():
    move = planned(2, contact=LinkedRecords(PENDING, PENDING))
    assert move is not None
    assert (move.due_at, move.waits_for, list(move.changes)) == (NEVER, "lead", [])


def test_a_lead_deleted_in_krayin_is_not_moved():
    assert planned(2, contact=LinkedRecords(LINKED, GONE)) is None


@pytest.mark.parametrize(("stage", "calls"), [(2, 0), (3, 1)], ids=["open", "won"])
def test_the_lead_of_a_new_contact_is_made_in_its_stage(stage, calls):
    move = planned(stage, contact=LinkedRecords(PENDING, PENDING), is_new=True)
    assert move is not None
    assert move.expected == Expected(calls)
