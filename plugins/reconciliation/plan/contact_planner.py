"""Plans the staged contacts of a run, chunk by chunk, each chunk in one transaction."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from psycopg.errors import UniqueViolation
from psycopg.rows import namedtuple_row
from statements import statement

from reconciliation.extract.staging import MANY
from reconciliation.model.desired_contact import DesiredContact
from reconciliation.plan.contact import (
    Action,
    ContactPlan,
    Rules,
    decide,
    expect,
    expect_creation,
    operation_of,
    planned_state,
    with_lead,
)
from reconciliation.plan.engine import Decided
from reconciliation.plan.follow import to_follow
from reconciliation.plan.further_leads import plan_further_leads
from reconciliation.plan.matching import find_persons
from reconciliation.plan.organization import OrganizationPlanner
from reconciliation.plan.planned import Planned
from reconciliation.plan.present_records import present_records
from reconciliation.store.mapping_row import MappingState
from reconciliation.store.mapping_store import erased_among

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from reconciliation.plan.engine import PlanEngine
    from reconciliation.plan.matching import KnownPerson, KnownPersons
    from reconciliation.plan.present_records import PlanReads
    from reconciliation.store.mapping_row import MappingRow

# Enough that a statement's own cost does not count, few enough to stay in memory.
CHUNK = 2000


@dataclass(frozen=True, slots=True)
class BulkChunk:
    """The next staged contacts up to the id `last`.

    `planned` of them were new and are planned, `examples` are the first of their ids;
    `companies` are the folded names they name. `rest` are the ids of those still to be planned.
    """

    last: int
    planned: int
    examples: Sequence[int]
    companies: Sequence[str]
    rest: Sequence[int]


class _CreateConflictError(Exception):
    """Of a contact that was taken for new a mapping row was there, or one was erased meanwhile."""


@dataclass(frozen=True, slots=True)
class BulkCreatePlanner:
    """Plans new contacts in bulk as `decide` would without a mapping row and without candidates.

    The companies they name are not planned here.
    """

    engine: PlanEngine

    def plan_after(self, contact_id: int, *, examples: int) -> BulkChunk | None:
        """Plan the new ones among the staged contacts after `contact_id`; None when there are no more."""
        try:
            with self.engine.connection.transaction():
                return self._plan(contact_id, examples)
        except (UniqueViolation, _CreateConflictError):
            # Also what somebody left or brought back by hand: looked at one by one.
            return self.pass_over(contact_id)

    def pass_over(self, contact_id: int) -> BulkChunk | None:
        """Return the staged contacts after `contact_id` with nothing planned; None when there are no more."""
        rows = self.engine.execute("staged_contact/ids", after=contact_id, size=CHUNK).fetchall()
        ids = [row[0] for row in rows]
        return BulkChunk(ids[-1], 0, (), (), ids) if ids else None

    def _plan(self, contact_id: int, examples: int) -> BulkChunk | None:
        engine = self.engine
        with engine.connection.cursor(row_factory=namedtuple_row) as cursor:
            # Planned anew each time: a plan made while the tables were empty would scan them whole.
            row: Any = cursor.execute(
                statement("operation/bulk_creates"),
                {
                    "run_id": engine.run_id,
                    "after": contact_id,
                    "size": CHUNK,
                    "sync_name": engine.sync_name,
                    "lane": int(engine.lane),
                    "read_at": engine.read_at,
                    "examples": examples,
                    **engine.identity.parameters(),
                },
                prepare=False,
            ).fetchone()
        if row.last is None:
            return None
        if row.registered != 2 * row.bulk_creates or (row.bulk_creates and self._anybody_erased()):
            raise _CreateConflictError
        return BulkChunk(row.last, row.bulk_creates, row.examples, row.companies, row.rest)

    def _anybody_erased(self) -> bool:
        # Asked with the mapping rows made: an erasure that was in their way is over.
        row = self.engine.execute("erasure/erased_lately").fetchone()
        return bool(row and row[0])


@dataclass(frozen=True, slots=True)
class Move:
    """An operation that gives up keys its person has, or claims keys another one gives up."""

    operation_id: int
    claims: frozenset[str]
    releases: frozenset[str]


@dataclass(frozen=True, slots=True)
class Arrangement:
    """`order` are operation ids, first to last; those in `release_first` give up their keys beforehand."""

    order: tuple[int, ...]
    release_first: frozenset[int]


def arrange(moves: Sequence[Move]) -> Arrangement:
    """Return an order in which every key is given up before it is claimed.

    Where contacts swap (or pass keys round in a circle) there is none: then the one with the
    lowest id gives its keys up in a step of its own, before everything else.
    """
    givers: dict[str, set[int]] = {}
    for move in moves:
        for key in move.releases:
            givers.setdefault(key, set()).add(move.operation_id)
    after = {
        move.operation_id: {
            giver for key in move.claims for giver in givers.get(key, ()) if giver != move.operation_id
        }
        for move in sorted(moves, key=lambda move: move.operation_id)
    }
    first: set[int] = set()
    while True:
        try:
            order = tuple(TopologicalSorter(after).static_order())
        except CycleError as error:
            breaker = min(error.args[1])
            first.add(breaker)
            for waits_for in after.values():
                waits_for.discard(breaker)
        else:
            rest = (one for one in order if one not in first)
            return Arrangement((*sorted(first), *rest), frozenset(first))


@dataclass(slots=True)
class ContactPlanner:
    """Plans the staged contacts of one run.

    `reads` looks at Krayin for what the snapshot does not hold; without it new leads are expected for
    everybody adopted.
    """

    engine: PlanEngine
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
            with self.engine.connection.transaction():
                after = self._plan_chunk(after, planned)
            grown = sum(planned.actions.values())
            if grown >= known:
                self.engine.execute("operation/analyze")
                known = 2 * grown
        self._arrange_moves()
        plan_further_leads(self.engine, self.rules, self.reads, planned)
        return planned

    def _plan_chunk(self, after: int, planned: Planned) -> int | None:
        """Plan the next staged contacts after an id; return the last one's, None when there are none."""
        bulk_creates = BulkCreatePlanner(self.engine)
        if self._one_by_one:
            chunk = bulk_creates.pass_over(after)
        else:
            chunk = bulk_creates.plan_after(after, examples=planned.wanted_examples(Action.CREATE))
        if chunk is None:
            return None
        self._count_newcomers(chunk, planned)
        fresh = self._plan_one_by_one(chunk.rest, planned) if chunk.rest else []
        if self.rules.per_inbox:
            self.engine.execute("mapping/note_inboxes", after=after, last=chunk.last)
        companies = OrganizationPlanner(self.engine, self.rules, self.reads)
        for company in companies.plan(fresh, chunk.companies):
            planned.add_company(company)
        self.engine.guard.require_approval()
        return chunk.last

    def _count_newcomers(self, chunk: BulkChunk, planned: Planned) -> None:
        examples, _ = self._staged(chunk.examples)
        for contact in examples:
            plan = decide(contact, None, None, (), recreate_deleted=self.rules.recreate_deleted)
            planned.add(plan, expect_creation(contact, self.engine.identity.account_id, self.rules))
        planned.add_creations(chunk.planned - len(examples))

    def _staged(self, contact_ids: Sequence[int]) -> tuple[list[DesiredContact], dict[int, datetime]]:
        """Return staged contacts, and when those were last active whose lead may be closed by now."""
        if not contact_ids:
            return [], {}
        rows = self.engine.execute("staged_contact/chunk", contact_ids=list(contact_ids)).fetchall()
        contacts = [
            DesiredContact.from_json(document).knowing(bytes(person_hash), bytes(lead_hash))
            for _, document, person_hash, lead_hash, _ in rows
        ]
        return contacts, {row[0]: row[4] for row in rows if row[4] is not None}

    def _plan_one_by_one(self, contact_ids: Sequence[int], planned: Planned) -> list[DesiredContact]:
        """Plan staged contacts of whom something is known; return those that were not planned before."""
        engine = self.engine
        contacts, active = self._staged(contact_ids)
        locked = engine.lock(
            "contact",
            {
                str(contact.contact_id): {"person": contact.person_hash(), "lead": contact.lead_hash()}
                for contact in contacts
            },
        )
        known = {int(source_id): record.rows for source_id, record in locked.items()}
        # Asked with the mapping locked: an erasure that began meanwhile is over with its own lock.
        erased = erased_among(engine.connection, engine.identity, known)
        follow = to_follow(
            engine, self.reads, active, {contact_id: known[contact_id]["lead"] for contact_id in active}
        )
        fresh = [
            contact
            for contact in contacts
            if contact.contact_id not in erased
            if contact.contact_id in follow or not locked[str(contact.contact_id)].is_planned
        ]
        answers: dict[str, dict[int, tuple[Any, ...]]] = {"person": {}, "lead": {}}
        for contact_id, kind, *answer in engine.execute(
            "decision/standing", contact_ids=[contact.contact_id for contact in fresh]
        ):
            answers[kind][contact_id] = tuple(answer)
        fresh = [
            replace(contact, adopt={**contact.adopt, "person": crm_id}) if crm_id else contact
            for contact in fresh
            for _, crm_id, _ in (answers["person"].get(contact.contact_id, (None, None, None)),)
        ]
        unlinked = [
            contact
            for contact in fresh
            if known[contact.contact_id]["person"].state is not MappingState.LINKED
        ]
        persons = find_persons(engine, unlinked, self.rules.phone_region)
        plans = [
            self._decide(
                contact,
                known[contact.contact_id],
                persons,
                follow.get(contact.contact_id),
                answers["person"].get(contact.contact_id, (None,))[0],
            )
            for contact in fresh
        ]
        plans = [
            with_lead(plan, known[contact_id]["lead"], *answers["lead"][contact_id])
            if (contact_id := plan.contact.contact_id) in answers["lead"]
            else plan
            for plan in plans
        ]
        present = present_records(engine, self.reads, plans, known, persons)
        decided: list[Decided] = []
        for plan in plans:
            contact = plan.contact
            rows = known[contact.contact_id]
            person, lead = rows["person"], rows["lead"]
            there = present[contact.contact_id]
            expectation = expect(plan, there, engine.identity.account_id, self.rules)
            planned.add(plan, expectation, there)
            decided.append(
                Decided(
                    str(contact.contact_id),
                    operation_of(plan, expectation, person, self.rules.phone_region),
                    [
                        (person, contact.person_hash(), planned_state(plan.action, person.state)),
                        (
                            lead,
                            contact.lead_hash(),
                            planned_state(plan.action, lead.state, wanted=contact.lead is not None),
                        ),
                    ],
                )
            )
        engine.plan("contact", decided)
        return fresh

    def _decide(
        self,
        contact: DesiredContact,
        rows: Mapping[str, MappingRow],
        persons: KnownPersons,
        follows_lead: int | None,
        answer: str | None,
    ) -> ContactPlan:
        plan = decide(
            contact,
            rows["person"],
            rows["lead"],
            [self._with_claims(person) for person in persons.of(contact)],
            recreate_deleted=self.rules.recreate_deleted,
            follows_lead=follows_lead,
            answer=answer,
        )
        if plan.action is Action.ADOPT:
            self._adopting[plan.adopt["person"]] = f"contact {contact.contact_id}"
        return plan

    def _with_claims(self, person: KnownPerson) -> KnownPerson:
        claimed = self._adopting.get(person.crm_id)
        if person.owner is not None or claimed is None:
            return person
        return replace(person, owner=claimed)

    def _arrange_moves(self) -> None:
        """Let what gives up an e-mail or phone come before what claims it."""
        moves = [
            Move(operation_id, frozenset(keys) - frozenset(releases), frozenset(releases))
            for operation_id, keys, releases in self.engine.execute("operation/moves")
        ]
        if not moves:
            return
        arrangement = arrange(moves)
        self.engine.execute(
            "operation/moves_arrange",
            ids=list(arrangement.order),
            release_first=sorted(arrangement.release_first),
        )
