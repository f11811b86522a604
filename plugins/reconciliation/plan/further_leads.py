"""Plans the leads that contacts have for further inboxes: each after its contact, on the contact's person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reconciliation.extract.streams import LEAD
from reconciliation.model.desired_contact import DesiredLead
from reconciliation.plan.activity import linked_records
from reconciliation.plan.contact import (
    Action,
    ContactPlan,
    KnownState,
    expect_lead,
    planned_state,
    tag_calls,
    tag_changes,
)
from reconciliation.plan.engine import NEVER, NOW, Decided, OperationRow
from reconciliation.plan.estimate import LEADS, LEADS_OF, Expected
from reconciliation.plan.follow import to_follow
from reconciliation.plan.guard import changed_fields
from reconciliation.store.mapping_row import MappingState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from krayin.records import Lead

    from reconciliation.plan.activity import LinkedRecords
    from reconciliation.plan.contact import Rules
    from reconciliation.plan.engine import PlanEngine
    from reconciliation.plan.planned import Planned
    from reconciliation.plan.present_records import PlanReads
    from reconciliation.store.mapping_row import MappingRow

_THERE = frozenset({MappingState.LINKED, MappingState.PENDING, MappingState.QUARANTINED})


@dataclass(frozen=True, slots=True)
class Given:
    """What is known of a lead for a further inbox at planning time.

    `row` is its mapping row, `person` where its contact's person stands, `follows` its lead in Krayin if that
    was closed before the contact wrote again. With `is_new` the person is made by the same run. `present` is
    what Krayin holds of it as flat fields, and `leads` are those of the person that belong to nobody; None
    when not known.
    """

    row: MappingRow
    person: MappingState | None
    is_new: bool = False
    follows: int | None = None
    present: Mapping[str, Any] | None = None
    leads: Sequence[Lead] | None = None


def decide(wanted: DesiredLead, given: Given, rules: Rules) -> tuple[Action, OperationRow | None]:
    """Return what is done about a lead, and the operation that does it; None where nothing is."""
    row = given.row
    if given.person not in _THERE and not rules.recreate_deleted:
        return Action.LEAVE_DELETED, None
    if row.state is MappingState.GONE and not rules.recreate_deleted:
        return Action.LEAVE_DELETED, None
    is_linked = row.state is MappingState.LINKED
    if is_linked and row.acked_hash == wanted.hash() and given.follows is None:
        return Action.NOTHING, None
    plan = ContactPlan(wanted.of_contact(), Action.UPDATE, follows_lead=given.follows)
    known = KnownState({LEAD: row}, lead=given.present, leads=given.leads)
    expectation = expect_lead(plan, known, rules, differs=True)
    tagging = tag_changes(plan, known.rows)
    changes: dict[str, dict[str, Any]] = {LEAD: {**expectation.changes.get(LEAD, {})}}
    if LEAD in tagging:
        changes[LEAD]["tags"] = tagging[LEAD]
    reads = expectation.expected.reads
    if is_linked and given.follows is None:
        reads |= {LEADS}
    elif not given.is_new:
        reads |= {LEADS_OF}
    payload: dict[str, Any] = {
        "lead": wanted.lead,
        "lead_hash": wanted.hash().hex(),
        "adopt": {},
        "target": wanted.target.to_json(),
        "tags": plan.contact.tags,
    }
    if given.follows is not None:
        payload["follows_lead"] = given.follows
    if given.is_new:
        payload["is_new"] = True
    waits = given.person is not MappingState.LINKED
    action = Action.UPDATE if is_linked else Action.CREATE
    return action, OperationRow(
        source_kind=LEAD,
        source_id=wanted.source_id,
        payload=payload,
        expected=Expected(
            expectation.expected.writes + tag_calls(tagging),
            reads,
        ),
        due_at=NEVER if waits else NOW,
        contact_id=wanted.contact_id,
        waits_for="person" if waits else None,
        changed_at=wanted.changed_at,
        changes=changed_fields(changes, new=expectation.new),
        removes=expectation.overwritten,
    )


def plan_further_leads(engine: PlanEngine, rules: Rules, reads: PlanReads | None, planned: Planned) -> None:
    """Plan the staged leads for further inboxes; their contacts are planned already.

    Each chunk is committed on its own.
    """
    for chunk in engine.staged((LEAD,)):
        with engine.connection.transaction():
            _plan_chunk(engine, rules, reads, planned, [DesiredLead.from_json(row[4]) for row in chunk])
            engine.guard.require_approval()


def _plan_chunk(
    engine: PlanEngine,
    rules: Rules,
    reads: PlanReads | None,
    planned: Planned,
    staged: Sequence[DesiredLead],
) -> None:
    contacts = linked_records(engine, (one.contact_id for one in staged))
    wanted = {one.source_id: one for one in staged if one.contact_id in contacts}
    locked = engine.lock(LEAD, {source_id: {LEAD: one.hash()} for source_id, one in wanted.items()})
    rows = {source_id: record.rows[LEAD] for source_id, record in locked.items()}
    active = {source_id: one.active_at for source_id, one in wanted.items() if one.active_at is not None}
    follow = to_follow(engine, reads, active, rows)
    fresh = {
        source_id: one
        for source_id, one in wanted.items()
        if source_id in follow or not locked[source_id].is_planned
    }
    ids = [str(one.contact_id) for one in fresh.values()]
    new = {row[0] for row in engine.execute("operation/creations_of", source_ids=ids)}
    present, leads_of = _present(engine, reads, fresh, rows, contacts)
    decided: list[Decided] = []
    for source_id, one in fresh.items():
        row, contact = rows[source_id], contacts[one.contact_id]
        given = Given(
            row,
            contact.person,
            is_new=str(one.contact_id) in new,
            follows=follow.get(source_id),
            present=present.get(row.crm_id or 0),
            leads=leads_of.get(contact.person_id or 0),
        )
        action, operation = decide(one, given, rules)
        planned.add_lead(action, operation)
        mark = (row, one.hash(), planned_state(action, row.state))
        decided.append(Decided(source_id, operation, [mark]))
    engine.plan(LEAD, decided)


def _present(
    engine: PlanEngine,
    reads: PlanReads | None,
    fresh: Mapping[str, DesiredLead],
    rows: Mapping[str, MappingRow],
    contacts: Mapping[int, LinkedRecords],
) -> tuple[Mapping[int, Mapping[str, Any]], Mapping[int, Sequence[Lead]]]:
    """Return what Krayin has of some leads by id, and the leads of nobody by their person."""
    if reads is None:
        return {}, {}
    linked = [crm_id for source_id in fresh if (crm_id := rows[source_id].crm_id) is not None]
    asked = [
        person_id
        for source_id, one in fresh.items()
        if rows[source_id].crm_id is None and (person_id := contacts[one.contact_id].person_id) is not None
    ]
    return reads.leads(linked), reads.free_leads_of(engine, asked)
