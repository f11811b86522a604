from __future__ import annotations

from datetime import UTC, datetime

import pytest
from reconciliation.model.desired_activity import DesiredActivity
from reconciliation.plan.activity import ActivityPlan, LinkedRecords, decide, operation_of
from reconciliation.plan.contact import Action
from reconciliation.plan.estimate import ACTIVITIES
from reconciliation.store.mapping_row import MappingRow, MappingState

LINKED, GONE, PENDING = MappingState.LINKED, MappingState.GONE, MappingState.PENDING
BOTH = LinkedRecords(LINKED, LINKED, 5, 6)
NEW, OLD = b"new", b"old"


def row(state=PENDING, acked=None):
    return MappingRow(1, 9 if state is LINKED else None, "created", state, None, acked)


def planned(state=PENDING, acked=None, contact=BOTH, link="both", *, recreate_deleted=False):
    return decide(row(state, acked), NEW, contact, link, recreate_deleted=recreate_deleted)


def test_a_new_activity_costs_a_call_for_each_record_it_hangs_on():
    assert planned() == ActivityPlan(Action.CREATE, None, 2)
    assert planned(link="person") == ActivityPlan(Action.CREATE, None, 1)


def test_a_linked_activity_is_written_over_only_if_it_differs():
    assert planned(LINKED, NEW) == ActivityPlan(Action.NOTHING)
    assert planned(LINKED, OLD) == ActivityPlan(Action.UPDATE, None, 1)


@pytest.mark.parametrize(
    ("contact", "link", "waits_for"),
    [
        (LinkedRecords(PENDING, PENDING), "both", "lead"),
        (LinkedRecords(LINKED, PENDING), "both", "lead"),
        (LinkedRecords(LINKED, PENDING), "person", None),
        (LinkedRecords(PENDING, PENDING), "person", "person"),
        (LinkedRecords(LINKED, GONE), "lead", None),
        (LinkedRecords(), "lead", "lead"),
    ],
)
def test_an_activity_waits_for_the_record_it_hangs_on(contact, link, waits_for):
    assert planned(contact=contact, link=link).waits_for == waits_for


def test_what_was_deleted_in_krayin_is_made_again_only_when_that_is_set():
    for case in ({"state": GONE}, {"contact": LinkedRecords(GONE, GONE)}):
        assert planned(**case).action is Action.LEAVE_DELETED
        assert planned(**case, recreate_deleted=True).action is Action.CREATE


def test_only_what_is_written_over_is_read_before():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    activity = DesiredActivity("message", "3", 7, "note", "Title", "Text", True, now, now, "k")

    def expected(action, adopt=None):
        operation = operation_of(activity, ActivityPlan(action, None, 1), adopt, NEW)
        return operation and (operation.expected.writes, operation.expected.reads)

    assert expected(Action.NOTHING) is expected(Action.LEAVE_DELETED) is None
    assert expected(Action.CREATE) == (1, frozenset())
    assert expected(Action.UPDATE) == (1, {ACTIVITIES})
    assert expected(Action.CREATE, {"id": 4, "origin": "created"}) == (1, {ACTIVITIES})
    # What an earlier integration made is linked as it is.
    assert expected(Action.CREATE, {"id": 4, "origin": "adopted"}) == (0, frozenset())
