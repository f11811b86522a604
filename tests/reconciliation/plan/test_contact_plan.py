from __future__ import annotations

import pytest
from reconciliation.mapping.desired_contact import DesiredContact
from reconciliation.plan.contact_plan import Action, plan_contact
from reconciliation.plan.matching import KnownPerson
from reconciliation.sync_database.mapping_row import MappingRow, MappingState

MAIL = "email:anna@example.com"
ANNA = DesiredContact(7, {"name": "Anna"}, {"title": "Anna"}, natural_keys=(MAIL,))
PERSON, LEAD = ANNA.person_hash(), ANNA.lead_hash()
SOMEBODY = KnownPerson(5, "x", frozenset({MAIL}))


def row(state=MappingState.LINKED, acked=None):
    return MappingRow(1, 5 if state is MappingState.LINKED else None, "created", state, None, acked)


def planned(person=None, lead=None, candidates=(), *, contact=ANNA, recreate_deleted=False):
    return plan_contact(contact, person, lead, candidates, recreate_deleted=recreate_deleted)


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
    plan = planned(row(acked=PERSON), row(acked=LEAD), [SOMEBODY, KnownPerson(6, "y", frozenset({MAIL}))])
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
    plan = planned(None, None, [SOMEBODY, KnownPerson(6, "y", frozenset({MAIL}), "contact 3 of account 1")])
    assert (plan.action, plan.reason, plan.calls) == (Action.QUARANTINE, "ambiguous_person", 0)
    assert list(plan.candidates) == [
        {"person": 5, "belongs_to": None}, {"person": 6, "belongs_to": "contact 3 of account 1"},
    ]  # fmt: skip
    assert plan.message


def test_the_lead_an_earlier_integration_kept_comes_with_its_person_only():
    contact = DesiredContact(7, {}, {}, natural_keys=(MAIL,), adopt={"person": 5, "lead": 8})
    assert dict(planned(None, None, [SOMEBODY], contact=contact).adopt) == {"person": 5, "lead": 8}
    other = KnownPerson(6, "y", frozenset({MAIL}))
    assert dict(planned(None, None, [other], contact=contact).adopt) == {"person": 6}
