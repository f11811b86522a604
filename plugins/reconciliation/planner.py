"""Turns staged contacts into operation rows, chunk by chunk, each chunk in one transaction."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from psycopg.rows import dict_row
from statements import statement

from reconciliation.company_planner import CompanyPlanner
from reconciliation.expectation import Case, Present, Rules, expect
from reconciliation.extract import desired_from_json
from reconciliation.forecast import Expected, Queue
from reconciliation.guard import changed_fields
from reconciliation.mapping import natural_keys
from reconciliation.mapping_store import mapping_row
from reconciliation.matching import KnownPerson
from reconciliation.moves import Move, arrange
from reconciliation.operation_rows import NOW, OperationRow, PlanScope
from reconciliation.plan import Action, ContactPlan, MappingRow, MappingState, plan_contact

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    import psycopg
    from krayin.pacing import Lane
    from krayin.records import Lead

    from reconciliation.company_planner import PlannedCompany
    from reconciliation.desired import DesiredContact
    from reconciliation.expectation import Changes, Expectation
    from reconciliation.guard import Guard
    from reconciliation.identity import Identity
    from reconciliation.plan_reads import PlanReads

CHUNK = 1000
# Examples of each kind of action in the summary.
SAMPLE = 10
QUARANTINE_SAMPLE = 50


@dataclass(slots=True)
class Planned:
    """What a planning decided.

    Numbers by action, writes expected, quarantine by reason, and a sample with field differences
    (old and new values: it belongs into the sync database and nowhere else). `queue_calls` are the
    calls of carrying out everything that waits for this sync now, None when nobody asked.
    """

    actions: Counter[str] = field(default_factory=Counter)
    organizations: int = 0
    calls: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)
    quarantine_sample: list[dict[str, Any]] = field(default_factory=list)
    sample: list[dict[str, Any]] = field(default_factory=list)
    queue_calls: int = 0
    held: int = 0
    _sampled: Counter[str] = field(default_factory=Counter)

    def add(self, plan: ContactPlan, expectation: Expectation) -> None:
        """Count one contact."""
        self.actions[plan.action] += 1
        self.calls += expectation.expected.writes
        contact_id = plan.contact.contact_id
        if plan.action is Action.QUARANTINE:
            self.quarantined[plan.reason or ""] += 1
            if len(self.quarantine_sample) < QUARANTINE_SAMPLE:
                self.quarantine_sample.append(
                    {
                        "contact": contact_id,
                        "reason": plan.reason,
                        "message": plan.message,
                        "candidates": [dict(candidate) for candidate in plan.candidates],
                    }
                )
        elif self._wants_sample(plan.action):
            self.sample.append(
                {
                    "contact": contact_id,
                    "action": str(plan.action),
                    "adopt": dict(plan.adopt),
                    "changes": {kind: shown(changes) for kind, changes in expectation.changes.items()},
                }
            )

    def add_company(self, company: PlannedCompany) -> None:
        """Count one company."""
        self.organizations += 1
        self.calls += bool(company.changes)
        if self._wants_sample("organization"):
            self.sample.append(
                {
                    "company": company.folded_name,
                    "action": "organization",
                    "changes": {"organization": shown(company.changes)},
                }
            )

    def _wants_sample(self, action: str) -> bool:
        self._sampled[action] += 1
        return self._sampled[action] <= SAMPLE and action not in {Action.NOTHING, Action.LEAVE_DELETED}

    def to_json(self) -> dict[str, Any]:
        """Return the numbers for `sync_run.summary`."""
        return {
            "planned": dict(self.actions),
            "planned_organizations": self.organizations,
            "planned_quarantine": dict(self.quarantined),
            "planned_quarantine_sample": self.quarantine_sample,
            "planned_writes": self.calls,
            "sample": self.sample,
            "held": self.held,
        }


def shown(changes: Changes) -> dict[str, list[Any]]:
    """Return changes as JSON: field name to old and new value."""
    return {name: [_plain(old), _plain(new)] for name, (old, new) in changes.items()}


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float | bool | list | dict) else str(value)


# A mapping row and the clock of Chatwoot's database when its planned version was read.
_Known = dict[tuple[int, str], tuple[MappingRow, "datetime | None"]]


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Persons by `email:`, `phone:` and `id:` key, and what was kept of each."""

    by_key: Mapping[str, Sequence[KnownPerson]]
    facts: Mapping[int, Mapping[str, Any]]


@dataclass(slots=True)
class Planner:
    """Plans the staged contacts of one run.

    `read_at` is the clock of Chatwoot's database when the contacts were read: what a later
    reading planned is left alone. With `dry_run` everything is decided and nothing kept; for that
    `connect` opens another connection to the sync database (autocommit). `reads`
    looks at Krayin for what the snapshot does not hold; without it new leads are expected for
    everybody adopted. `requests_per_minute` and `with_custom` (the kinds with custom attributes)
    say how the plan will be carried out, for the forecast. `guard` holds what is too much.
    """

    connection: psycopg.Connection
    identity: Identity
    run_id: int
    sync_name: str
    lane: Lane
    read_at: datetime
    recreate_deleted: bool
    connect: Callable[[], psycopg.Connection]
    dry_run: bool = False
    rules: Rules = field(default_factory=Rules)
    reads: PlanReads | None = None
    requests_per_minute: int = 60
    with_custom: Collection[str] = ()
    guard: Guard | None = None
    _adopting: dict[int, str] = field(default_factory=dict)

    def run(self) -> Planned:
        """Plan everything staged; each chunk is committed on its own, so a repeat only does the rest."""
        planned = Planned()
        if self.dry_run:
            self._run_and_forget(planned)
        else:
            self._run(planned)
        return planned

    def _run_and_forget(self, planned: Planned) -> None:
        # One transaction around all chunks: what one chunk plans must be seen by the next, then be gone.
        # It has a connection of its own, because the audit of the calls made meanwhile must stay.
        own = self.connection
        with self.connect() as apart, apart.transaction(force_rollback=True):
            self.connection = apart
            try:
                self._run(planned)
            finally:
                self.connection = own

    def _run(self, planned: Planned) -> None:
        for contacts, active in self._chunks():
            with self.connection.transaction():
                self._plan_chunk(contacts, active, planned)
        self._arrange_moves()
        planned.queue_calls = self._queue_calls()
        if self.guard is not None:
            planned.held = replace(self.guard, connection=self.connection).held()

    def anything_unlinked(self) -> bool:
        """Tell whether a staged contact has no person in Krayin through us yet."""
        row = self.connection.execute(
            statement("plan/staged_unlinked"), {"run_id": self.run_id, **self.identity.parameters()}
        ).fetchone()
        return bool(row and row[0])

    @property
    def _scope(self) -> PlanScope:
        return PlanScope(self.identity, self.run_id, self.sync_name, self.lane, self.read_at)

    def _chunks(self) -> Iterator[tuple[list[DesiredContact], dict[int, datetime]]]:
        """Yield staged contacts, and when those were last active whose lead may be closed by now."""
        after = 0
        while rows := self.connection.execute(
            statement("plan/staged_chunk"), {"run_id": self.run_id, "after": after, "size": CHUNK}
        ).fetchall():
            contacts = [
                desired_from_json(document).knowing(bytes(person_hash), bytes(lead_hash))
                for _, document, person_hash, lead_hash, _ in rows
            ]
            yield contacts, {row[0]: row[4] for row in rows if row[4] is not None}
            after = rows[-1][0]

    def _plan_chunk(
        self, contacts: Sequence[DesiredContact], active: Mapping[int, datetime], planned: Planned
    ) -> None:
        known = self._lock_mapping([contact.contact_id for contact in contacts])
        follow = self._to_follow(active, known)
        fresh = [
            contact
            for contact in contacts
            if contact.contact_id in follow
            or not self._already_planned(
                contact, known[contact.contact_id, "person"], known[contact.contact_id, "lead"]
            )
        ]
        candidates = self._candidates(fresh, known)
        plans = [
            _following(self._plan_one(contact, known, candidates), follow.get(contact.contact_id))
            for contact in fresh
        ]
        expectations = self._expect(plans, known, candidates)
        for plan, expectation in zip(plans, expectations, strict=True):
            planned.add(plan, expectation)
        self._write(plans, expectations, known)
        companies = CompanyPlanner(self.connection, self._scope, self.rules, self.reads)
        for company in companies.plan(fresh):
            planned.add_company(company)
        if self.guard is not None:
            replace(self.guard, connection=self.connection).hold()

    def _lock_mapping(self, contact_ids: Sequence[int]) -> _Known:
        ids = {
            **self.identity.parameters(),
            "contact_ids": sorted(str(contact_id) for contact_id in contact_ids),
        }
        self.connection.execute(statement("plan/mapping_register"), ids)
        with self.connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(statement("plan/mapping_lock"), ids).fetchall()
        return {
            (int(row["source_id"]), row["crm_kind"]): (mapping_row(row), row["source_read_at"])
            for row in rows
        }

    def _already_planned(
        self,
        contact: DesiredContact,
        person: tuple[MappingRow, datetime | None],
        lead: tuple[MappingRow, datetime | None],
    ) -> bool:
        if person[1] is not None and person[1] > self.read_at:
            return True
        return person[0].source_hash == contact.person_hash() and lead[0].source_hash == contact.lead_hash()

    def _to_follow(self, active: Mapping[int, datetime], known: _Known) -> dict[int, int]:
        """Return the closed leads of contacts who wrote after the closing, and note who was looked at."""
        leads = {
            contact_id: lead.crm_id
            for contact_id in active
            if (lead := known[contact_id, "lead"][0]).state is MappingState.LINKED and lead.crm_id is not None
        }
        if not leads or self.reads is None:
            return {}
        closed = self.reads.closed(leads.values())
        follow = {
            contact_id: lead_id
            for contact_id, lead_id in leads.items()
            if lead_id in closed and closed[lead_id] < active[contact_id]
        }
        seen = [contact_id for contact_id in leads if contact_id not in follow]
        self.connection.execute(
            statement("plan/activity_seen"),
            {
                "ids": [known[contact_id, "lead"][0].id for contact_id in seen],
                "active_ats": [active[contact_id] for contact_id in seen],
            },
        )
        return follow

    # --- who is who ---------------------------------------------------------------------------

    def _candidates(self, contacts: Sequence[DesiredContact], known: _Known) -> _Candidates:
        """Return persons by each key, and under `id:<n>` those that an earlier integration named."""
        unlinked = [
            contact
            for contact in contacts
            if known[contact.contact_id, "person"][0].state is not MappingState.LINKED
        ]
        keys = sorted({key for contact in unlinked for key in contact.natural_keys})
        kept = sorted({contact.adopt["person"] for contact in unlinked if "person" in contact.adopt})
        facts_of: dict[int, Mapping[str, Any]] = {}
        keys_of: dict[int, set[str]] = {}
        owners: dict[int, tuple[int, int, str]] = {}
        for query, parameters in (
            ("plan/candidates", {"keys": keys}),
            ("plan/persons_known", {"crm_ids": kept}),
        ):
            for key, crm_id, facts, installation, account, source_id in self.connection.execute(
                statement(query), {"target_id": self.identity.target_id, **parameters}
            ):
                facts_of[crm_id] = facts
                keys_of.setdefault(crm_id, set())
                if key is not None:
                    keys_of[crm_id].add(key)
                if source_id is not None:
                    owners[crm_id] = installation, account, source_id
        for crm_id, given_up in self._given_up(owners).items():
            keys_of[crm_id] -= given_up
        by_key: dict[str, list[KnownPerson]] = {}
        for crm_id, person_keys in keys_of.items():
            _, account, source_id = owners.get(crm_id, (0, 0, None))
            owner = None if source_id is None else f"contact {source_id} of account {account}"
            person = KnownPerson(crm_id, facts_of[crm_id].get("name", ""), frozenset(person_keys), owner)
            for key in (*person_keys, f"id:{crm_id}"):
                by_key.setdefault(key, []).append(person)
        return _Candidates(by_key, facts_of)

    def _given_up(self, owners: Mapping[int, tuple[int, int, str]]) -> dict[int, set[str]]:
        """Return by person what its contact brought and does not have any more."""
        ours = [
            int(source_id)
            for installation, account, source_id in owners.values()
            if (installation, account) == (self.identity.installation_id, self.identity.account_id)
        ]
        if not ours:
            return {}
        return {
            crm_id: (self._sent_keys(last_sent) - set(wanted)) | set(releases or ())
            for crm_id, last_sent, wanted, releases in self.connection.execute(
                statement("plan/releasing"),
                {"run_id": self.run_id, **self.identity.parameters(), "contact_ids": ours},
            )
        }

    def _sent_keys(self, last_sent: Mapping[str, Any] | None) -> set[str]:
        sent = last_sent or {}
        return set(natural_keys(sent.get("emails") or [], sent.get("phones") or [], self.rules.phone_region))

    def _plan_one(self, contact: DesiredContact, known: _Known, candidates: _Candidates) -> ContactPlan:
        keys = [*contact.natural_keys]
        if "person" in contact.adopt:
            keys.append(f"id:{contact.adopt['person']}")
        persons = {
            person.crm_id: self._with_claims(person)
            for key in keys
            for person in candidates.by_key.get(key, ())
        }
        plan = plan_contact(
            contact,
            known[contact.contact_id, "person"][0],
            known[contact.contact_id, "lead"][0],
            list(persons.values()),
            recreate_deleted=self.recreate_deleted,
        )
        if plan.action is Action.ADOPT:
            self._adopting[plan.adopt["person"]] = f"contact {contact.contact_id}"
        return plan

    def _with_claims(self, person: KnownPerson) -> KnownPerson:
        claimed = self._adopting.get(person.crm_id)
        if person.owner is not None or claimed is None:
            return person
        return replace(person, owner=claimed)

    # --- what it will change and cost ---------------------------------------------------------

    def _expect(
        self, plans: Sequence[ContactPlan], known: _Known, candidates: _Candidates
    ) -> list[Expectation]:
        present = self._present(plans, known, candidates)
        return [
            expect(
                Case(
                    plan,
                    self.identity.account_id,
                    known[plan.contact.contact_id, "person"][0],
                    known[plan.contact.contact_id, "lead"][0],
                    present.get(plan.contact.contact_id, Present()),
                ),
                self.rules,
            )
            for plan in plans
        ]

    def _present(
        self, plans: Sequence[ContactPlan], known: _Known, candidates: _Candidates
    ) -> dict[int, Present]:
        persons: dict[int, int] = {}
        leads: dict[int, int] = {}
        without_lead: dict[int, int] = {}
        for plan in plans:
            if plan.action not in {Action.ADOPT, Action.UPDATE}:
                continue
            contact_id = plan.contact.contact_id
            person, lead = known[contact_id, "person"][0], known[contact_id, "lead"][0]
            person_id = plan.adopt.get("person", person.crm_id)
            if person_id is not None:
                persons[contact_id] = person_id
            if lead.crm_id is not None:
                leads[contact_id] = lead.crm_id
            elif person_id is not None:
                without_lead[contact_id] = person_id
        if self.reads is None:
            leads_of: dict[int, list[Lead]] = {}
            shown_persons: dict[int, Mapping[str, Any]] = {}
            shown_leads: dict[int, Mapping[str, Any]] = {}
        else:
            leads_of = self._free_leads(self.reads.leads_of(without_lead.values()))
            shown_persons = self.reads.persons(persons.values())
            shown_leads = self.reads.leads(leads.values())
        return {
            contact_id: Present(
                person=shown_persons.get(person_id) or _fields_of(candidates.facts.get(person_id)),
                lead=shown_leads.get(leads.get(contact_id, 0)),
                leads=leads_of.get(person_id),
            )
            for contact_id, person_id in persons.items()
        }

    def _free_leads(self, leads_of: Mapping[int, list[Lead]]) -> dict[int, list[Lead]]:
        ids = [lead.id for leads in leads_of.values() for lead in leads]
        if not ids:
            return dict(leads_of)
        owned = {
            row[0]
            for row in self.connection.execute(
                statement("plan/owned"), {"target_id": self.identity.target_id, "crm_ids": ids}
            )
        }
        return {one: [lead for lead in leads if lead.id not in owned] for one, leads in leads_of.items()}

    def _queue_calls(self) -> int:
        with (
            self.connection.transaction(),
            self.connection.cursor("planned_queue", row_factory=dict_row) as cursor,
        ):
            cursor.itersize = CHUNK
            waiting: dict[str, Expected] = {}
            cursor.execute(
                statement("plan/queue"),
                {"target_id": self.identity.target_id, "sync_name": self.sync_name},
            )
            # Those that wait come last in the order, and must be known first.
            ready: list[Expected] = []
            for row in cursor:
                one = Expected(
                    row["forecast_calls"], frozenset(row["forecast_reads"]), row["forecast_company"]
                )
                if row["waits"]:
                    waiting[row["source_id"]] = one
                else:
                    ready.append(one)
            known = {
                row[0]
                for row in self.connection.execute(
                    statement("plan/companies_known"),
                    {
                        **self.identity.parameters(),
                        "folded_names": sorted({one.company for one in ready if one.company is not None}),
                    },
                )
            }
        return Queue(ready, waiting, known).calls(self.requests_per_minute, self.with_custom)

    # --- writing it down ----------------------------------------------------------------------

    def _write(
        self, plans: Sequence[ContactPlan], expectations: Sequence[Expectation], known: _Known
    ) -> None:
        source_ids = [str(plan.contact.contact_id) for plan in plans]
        replaced = {**self.identity.parameters(), "source_kind": "contact", "source_ids": source_ids}
        self.connection.execute(statement("plan/supersede"), replaced)
        self.connection.execute(statement("plan/quarantine_replaced"), replaced)
        self._scope.write(
            self.connection,
            (
                self._operation_row(plan, expectation, known)
                for plan, expectation in zip(plans, expectations, strict=True)
                if plan.action not in {Action.NOTHING, Action.LEAVE_DELETED}
            ),
        )
        ids: list[int] = []
        hashes: list[bytes] = []
        states: list[str] = []
        for plan in plans:
            for kind, source_hash in (
                ("person", plan.contact.person_hash()),
                ("lead", plan.contact.lead_hash()),
            ):
                row = known[plan.contact.contact_id, kind][0]
                ids.append(row.id)
                hashes.append(source_hash)
                states.append(_planned_state(plan.action, row.state))
        self.connection.execute(
            statement("plan/mapping_planned"),
            {"ids": ids, "source_hashes": hashes, "states": states, "source_read_at": self.read_at},
        )

    def _operation_row(self, plan: ContactPlan, expectation: Expectation, known: _Known) -> OperationRow:
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
        person = known[contact.contact_id, "person"][0]
        releases: list[str] = []
        if plan.action is Action.UPDATE and person.state is MappingState.LINKED:
            releases = sorted(self._sent_keys(person.last_sent) - set(contact.natural_keys))
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
            for operation_id, keys, releases in self.connection.execute(
                statement("plan/moves"), {"run_id": self.run_id}
            )
        ]
        if not moves:
            return
        arrangement = arrange(moves)
        self.connection.execute(
            statement("plan/moves_arrange"),
            {"ids": list(arrangement.order), "release_first": sorted(arrangement.release_first)},
        )


def _following(plan: ContactPlan, closed_lead: int | None) -> ContactPlan:
    if closed_lead is None or plan.action not in {Action.UPDATE, Action.NOTHING}:
        return plan
    return replace(plan, action=Action.UPDATE, follows_lead=closed_lead)


def _fields_of(facts: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if facts is None:
        return None
    return {
        "name": facts.get("name"),
        "emails": facts.get("emails"),
        "phones": facts.get("phones"),
        "job_title": facts.get("job_title"),
        "organization": facts.get("organization_name"),
    }


def _planned_state(action: Action, state: MappingState) -> str:
    if action is Action.QUARANTINE:
        return MappingState.QUARANTINED
    if action is Action.LEAVE_DELETED or state is MappingState.LINKED:
        return state
    return (
        MappingState.GONE if state is MappingState.GONE and action is Action.UPDATE else MappingState.PENDING
    )
