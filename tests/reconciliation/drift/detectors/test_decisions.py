from __future__ import annotations

from reconciliation.drift.detectors.decisions import Decisions
from reconciliation.drift.finding import FindingClass
from reconciliation.drift.request import Policy
from reconciliation.model.desired_contact import DesiredContact
from reconciliation.plan.contact import Action, ContactPlan, Expectation
from reconciliation.plan.estimate import Expected
from reconciliation.plan.organization import PlannedCompany

ACTIONS = (Action.CREATE, Action.ADOPT, Action.QUARANTINE, Action.NOTHING)


def decisions() -> Decisions:
    found = Decisions()
    for number, action in enumerate(ACTIONS):
        found.add(ContactPlan(DesiredContact(number, {}, {}), action, calls=1), Expectation(Expected()))
    return found


def test_only_what_was_decided_and_the_policy_names_is_repaired() -> None:
    found = decisions()
    assert found.to_repair(range(5), Policy(frozenset({FindingClass.MISSING}))) == {0}
    assert found.to_repair(range(5), Policy(frozenset(FindingClass))) == {0, 1, 2}
    assert found.to_repair(range(5), Policy()) == set()


def test_a_decision_is_a_finding_that_says_what_would_be_done() -> None:
    found = decisions()
    found.add_company(PlannedCompany("acme", {"address.city": (None, "Oslo"), "address.state": (None, "O")}))
    said = [(one.kind, one.source_id, one.calls, one.repairable) for one in found.findings({2, 1, 7})]
    assert said == [
        (FindingClass.UNMAPPED, "1", 1, True),
        (FindingClass.QUARANTINED, "2", 1, False),
        (FindingClass.CHANGED, "acme", 1, True),
        (FindingClass.CHANGED, "acme", 0, True),
    ]
