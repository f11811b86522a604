"""Turns staged contacts into operation rows, chunk by chunk, each chunk in one transaction."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from statements import statement

from reconciliation.extract.contacts import MANY
from reconciliation.mapping.desired_contact import desired_from_json
from reconciliation.plan.bulk_creates import BulkCreatePlanner
from reconciliation.plan.company_planner import CompanyPlanner
from reconciliation.plan.contact_plan import Action, ContactPlan, plan_contact
from reconciliation.plan.expectation import ContactCase, KnownState, Rules, expect, expect_creation
from reconciliation.plan.guard import changed_fields
from reconciliation.plan.known_persons import PersonFinder, sent_keys
from reconciliation.plan.moves import Move, arrange
from reconciliation.plan.operation_rows import NOW, OperationRow
from reconciliation.plan.planned import Planned
from reconciliation.plan.present_records import PresentRecords
from reconciliation.sync_database.erased import erased_among
from reconciliation.sync_database.locked_mapping import lock_mapping
from reconciliation.sync_database.mapping_row import MappingState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from reconciliation.mapping.desired_contact import DesiredContact
    from reconciliation.plan.bulk_creates import BulkChunk
    from reconciliation.plan.expectation import Expectation
    from reconciliation.plan.known_persons import KnownPersons
    from reconciliation.plan.matching import KnownPerson
    from reconciliation.plan.operation_rows import PlanScope
    from reconciliation.plan.plan_reads import PlanReads
    from reconciliation.sync_database.locked_mapping import LockedMapping


@dataclass(slots=True)
class Planner:
    """Plans the staged contacts of one run.

    `reads` looks at Krayin for what the snapshot does not hold; without it new leads are expected for
    everybody adopted.
    """

    scope: PlanScope
    rules: Rules
    reads: PlanReads | None = None
    _adopting: dict[int, str] = field(default_factory=dict)
    _one_by_one: bool = False

    def run(self, planned: Planned | None = None) -> Planned:
        """Plan everything staged; each chunk is committed on its own, so a repeat only does the rest.

        `planned` is told of every decision, where more than the numbers is wanted; without it contacts
        of whom nothing is known are counted, and only examples of them looked at.
        """
        self._one_by_one = planned is not None
        planned = Planned() if planned is None else planned
        after: int | None = 0
        known = MANY
        while after is not None:
            with self.scope.connection.transaction():
                after = self._plan_chunk(after, planned)
            grown = sum(planned.actions.values())
            if grown >= known:
                self.scope.connection.execute(statement("plan/planned_analyze"))
                known = 2 * grown
        self._arrange_moves()
        return planned

    def _plan_chunk(self, after: int, planned: Planned) -> int | None:
        """Plan the next staged contacts after an id; return the last one's, None when there are none."""
        bulk_creates = BulkCreatePlanner(self.scope)
        if self._one_by_one:
            chunk = bulk_creates.pass_over(after)
        else:
            chunk = bulk_creates.plan_after(after, examples=planned.wanted_examples(Action.CREATE))
        if chunk is None:
            return None
        self._count_newcomers(chunk, planned)
        fresh = self._plan_one_by_one(chunk.rest, planned) if chunk.rest else []
        companies = CompanyPlanner(self.scope, self.rules, self.reads)
        for company in companies.plan(fresh, chunk.companies):
            planned.add_company(company)
        self.scope.guard.require_approval()
        return chunk.last

    def _count_newcomers(self, chunk: BulkChunk, planned: Planned) -> None:
        examples, _ = self._staged(chunk.examples)
        for contact in examples:
            plan = plan_contact(contact, None, None, (), recreate_deleted=self.rules.recreate_deleted)
            planned.add(plan, expect_creation(contact, self.scope.identity.account_id, self.rules))
        planned.add_creations(chunk.planned - len(examples))

    def _staged(self, contact_ids: Sequence[int]) -> tuple[list[DesiredContact], dict[int, datetime]]:
        """Return staged contacts, and when those were last active whose lead may be closed by now."""
        if not contact_ids:
            return [], {}
        rows = self.scope.connection.execute(
            statement("plan/staged_chunk"), {"run_id": self.scope.run_id, "contact_ids": list(contact_ids)}
        ).fetchall()
        contacts = [
            desired_from_json(document).knowing(bytes(person_hash), bytes(lead_hash))
            for _, document, person_hash, lead_hash, _ in rows
        ]
        return contacts, {row[0]: row[4] for row in rows if row[4] is not None}

    def _plan_one_by_one(self, contact_ids: Sequence[int], planned: Planned) -> list[DesiredContact]:
        """Plan staged contacts of whom something is known; return those that were not planned before."""
        contacts, active = self._staged(contact_ids)
        # They were read just now: what was taken for gone is back.
        self.scope.connection.execute(
            statement("reconcile/returned"),
            {
                **self.scope.identity.parameters(),
                "source_kind": "contact",
                "source_ids": [str(one) for one in contact_ids],
            },
        )
        connection, identity = self.scope.connection, self.scope.identity
        known = lock_mapping(connection, identity, contact_ids)
        # Asked with the mapping locked: an erasure that began meanwhile is over with its own lock.
        erased = erased_among(
            self.scope.connection, self.scope.identity, (one.contact_id for one in contacts)
        )
        follow = self._to_follow(active, known)
        fresh = [
            contact
            for contact in contacts
            if contact.contact_id not in erased
            if contact.contact_id in follow or not known.has_planned(contact, self.scope.read_at)
        ]
        finder = PersonFinder(
            self.scope.connection, self.scope.identity, self.scope.run_id, self.rules.phone_region
        )
        persons = finder.find(
            [
                contact
                for contact in fresh
                if known.person(contact.contact_id).state is not MappingState.LINKED
            ]
        )
        plans = [
            _following(self._plan_one(contact, known, persons), follow.get(contact.contact_id))
            for contact in fresh
        ]
        expectations = self._expect(plans, known, persons)
        for plan, expectation in zip(plans, expectations, strict=True):
            planned.add(plan, expectation)
        self._write(plans, expectations, known)
        return fresh

    def _to_follow(self, active: Mapping[int, datetime], known: LockedMapping) -> dict[int, int]:
        """Return the closed leads of contacts who wrote after the closing, and note who was looked at."""
        leads = {
            contact_id: lead.crm_id
            for contact_id in active
            if (lead := known.lead(contact_id)).state is MappingState.LINKED and lead.crm_id is not None
        }
        if not leads or self.reads is None:
            return {}
        ours = self.scope.connection.execute(
            statement("removal/closed_among"),
            {"target_id": self.scope.identity.target_id, "crm_ids": list(leads.values())},
        )
        # What we closed ourselves is reopened, not followed.
        left_out = {row[0] for row in ours}
        closed = self.reads.closed(lead for lead in leads.values() if lead not in left_out)
        follow = {
            contact_id: lead_id
            for contact_id, lead_id in leads.items()
            if lead_id in closed and closed[lead_id] < active[contact_id]
        }
        seen = [contact_id for contact_id in leads if contact_id not in follow]
        self.scope.connection.execute(
            statement("plan/activity_seen"),
            {
                "ids": [known.lead(contact_id).id for contact_id in seen],
                "active_ats": [active[contact_id] for contact_id in seen],
            },
        )
        return follow

    def _plan_one(self, contact: DesiredContact, known: LockedMapping, persons: KnownPersons) -> ContactPlan:
        plan = plan_contact(
            contact,
            known.person(contact.contact_id),
            known.lead(contact.contact_id),
            [self._with_claims(person) for person in persons.of(contact)],
            recreate_deleted=self.rules.recreate_deleted,
        )
        if plan.action is Action.ADOPT:
            self._adopting[plan.adopt["person"]] = f"contact {contact.contact_id}"
        return plan

    def _with_claims(self, person: KnownPerson) -> KnownPerson:
        claimed = self._adopting.get(person.crm_id)
        if person.owner is not None or claimed is None:
            return person
        return replace(person, owner=claimed)

    def _expect(
        self, plans: Sequence[ContactPlan], known: LockedMapping, persons: KnownPersons
    ) -> list[Expectation]:
        there = PresentRecords(self.scope.connection, self.scope.identity.target_id, self.reads)
        present = there.of(plans, known, persons)
        return [
            expect(
                ContactCase(
                    plan,
                    self.scope.identity.account_id,
                    known.person(plan.contact.contact_id),
                    known.lead(plan.contact.contact_id),
                    present.get(plan.contact.contact_id, KnownState()),
                ),
                self.rules,
            )
            for plan in plans
        ]

    def _write(
        self, plans: Sequence[ContactPlan], expectations: Sequence[Expectation], known: LockedMapping
    ) -> None:
        source_ids = [str(plan.contact.contact_id) for plan in plans]
        replaced = {**self.scope.identity.parameters(), "source_kind": "contact", "source_ids": source_ids}
        self.scope.connection.execute(statement("plan/supersede"), replaced)
        self.scope.connection.execute(statement("plan/quarantine_replaced"), replaced)
        self.scope.write(
            self._operation_row(plan, expectation, known)
            for plan, expectation in zip(plans, expectations, strict=True)
            if plan.action not in {Action.NOTHING, Action.LEAVE_DELETED}
        )
        ids: list[int] = []
        hashes: list[bytes] = []
        states: list[str] = []
        for plan in plans:
            for kind, source_hash in (
                ("person", plan.contact.person_hash()),
                ("lead", plan.contact.lead_hash()),
            ):
                row = known.rows[plan.contact.contact_id, kind]
                ids.append(row.id)
                hashes.append(source_hash)
                states.append(_planned_state(plan.action, row.state))
        self.scope.connection.execute(
            statement("plan/mapping_planned"),
            {"ids": ids, "source_hashes": hashes, "states": states, "source_read_at": self.scope.read_at},
        )

    def _operation_row(
        self, plan: ContactPlan, expectation: Expectation, known: LockedMapping
    ) -> OperationRow:
        contact = plan.contact
        payload: dict[str, Any] = {
            "person": contact.person,
            "person_hash": contact.person_hash().hex(),
            "lead": contact.lead,
            "lead_hash": contact.lead_hash().hex(),
            "organization": contact.organization.folded_name if contact.organization else None,
            "adopt": dict(plan.adopt),
        }
        if plan.follows_lead is not None:
            payload["follows_lead"] = plan.follows_lead
        person = known.person(contact.contact_id)
        releases: list[str] = []
        if plan.action is Action.UPDATE and person.state is MappingState.LINKED:
            releases = sorted(
                sent_keys(person.last_sent, self.rules.phone_region) - set(contact.natural_keys)
            )
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

    def _arrange_moves(self) -> None:
        """Let what gives up an e-mail or phone come before what claims it."""
        moves = [
            Move(operation_id, frozenset(keys) - frozenset(releases), frozenset(releases))
            for operation_id, keys, releases in self.scope.connection.execute(
                statement("plan/moves"), {"run_id": self.scope.run_id}
            )
        ]
        if not moves:
            return
        arrangement = arrange(moves)
        self.scope.connection.execute(
            statement("plan/moves_arrange"),
            {"ids": list(arrangement.order), "release_first": sorted(arrangement.release_first)},
        )


def _following(plan: ContactPlan, closed_lead: int | None) -> ContactPlan:
    if closed_lead is None or plan.action not in {Action.UPDATE, Action.NOTHING}:
        return plan
    return replace(plan, action=Action.UPDATE, follows_lead=closed_lead)


def _planned_state(action: Action, state: MappingState) -> str:
    if action is Action.QUARANTINE:
        return MappingState.QUARANTINED
    if action is Action.LEAVE_DELETED or state is MappingState.LINKED:
        return state
    return (
        MappingState.GONE if state is MappingState.GONE and action is Action.UPDATE else MappingState.PENDING
    )
