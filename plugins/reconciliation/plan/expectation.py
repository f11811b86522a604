"""What carrying out the plan for one contact will change in Krayin, and what it will cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from krayin.catalogue import EmailDemand

from reconciliation.crm.fields import lead_facts, lead_fields
from reconciliation.mapping.contact import placeholder_email
from reconciliation.mapping.merge import flatten, merge
from reconciliation.plan.contact_plan import Action
from reconciliation.plan.estimate import COMPANY, LEADS, LEADS_OF, Expected, contact_reads
from reconciliation.plan.matching import match_lead
from reconciliation.sync_database.mapping_row import MappingState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from krayin.records import Lead

    from reconciliation.mapping.desired_contact import DesiredContact, Fields
    from reconciliation.mapping.merge import Merged, OnCrmEdit
    from reconciliation.plan.contact_plan import ContactPlan
    from reconciliation.sync_database.mapping_row import MappingRow

# Field name to (value in Krayin, value planned).
Changes = dict[str, tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings, and facts of one Krayin, that decide what a plan turns into.

    `final_stages` are the stages in which a lead is won or lost.
    """

    on_crm_edit: OnCrmEdit = "keep"
    phone_region: str | None = None
    email_demand: EmailDemand = EmailDemand.ALWAYS
    pipeline_id: int | None = None
    final_stages: frozenset[int] = frozenset()
    recreate_deleted: bool = False


@dataclass(frozen=True, slots=True)
class KnownState:
    """What is known of a contact's records in Krayin at planning time.

    `person` and `lead` are flat fields, None when not known. `leads` are all leads of the person
    that belong to nobody, None when not known; without them a new lead is expected.
    """

    person: Mapping[str, Any] | None = None
    lead: Mapping[str, Any] | None = None
    leads: Sequence[Lead] | None = None


@dataclass(frozen=True, slots=True)
class Expectation:
    """The cost of a plan and the fields it changes, by CRM kind; the kinds in `new` have no record yet.

    `overwritten` are those among them that somebody edited in Krayin, as `operation.removes` names them.
    """

    expected: Expected
    changes: dict[str, Changes] = field(default_factory=dict)
    new: frozenset[str] = frozenset()
    overwritten: tuple[str, ...] = ()


NOTHING = Expectation(Expected())


@dataclass(frozen=True, slots=True)
class ContactCase:
    """A plan with what is known beside it: the contact's mapping rows and its records in Krayin."""

    plan: ContactPlan
    account_id: int
    person: MappingRow
    lead: MappingRow
    present: KnownState = field(default_factory=KnownState)


def expect(case: ContactCase, rules: Rules) -> Expectation:
    """Return what a plan will change and cost, if nobody edits the records meanwhile.

    Fields that are not known of a record about to be adopted (custom ones) are taken for blank.
    """
    match case.plan.action:
        case Action.CREATE:
            return expect_creation(case.plan.contact, case.account_id, rules)
        case Action.ADOPT | Action.UPDATE:
            return _expect_writes(case, rules)
        case _:
            return NOTHING


def expect_creation(contact: DesiredContact, account_id: int, rules: Rules) -> Expectation:
    """Return what creating a contact's records will change and cost."""
    person = with_address(contact.person, account_id, contact.contact_id, rules.email_demand)
    changes = {"person": _new(person), "lead": _new(contact.lead)}
    return Expectation(Expected(1), changes, frozenset(changes))


def with_address(
    person: Fields,
    account_id: int,
    contact_id: int,
    demand: EmailDemand,
    last_sent: Mapping[str, Any] | None = None,
) -> Fields:
    """Return the person's fields with a reserved address where Krayin demands one and there is none.

    One without a phone either needs it in any case: to Krayin, which makes a unique key of owner,
    organization, e-mail and phone, two persons without all of these are one. `last_sent` are the fields the
    person was given before, if any.
    """
    given = bool((last_sent or {}).get("emails"))
    demanded = demand is EmailDemand.ALWAYS or (demand is EmailDemand.ONCE_GIVEN and given)
    if person["emails"] or (person["phones"] and not demanded):
        return person
    return {**person, "emails": [placeholder_email(account_id, contact_id)]}


def _person_fields(case: ContactCase, rules: Rules) -> Fields:
    contact = case.plan.contact
    return with_address(
        contact.person, case.account_id, contact.contact_id, rules.email_demand, case.person.last_sent
    )


def _expect_writes(case: ContactCase, rules: Rules) -> Expectation:
    contact, person, lead = case.plan.contact, case.person, case.lead
    person_differs = person.acked_hash != contact.person_hash()
    lead_differs = lead.acked_hash != contact.lead_hash()
    reads = contact_reads(
        person,
        lead,
        person_differs=person_differs,
        lead_differs=lead_differs,
        adopts_person="person" in case.plan.adopt,
    )
    writes = 0
    changes: dict[str, Changes] = {}
    overwritten: list[str] = []
    if person_differs:
        there = case.present.person if case.present.person is not None else (person.last_sent or {})
        merged = merge(
            last_sent=person.last_sent if person.crm_id is not None else None,
            present=there,
            desired=flatten(_person_fields(case, rules)),
            on_crm_edit=rules.on_crm_edit,
            phone_region=rules.phone_region,
        )
        writes += bool(merged.changed)
        changes["person"] = differences(there, merged)
        overwritten += merged.overwriting("person")
        if contact.organization and "organization" in merged.changed:
            reads |= {COMPANY}
    changes["lead"], lead_writes, lead_reads, is_new, lead_overwritten = _expect_lead(
        case, rules, differs=lead_differs
    )
    return Expectation(
        Expected(writes + lead_writes, reads | lead_reads),
        {kind: fields for kind, fields in changes.items() if fields},
        frozenset({"lead"} if is_new else ()),
        (*overwritten, *lead_overwritten),
    )


def _expect_lead(
    case: ContactCase, rules: Rules, *, differs: bool
) -> tuple[Changes, int, frozenset[str], bool, list[str]]:
    """Return what becomes of the lead: changes, writes, more reads, is it new, what is overwritten."""
    wanted, lead = case.plan.contact.lead, case.lead
    if case.plan.follows_lead is not None:
        return _new(wanted), 1, frozenset({LEADS_OF}), True, []
    if lead.state is MappingState.LINKED:
        if not differs:
            return {}, 0, frozenset(), False, []
        there = case.present.lead if case.present.lead is not None else (lead.last_sent or {})
        merged = _merge_lead(wanted, there, lead.last_sent, rules)
        writes = int(bool(merged.changed))
        return differences(there, merged), writes, frozenset(), False, merged.overwriting("lead")
    if lead.state is MappingState.GONE and not rules.recreate_deleted:
        return {}, 0, frozenset(), False, []
    chosen = _chosen(case.plan, case.present, rules)
    if chosen is None:
        return _new(wanted), 1, frozenset(), True, []
    there = lead_fields(lead_facts(chosen))
    merged = _merge_lead(wanted, there, None, rules)
    return differences(there, merged), int(bool(merged.changed)), frozenset({LEADS}), False, []


def _chosen(plan: ContactPlan, present: KnownState, rules: Rules) -> Lead | None:
    leads = present.leads or ()
    named = next((one for one in leads if one.id == plan.adopt.get("lead")), None)
    if named is not None:
        return named
    return match_lead(
        leads,
        plan.contact.lead,
        pipeline_id=rules.pipeline_id,
        final_stages=rules.final_stages,
    )


def _merge_lead(
    wanted: Fields, there: Mapping[str, Any], last_sent: Mapping[str, Any] | None, rules: Rules
) -> Merged:
    return merge(last_sent=last_sent, present=there, desired=flatten(wanted), on_crm_edit=rules.on_crm_edit)


def _new(fields: Fields) -> Changes:
    return {name: (None, value) for name, value in flatten(fields).items() if value not in (None, [], "")}


def differences(there: Mapping[str, Any], merged: Merged) -> Changes:
    """Return what a merge changes of what is there, field by field."""
    return {name: (there.get(name), merged.values[name]) for name in merged.changed}
