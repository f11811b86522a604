"""Decides, without any I/O, what is to be done about one contact, what that changes, and what it costs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from krayin.catalogue import EmailDemand

from reconciliation.crm.fields import lead_facts, lead_fields
from reconciliation.model.contact import with_address
from reconciliation.model.merge import flatten, merge
from reconciliation.plan.engine import NOW, OperationRow
from reconciliation.plan.estimate import COMPANY, LEADS, LEADS_OF, Expected, contact_reads
from reconciliation.plan.guard import changed_fields
from reconciliation.plan.matching import Ambiguous, match_lead, match_person, sent_keys
from reconciliation.store.decisions import LEFT_OUT, Answer
from reconciliation.store.mapping_row import MappingState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from krayin.records import Lead

    from reconciliation.model.desired_contact import DesiredContact, Fields
    from reconciliation.model.merge import Merged, OnCrmEdit, Policies
    from reconciliation.plan.matching import KnownPerson
    from reconciliation.store.mapping_row import MappingRow


class Action(StrEnum):
    """What a plan does, in the words of the forecast."""

    CREATE = "create"
    ADOPT = "adopt"
    UPDATE = "update"
    NOTHING = "nothing"
    QUARANTINE = "quarantine"
    LEAVE_DELETED = "deleted_in_krayin"


@dataclass(frozen=True, slots=True)
class ContactPlan:
    """What is to be done about one contact.

    `adopt` are CRM ids to take over before writing, `calls` the writes at most, `follows_lead` a
    closed lead that is to be followed by a new one. `reason` and
    `candidates` explain a quarantine to the person who will look at it. `apart` says that somebody
    decided that it is none of those in Krayin.
    """

    contact: DesiredContact
    action: Action
    adopt: Mapping[str, int] = field(default_factory=dict)
    calls: int = 0
    reason: str | None = None
    message: str | None = None
    candidates: Sequence[Mapping[str, Any]] = ()
    follows_lead: int | None = None
    apart: bool = False
    not_leads: Sequence[int] = ()


def with_lead(
    plan: ContactPlan, lead: MappingRow, answer: str, crm_id: int, others: Sequence[int]
) -> ContactPlan:
    """Return a plan by which somebody's answer counts about which of several leads is the contact's.

    `lead` is its mapping row: once a lead is linked, nothing is asked any more.
    """
    if lead.state is MappingState.LINKED or plan.action not in {Action.CREATE, Action.ADOPT, Action.UPDATE}:
        return plan
    if answer == Answer.THIS:
        return replace(plan, adopt={**plan.adopt, "lead": crm_id})
    return replace(plan, not_leads=tuple(others))


def decide(  # noqa: PLR0913 - a contact and what is known of it
    contact: DesiredContact,
    person: MappingRow | None,
    lead: MappingRow | None,
    candidates: Sequence[KnownPerson],
    *,
    recreate_deleted: bool,
    follows_lead: int | None = None,
    answer: str | None = None,
) -> ContactPlan:
    """Decide what is to be done about `contact`.

    `person` and `lead` are its mapping rows, `candidates` the persons Krayin showed with one of
    its e-mails or phones (or under the id an earlier integration kept). `follows_lead` is its lead if that
    was closed before the contact wrote again, `answer` what somebody decided about whom it is.
    """
    apart = answer == Answer.NEW
    person_state = person.state if person else MappingState.PENDING
    if person_state is MappingState.GONE and not recreate_deleted:
        return ContactPlan(contact, Action.LEAVE_DELETED)
    if person is not None and person_state is MappingState.LINKED:
        writes = int(person.acked_hash != contact.person_hash())
        lead_gone = lead is not None and lead.state is MappingState.GONE
        if contact.lead is not None and not (lead_gone and not recreate_deleted):
            writes += int(lead is None or lead_gone or lead.acked_hash != contact.lead_hash())
        action = Action.UPDATE if writes or follows_lead is not None else Action.NOTHING
        return ContactPlan(contact, action, calls=writes, follows_lead=follows_lead, apart=apart)
    if answer == Answer.LEAVE_OUT:
        return ContactPlan(contact, Action.QUARANTINE, reason=LEFT_OUT)

    match = match_person(contact, () if apart else candidates)
    if isinstance(match, Ambiguous):
        return ContactPlan(
            contact,
            Action.QUARANTINE,
            reason=match.reason,
            message=match.message,
            candidates=tuple(person.described() for person in match.candidates),
        )
    if match is None:
        return ContactPlan(contact, Action.CREATE, calls=1, apart=apart)
    adopt = {"person": match.crm_id}
    if contact.adopt.get("person") == match.crm_id and "lead" in contact.adopt and contact.lead is not None:
        adopt["lead"] = contact.adopt["lead"]
    return ContactPlan(contact, Action.ADOPT, adopt=adopt, calls=1)


def operation_of(
    plan: ContactPlan, expectation: Expectation, person: MappingRow, phone_region: str | None
) -> OperationRow | None:
    """Return the operation that carries a plan out, None where nothing is to be done."""
    if plan.action in {Action.NOTHING, Action.LEAVE_DELETED}:
        return None
    contact = plan.contact
    payload: dict[str, Any] = {
        "person": contact.person,
        "person_hash": contact.person_hash().hex(),
        "lead": contact.lead,
        "lead_hash": contact.lead_hash().hex(),
        "organization": contact.organization.folded_name if contact.organization else None,
        "adopt": dict(plan.adopt),
        "owner": contact.owner,
        "target": contact.target and asdict(contact.target),
        "tags": contact.tags,
    }
    if plan.follows_lead is not None:
        payload["follows_lead"] = plan.follows_lead
    if plan.apart:
        payload["apart"] = True
    if plan.not_leads:
        payload["not_leads"] = list(plan.not_leads)
    releases: list[str] = []
    if plan.action is Action.UPDATE and person.state is MappingState.LINKED:
        releases = sorted({*sent_keys(person.last_sent, phone_region)} - {*contact.natural_keys})
    keys = [*contact.natural_keys, *releases]
    if contact.organization and plan.action is Action.CREATE:
        keys.append(f"organization:{contact.organization.folded_name}")
    row = OperationRow(
        source_kind="contact",
        source_id=str(contact.contact_id),
        payload=payload,
        natural_keys=keys,
        expected=expectation.expected,
        releases=releases,
        changed_at=contact.changed_at,
        changes=changed_fields(expectation.changes, new=expectation.new),
        removes=expectation.overwritten,
    )
    if plan.action is Action.QUARANTINE:
        row = replace(
            row,
            state="quarantined",
            reason=plan.reason,
            message=plan.message,
            candidates=plan.candidates,
            finished_at=NOW,
        )
    return row


def planned_state(action: Action, state: MappingState, *, wanted: bool = True) -> MappingState:
    """Return the state of a mapping row once a plan with this action is made; `wanted`: a record is."""
    if not wanted and state not in {MappingState.LINKED, MappingState.GONE}:
        return MappingState.NOT_WANTED
    if action is Action.QUARANTINE:
        return MappingState.QUARANTINED
    if action is Action.LEAVE_DELETED or state is MappingState.LINKED:
        return state
    return (
        MappingState.GONE if state is MappingState.GONE and action is Action.UPDATE else MappingState.PENDING
    )


# --- what it changes and costs ------------------------------------------------------------------

# Field name to (value in Krayin, value planned).
Changes = dict[str, tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings, and facts of one Krayin, that decide what a plan turns into.

    `final_stages` are the stages in which a lead is won or lost, `policies` whose value counts, by CRM kind
    and flat field. With `per_inbox` a contact has a lead for each inbox. `lasting` are the custom attributes
    of organizations that Krayin cannot empty.
    """

    on_crm_edit: OnCrmEdit = "keep"
    phone_region: str | None = None
    email_demand: EmailDemand = EmailDemand.ALWAYS
    pipeline_id: int | None = None
    final_stages: frozenset[int] = frozenset()
    recreate_deleted: bool = False
    per_inbox: bool = False
    policies: Mapping[str, Policies] = field(default_factory=dict)
    lasting: frozenset[str] = frozenset()

    def policies_of(self, kind: str) -> Policies:
        """Return whose value counts, by flat field of one CRM kind."""
        return self.policies.get(kind, {})


@dataclass(frozen=True, slots=True)
class KnownState:
    """What is known of a contact's records at planning time.

    `rows` are its mapping rows by CRM kind, `person` and `lead` what Krayin holds as flat fields, None when
    not known. `leads` are all leads of the person that belong to nobody, None when not known; without them
    a new lead is expected.
    """

    rows: Mapping[str, MappingRow]
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


def expect(plan: ContactPlan, known: KnownState, account_id: int, rules: Rules) -> Expectation:
    """Return what a plan will change and cost, if nobody edits the records meanwhile.

    Fields that are not known of a record about to be adopted (custom ones) are taken for blank.
    """
    if plan.action is Action.CREATE:
        return expect_creation(plan.contact, account_id, rules)
    if plan.action not in {Action.ADOPT, Action.UPDATE}:
        return NOTHING
    contact, person, lead = plan.contact, known.rows["person"], known.rows["lead"]
    person_differs = person.acked_hash != contact.person_hash()
    lead_differs = contact.lead is not None and lead.acked_hash != contact.lead_hash()
    reads = contact_reads(
        person,
        lead,
        person_differs=person_differs,
        lead_differs=lead_differs,
        adopts_person="person" in plan.adopt,
    )
    parts = [expect_lead(plan, known, rules, differs=lead_differs)]
    if person_differs:
        wanted = with_address(
            contact.person, account_id, contact.contact_id, rules.email_demand, person.last_sent
        )
        last_sent = person.last_sent if person.crm_id is not None else None
        parts.insert(0, _merged("person", wanted, known.person or person.last_sent, last_sent, rules))
        if contact.organization and "organization" in parts[0].changes.get("person", {}):
            reads |= {COMPANY}
    tags = tag_changes(plan, known.rows)
    changes = {kind: fields for part in parts for kind, fields in part.changes.items() if fields}
    for kind, change in tags.items():
        changes[kind] = {**changes.get(kind, {}), "tags": change}
    return Expectation(
        Expected(
            sum(part.expected.writes for part in parts) + tag_calls(tags),
            reads.union(*(part.expected.reads for part in parts)),
        ),
        changes,
        parts[-1].new,
        tuple(what for part in parts for what in part.overwritten),
    )


def expect_creation(contact: DesiredContact, account_id: int, rules: Rules) -> Expectation:
    """Return what creating a contact's records will change and cost."""
    person = with_address(contact.person, account_id, contact.contact_id, rules.email_demand)
    changes = {"person": _new({**person, "owner": contact.owner})}
    if contact.lead is not None:
        changes["lead"] = _new_lead(contact)
    tags = sum(len(contact.tags.get(kind, ())) for kind in changes)
    return Expectation(Expected(1 + tags), changes, frozenset(changes))


def tag_changes(plan: ContactPlan, rows: Mapping[str, MappingRow]) -> dict[str, tuple[list[str], list[str]]]:
    """Return what tags from us a contact's records have and get, by CRM kind, where that differs."""
    given = {kind: sorted(rows[kind].tags_on(rows[kind].crm_id)) for kind in plan.contact.tags}
    return {
        kind: (given[kind], wanted)
        for kind, wanted in plan.contact.tags.items()
        if given[kind] != sorted(wanted) and (kind == "person" or plan.contact.lead is not None)
    }


def tag_calls(changes: Mapping[str, tuple[list[str], list[str]]]) -> int:
    """Return the calls that changes of tags take: one for each tag given or taken off."""
    return sum(len(set(before) ^ set(wanted)) for before, wanted in changes.values())


def expect_lead(plan: ContactPlan, known: KnownState, rules: Rules, *, differs: bool) -> Expectation:
    """Return what a plan will change of its contact's lead, and cost; `differs`: another one is wanted."""
    wanted, lead = plan.contact.lead, known.rows["lead"]
    if wanted is None:
        return NOTHING
    if plan.follows_lead is not None:
        new = {"lead": _new_lead(plan.contact)}
        return Expectation(Expected(1, frozenset({LEADS_OF})), new, frozenset(new))
    if lead.state is MappingState.LINKED:
        return _merged("lead", wanted, known.lead, lead.last_sent, rules) if differs else NOTHING
    if lead.state is MappingState.GONE and not rules.recreate_deleted:
        return NOTHING
    chosen = _chosen(plan, wanted, known.leads or (), rules)
    if chosen is None:
        new = {"lead": _new_lead(plan.contact)}
        return Expectation(Expected(1), new, frozenset(new))
    return _merged("lead", wanted, lead_fields(lead_facts(chosen)), None, rules, frozenset({LEADS}))


def _merged(  # noqa: PLR0913, PLR0917 - the sides of a merge
    kind: str,
    wanted: Fields,
    present: Mapping[str, Any] | None,
    last_sent: Mapping[str, Any] | None,
    rules: Rules,
    reads: frozenset[str] = frozenset(),
) -> Expectation:
    """Return what a merge changes of a record; what is not known of it is taken to be as it was sent."""
    there = present if present is not None else (last_sent or {})
    merged = merge(
        last_sent=last_sent,
        present=there,
        desired=flatten(wanted),
        on_crm_edit=rules.on_crm_edit,
        phone_region=rules.phone_region,
        policies=rules.policies_of(kind),
    )
    changes = {kind: differences(there, merged)}
    return Expectation(
        Expected(int(bool(merged.changed)), reads), changes, overwritten=tuple(merged.overwriting(kind))
    )


def _chosen(plan: ContactPlan, wanted: Fields, leads: Sequence[Lead], rules: Rules) -> Lead | None:
    leads = [one for one in leads if one.id not in plan.not_leads]
    named = next((one for one in leads if one.id == plan.adopt.get("lead")), None)
    if named is not None:
        return named
    target = plan.contact.target
    return match_lead(
        leads,
        wanted,
        pipeline_id=(target and target.pipeline_id) or rules.pipeline_id,
        final_stages=rules.final_stages,
    )


def _new_lead(contact: DesiredContact) -> Changes:
    """Return what a new lead gets, with what decides where it goes; what is as with all leads is left out."""
    target = {} if contact.target is None else asdict(contact.target)
    if target.get("owner") is None:
        target["owner"] = contact.owner
    return _new({**(contact.lead or {}), **target, "owner": target["owner"] or None})


def _new(fields: Fields) -> Changes:
    return {name: (None, value) for name, value in flatten(fields).items() if value not in (None, [], "")}


def differences(there: Mapping[str, Any], merged: Merged) -> Changes:
    """Return what a merge changes of what is there, field by field."""
    return {name: (there.get(name), merged.values[name]) for name in merged.changed}
