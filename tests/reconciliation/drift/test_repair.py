"""What is done about findings: which records are marked, and what is to be planned because of them."""

from __future__ import annotations

from types import SimpleNamespace

from reconciliation.drift.detectors.gone_contacts import OrphanPlan
from reconciliation.drift.finding import Finding, FindingClass, FindingState
from reconciliation.drift.repair import Repairs
from reconciliation.drift.request import DECLINED, Policy

ALL = Policy(frozenset(FindingClass), recreate=True)


class Executed(list):
    """Stands in for a comparison: keeps which statements were carried out."""

    def __init__(self, policy):
        self.policy = policy

    def execute(self, name, **parameters):
        self.append((name, parameters))

    def members(self, folded_name):
        return {"acme": [7, 8]}.get(folded_name, [])


def taken(*findings, policy=ALL):
    repairs = Repairs(Executed(policy))
    repairs.take(findings)
    return repairs


def finding(kind=FindingClass.CHANGED, source_kind="contact", source_id="7", row_id=1, **more):
    return Finding(
        kind, "x", source_kind=source_kind, source_id=source_id, row_id=row_id, **{"repairable": True, **more}
    )


def test_a_record_that_differs_is_written_again():
    repairs = taken(finding())
    assert repairs.contacts == {7}
    assert repairs.drift == [("mapping/forget", {"ids": [1], "recreate": False})]


def test_a_record_that_is_gone_is_made_again():
    repairs = taken(finding(FindingClass.STALE_MAPPING, "message", "4", 2))
    assert repairs.activities["message"] == {4}
    assert repairs.drift == [("mapping/forget", {"ids": [2], "recreate": True})]


def test_a_lead_is_moved_again_as_if_it_never_was():
    repairs = taken(finding(FindingClass.MOVED_STAGE, row_id=3))
    assert (repairs.leads, repairs.contacts) == ({7}, set())
    assert repairs.drift == [("mapping/forget", {"ids": [3], "recreate": True})]


def test_an_organization_is_planned_alone_but_one_that_is_gone_with_its_persons():
    repairs = taken(finding(source_kind="company", source_id="acme"))
    assert (repairs.companies, repairs.contacts) == ({"acme"}, set())
    gone = taken(finding(FindingClass.STALE_MAPPING, "company", "acme"))
    assert (gone.companies, gone.contacts) == (set(), {7, 8})
    assert ("mapping/forget_organization", {"contact_ids": ["7", "8"]}) in gone.drift


def test_what_the_policy_does_not_name_or_cannot_be_repaired_is_only_kept():
    repairs = taken(finding(), finding(FindingClass.ORPHAN, repairable=False), policy=Policy())
    assert [one.state for one in repairs.findings] == [FindingState.OPEN, FindingState.REPORTED]
    assert (repairs.contacts, repairs.drift) == (set(), [])


def test_what_somebody_declined_stays_as_it_is():
    declined = frozenset({("contact", "7", False), ("stage", "8", False)})
    policy = Policy(frozenset(FindingClass), declined=declined)
    moved = finding(FindingClass.MOVED_STAGE)
    other = finding(FindingClass.MOVED_STAGE, source_id="8", row_id=4)
    repairs = taken(finding(), moved, other, policy=policy)
    assert [one.repair for one in repairs.findings] == [DECLINED, "x", DECLINED]
    assert (repairs.contacts, repairs.leads) == (set(), {7})


def test_a_removal_is_planned_only_if_its_finding_is_repaired():
    removal = SimpleNamespace()
    plan = OrphanPlan(finding(FindingClass.ORPHAN), [removal], survivor=9)
    for policy, removals, survivors in ((ALL, [removal], {9}), (Policy(), [], set())):
        repairs = Repairs(Executed(policy))
        repairs.carry(plan, {}, {})
        assert (repairs.removals, repairs.survivors) == (removals, survivors)
