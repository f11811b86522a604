"""What becomes of the records of a contact or conversation that is gone in Chatwoot."""

from __future__ import annotations

import pytest
from reconciliation.drift.detectors.gone_contacts import Survivor, decide, decide_activity
from reconciliation.load.removal import RemovalAction
from reconciliation.settings.sync_settings import SyncSettings
from reconciliation.store.mapping_row import MappingRow, MappingState

REPORTED = "none, report only (on_source_delete: report)"
SENT = {"emails": ["a@example.com"], "phones": []}


def settings(choice="close_lead"):
    return SyncSettings.model_construct(on_source_delete=choice, default_phone_region=None)


def rows(origin="created"):
    more = {"origin": origin, "state": MappingState.ORPHANED, "source_hash": None, "acked_hash": None}
    return {
        "person": MappingRow(id=1, crm_id=5, last_sent=SENT, **more),
        "lead": MappingRow(id=2, crm_id=6, **more),
    }


def planned(choice="close_lead", own=None, survivor=None, *, can_tell=True):
    return decide(7, own or rows(), survivor, settings(choice), can_tell=can_tell)


def test_the_lead_of_a_deleted_contact_is_closed():
    plan = planned()
    (removal,) = plan.removals
    assert (removal.action, removal.lead, plan.survivor) == (RemovalAction.CLOSE, 6, None)
    assert (plan.finding.repair, plan.finding.calls, plan.finding.repairable) == ("close the lead", 1, True)
    assert plan.finding.detail == {"deleted": True, "person": 5, "lead": 6}


def test_its_records_are_deleted_if_that_is_set():
    plan = planned("delete")
    (removal,) = plan.removals
    assert (removal.action, removal.person, removal.lead) == (RemovalAction.DELETE, 5, 6)


def test_a_person_stays_with_a_lead_that_was_there_before_us():
    own = {**rows(), "lead": rows("adopted")["lead"]}
    plan = planned("delete", own)
    (removal,) = plan.removals
    assert (removal.person, removal.lead) == (None, None)


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ({"choice": "report"}, "none: report only (on_source_delete: report)"),
        ({"own": rows("adopted")}, "none: its records were there before us"),
        ({"can_tell": False}, "none: Chatwoot's API does not tell a deleted contact from a merged one"),
        (
            {"survivor": Survivor(8, is_erased=True)},
            "none: merged into contact 8, which was erased on request: erase this one too",
        ),
        (
            {"survivor": Survivor(8), "choice": "report"},
            "merged into contact 8, which has records of its own: " + REPORTED,
        ),
    ],
)
def test_what_is_left_alone_says_why(case, said):
    plan = planned(**case)
    assert (plan.finding.repair, plan.finding.repairable, [*plan.removals], plan.survivor) == (
        said, False, [], None,
    )  # fmt: skip


def test_who_has_no_records_takes_over_those_of_who_was_merged_into_it():
    plan = planned(survivor=Survivor(8, is_linked=False))
    assert ([*plan.removals], plan.survivor, plan.finding.repairable) == ([], 8, True)


def test_who_has_records_is_given_the_addresses_only():
    plan = planned(survivor=Survivor(8, frozenset({"email:a@example.com"})))
    (removal,) = plan.removals
    assert (removal.action, plan.survivor) == (RemovalAction.CLOSE, 8)
    assert list(removal.releases) == ["email:a@example.com"]
    # Closing the lead, and taking the address from the person.
    assert plan.finding.calls == 2


def test_an_activity_that_we_made_is_deleted_if_that_is_set():
    row = MappingRow(3, 9, "created", MappingState.ORPHANED, None, None)
    plan = decide_activity("message", "4", row, settings("delete"))
    (removal,) = plan.removals
    assert removal.activity == 9
    assert decide_activity("message", "4", row, settings()).removals == []


@pytest.mark.parametrize(
    ("survivor", "choice", "person", "closed", "deleted"),
    [
        (Survivor(8), "close_lead", 5, {"7": 6, "7/3": 16}, []),
        (None, "close_lead", 5, {"7": 6, "7/3": 16}, []),
        # A lead that was there before us keeps its person.
        (None, "delete", None, {"7": 6}, [16]),
    ],
)
def test_leads_for_further_inboxes_go_as_their_contacts_does(survivor, choice, person, closed, deleted):
    further = {
        "7/3": MappingRow(11, 16, "created", MappingState.ORPHANED, None, None),
        "7/4": MappingRow(12, 17, "adopted", MappingState.ORPHANED, None, None),
    }
    plan = decide(7, rows(), survivor, settings(choice), can_tell=True, further=further)
    assert plan.removals[0].person == person
    assert {one.source_id: one.lead for one in plan.removals} == closed
    assert list(plan.removals[0].former) == deleted
    assert plan.finding.calls == sum(one.expected.writes for one in plan.removals)
