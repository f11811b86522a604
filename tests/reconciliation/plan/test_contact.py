from __future__ import annotations

import pytest
from reconciliation.model.desired_contact import DesiredContact
from reconciliation.plan.contact import Action, Expectation, decide, operation_of, planned_state
from reconciliation.plan.estimate import Expected
from reconciliation.plan.matching import KnownPerson
from reconciliation.store.mapping_row import MappingRow, MappingState

MAIL = "email:anna@example.com"
ANNA = DesiredContact(7, {"name": "Anna"}, {"title": "Anna"}, natural_keys=(MAIL,))
PERSON, LEAD = ANNA.person_hash(), ANNA.lead_hash()
SOMEBODY = KnownPerson(5, frozenset({MAIL}))


def row(state=MappingState.LINKED, acked=None):
    return MappingRow(1, 5 if state is MappingState.LINKED else None, "created", state, None, acked)


def planned(person=None, lead=None, candidates=(), *, contact=ANNA, recreate_deleted=False):
    return decide(contact, person, lead, candidates, recreate_deleted=recreate_deleted)


@pytest.mark.parametrize(
    ("person", "lead", "action", "calls"),
    [
        (PERSON, LEAD, Action.NOTHING, 0),
        (b"old", LEAD, Action.UPDATE, 1),
        (PERSON, b"old", Action.UPDATE, 1),
        (None, None, Action.UPDATE, 2),
    ],
)
def test_a_linked_contact_costs_a_call_for_each_record_that_differs(person, lead, action, calls):
    plan = planned(row(acked=person), row(acked=lead))
    assert (plan.action, plan.calls) == (action, calls)


def test_a_linked_contact_without_a_lead_gets_one():
    for lead in (None, row(MappingState.PENDING)):
        plan = planned(row(acked=PERSON), lead)
        assert (plan.action, plan.calls) == (Action.UPDATE, 1)


def test_a_linked_contact_is_never_matched_again():
    plan = planned(row(acked=PERSON), row(acked=LEAD), [SOMEBODY, KnownPerson(6, frozenset({MAIL}))])
    assert plan.action is Action.NOTHING


@pytest.mark.parametrize(
    ("recreate", "action", "calls"), [(False, Action.NOTHING, 0), (True, Action.UPDATE, 1)]
)
def test_a_lead_deleted_in_krayin(recreate, action, calls):
    plan = planned(row(acked=PERSON), row(MappingState.GONE, LEAD), recreate_deleted=recreate)
    assert (plan.action, plan.calls) == (action, calls)


def test_a_person_deleted_in_krayin():
    gone = row(MappingState.GONE)
    assert planned(gone, None, [SOMEBODY]).action is Action.LEAVE_DELETED
    assert planned(gone, None, recreate_deleted=True).action is Action.CREATE
    assert planned(gone, None, [SOMEBODY], recreate_deleted=True).action is Action.ADOPT


@pytest.mark.parametrize("state", [MappingState.PENDING, MappingState.ORPHANED, MappingState.QUARANTINED])
def test_a_contact_not_linked_yet(state):
    assert planned(row(state)).action is Action.CREATE
    plan = planned(row(state), None, [SOMEBODY])
    assert (plan.action, dict(plan.adopt)) == (Action.ADOPT, {"person": 5})


def test_a_contact_somebody_must_decide_about_says_why_and_costs_nothing():
    plan = planned(None, None, [SOMEBODY, KnownPerson(6, frozenset({MAIL}), "contact 3 of account 1")])
    assert (plan.action, plan.reason, plan.calls) == (Action.QUARANTINE, "ambiguous_person", 0)
    assert list(plan.candidates) == [
        {"person": 5, "belongs_to": None}, {"person": 6, "belongs_to": "contact 3 of account 1"},
    ]  # fmt: skip
    assert plan.message


def test_the_lead_an_earlier_integration_kept_comes_with_its_person_only():
    contact = DesiredContact(7, {}, {}, natural_keys=(MAIL,), adopt={"person": 5, "lead": 8})
    assert dict(planned(None, None, [SOMEBODY], contact=contact).adopt) == {"person": 5, "lead": 8}
    other = KnownPerson(6, frozenset({MAIL}))
    assert dict(planned(None, None, [other], contact=contact).adopt) == {"person": 6}


def test_a_closed_lead_is_followed_by_a_linked_contact_only():
    known = (row(acked=PERSON), row(acked=LEAD), [])
    plan = decide(ANNA, *known, recreate_deleted=False, follows_lead=8)
    assert (plan.action, plan.follows_lead) == (Action.UPDATE, 8)
    plan = decide(ANNA, None, None, [], recreate_deleted=False, follows_lead=8)
    assert (plan.action, plan.follows_lead) == (Action.CREATE, None)


def test_an_operation_gives_up_what_was_sent_and_is_not_wanted_any_more():
    known = MappingRow(1, 5, "created", MappingState.LINKED, None, b"", {"emails": ["old@example.com"]})
    operation = operation_of(planned(known), Expectation(Expected(1)), known, None)
    assert operation is not None
    assert list(operation.releases) == ["email:old@example.com"]
    assert list(operation.natural_keys) == [MAIL, "email:old@example.com"]
    assert (
        operation_of(planned(row(acked=PERSON), row(acked=LEAD)), Expectation(Expected()), known, None)
        is None
    )


def test_what_waits_for_a_person_is_not_due():
    plan = planned(None, None, [SOMEBODY, KnownPerson(6, frozenset({MAIL}))])
    operation = operation_of(plan, Expectation(Expected()), row(MappingState.PENDING), None)
    assert operation is not None
    assert (operation.state, operation.reason) == ("quarantined", "ambiguous_person")


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [
        (Action.CREATE, MappingState.QUARANTINED, MappingState.PENDING),
        (Action.CREATE, MappingState.GONE, MappingState.PENDING),
        (Action.UPDATE, MappingState.GONE, MappingState.GONE),
        (Action.UPDATE, MappingState.LINKED, MappingState.LINKED),
        (Action.LEAVE_DELETED, MappingState.GONE, MappingState.GONE),
        (Action.QUARANTINE, MappingState.PENDING, MappingState.QUARANTINED),
    ],
)
def test_the_state_that_a_plan_leaves(action, before, after):
    assert planned_state(action, before) is after
