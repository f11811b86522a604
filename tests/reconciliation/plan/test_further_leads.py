from __future__ import annotations

from dataclasses import replace

import pytest
from chatwoot.records import Handling, InboxContact
from reconciliation.model.contact import MappingRules, map_contact, map_further_leads
from reconciliation.model.desired_contact import DesiredContact, DesiredLead, LeadTarget, contact_of
from reconciliation.model.lead_choices import LeadChoices
from reconciliation.model.owner import OwnerRules
from reconciliation.plan.activity import LinkedRecords
from reconciliation.plan.contact import Action, Rules
from reconciliation.plan.engine import NEVER, NOW
from reconciliation.plan.estimate import LEADS, LEADS_OF, Expected
from reconciliation.plan.further_leads import Given, decide
from reconciliation.store.mapping_row import MappingRow, MappingState

from tests.reconciliation.samples import contact

LINKED, PENDING, GONE = MappingState.LINKED, MappingState.PENDING, MappingState.GONE
MAIL, APP, WEB = 3, 4, 5
NAMES = {MAIL: "Mail", APP: "App", WEB: "Web"}
RULES = MappingRules(
    inboxes=NAMES,
    lead_choices=LeadChoices({}, {MAIL: (1, "x"), APP: (21, "x")}, {1: 1, 21: 2}),
    owners=OwnerRules(inboxes={APP: 8}),
    tag_kinds=("lead",),
)
ANNA = contact(
    labels=("vip",),
    by_inbox=(InboxContact(Handling(MAIL), ("offer",)), InboxContact(Handling(APP), ("urgent", "vip"))),
)
WANTED = DesiredLead(7, APP, {"title": "Anna", "description": "x", "custom": {}}, LeadTarget(), tags=["vip"])


def mapped(inbox=None, rules=RULES, of=ANNA):
    """The inbox of the own lead, and those of further ones."""
    desired = map_contact(of, rules, inbox=inbox)
    assert isinstance(desired, DesiredContact)
    return desired, [lead for lead, _ in map_further_leads(of, rules, desired.inbox)]


def test_the_own_lead_is_that_of_the_oldest_conversation_and_the_others_get_their_own():
    own, further = mapped()
    assert (own.inbox, [one.inbox for one in further]) == (MAIL, [APP])
    assert own.target == LeadTarget(stage_id=1, pipeline_id=1, owner=0)
    assert further[0].target == LeadTarget(stage_id=21, pipeline_id=2, owner=8)
    assert (own.tags, further[0].tags) == ({"lead": ["offer", "vip"]}, ["urgent", "vip"])


@pytest.mark.parametrize(("known", "further"), [(APP, [MAIL]), (WEB, [MAIL, APP])])
def test_the_own_lead_stays_that_of_its_inbox_whatever_is_said_where(known, further):
    own, others = mapped(known)
    assert (own.inbox, [one.inbox for one in others]) == (known, further)


def test_without_the_setting_nothing_is_said_of_inboxes():
    plain = replace(RULES, inboxes=None)
    own, further = mapped(rules=plain)
    assert (own.inbox, further, own.tags) == (None, [], {"lead": ["vip"]})
    assert own == mapped(rules=plain, of=replace(ANNA, by_inbox=()))[0]


def test_who_gets_no_lead_gets_none_for_any_inbox_but_where_one_is():
    nobody = replace(RULES, make_leads=False)
    assert map_contact(ANNA, nobody).lead is None
    assert list(map_further_leads(ANNA, nobody, MAIL)) == []
    ((lead, warnings),) = map_further_leads(ANNA, nobody, MAIL, {APP})
    assert (lead.inbox, lead.source_id, contact_of(lead.source_id), warnings) == (APP, "7/4", 7, [])


# --- the plan -----------------------------------------------------------------------------------


def row(state=PENDING, acked=None):
    return MappingRow(1, 9 if state is LINKED else None, "created", state, None, acked, last_sent={})


def planned(state=PENDING, acked=None, person=LINKED, rules=None, **known):
    return decide(WANTED, Given(row(state, acked), person, **known), rules or Rules())


def test_a_lead_of_a_person_that_is_made_by_the_same_run_costs_one_call():
    action, operation = planned(person=PENDING, is_new=True)
    assert action is Action.CREATE
    assert operation is not None
    # And the tag.
    assert operation.expected == Expected(2)
    assert (operation.source_id, operation.contact_id) == ("7/4", 7)
    assert (operation.due_at, operation.waits_for, operation.payload["is_new"]) == (NEVER, "person", True)


def test_a_person_that_is_there_is_asked_for_a_lead_to_take_over():
    _, operation = planned()
    assert operation is not None
    assert (operation.expected, operation.due_at) == (Expected(2, frozenset({LEADS_OF})), NOW)
    assert operation.changes == []


def test_a_lead_is_written_over_only_if_it_differs():
    assert planned(LINKED, WANTED.hash()) == (Action.NOTHING, None)
    action, operation = planned(LINKED, b"old", present={"title": "", "description": "x"})
    assert operation is not None
    assert (action, operation.expected.reads) == (Action.UPDATE, frozenset({LEADS}))
    assert operation.changes == ["lead.tags", "lead.title"]


def test_a_closed_lead_is_followed_though_nothing_else_differs():
    _, operation = planned(LINKED, WANTED.hash(), follows=9)
    assert operation is not None
    assert operation.payload["follows_lead"] == 9


@pytest.mark.parametrize(("state", "person"), [(GONE, LINKED), (PENDING, GONE), (PENDING, None)])
def test_what_was_deleted_in_krayin_stays_so(state, person):
    assert planned(state, person=person) == (Action.LEAVE_DELETED, None)
    assert planned(state, person=person, rules=Rules(recreate_deleted=True))[1] is not None


# --- what hangs on it ---------------------------------------------------------------------------

RECORDS = LinkedRecords(LINKED, LINKED, 5, 6, inbox=MAIL, further={APP: (PENDING, None)})


@pytest.mark.parametrize(
    ("inbox", "lead", "waits_for"),
    [
        (None, LINKED, None),
        (MAIL, LINKED, None),
        (APP, PENDING, "lead/4"),
        # It gets none by the rules: what is said there hangs on the person.
        (WEB, MappingState.NOT_WANTED, None),
    ],
)
def test_what_is_said_in_an_inbox_waits_for_its_lead(inbox, lead, waits_for):
    within = RECORDS.within(inbox)
    assert (within.lead, within.waits_for("both")) == (lead, waits_for)
