"""Turns staged contacts into operation rows, chunk by chunk, each chunk in one transaction."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from statements import statement

from reconciliation.extract import desired_from_json
from reconciliation.fingerprint import fingerprint
from reconciliation.mapping_store import mapping_row
from reconciliation.matching import KnownPerson
from reconciliation.plan import Action, ContactPlan, MappingRow, MappingState, plan_contact

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    import psycopg
    from krayin.pacing import Lane

    from reconciliation.desired import DesiredContact
    from reconciliation.identity import Identity

CHUNK = 1000
# PostgreSQL reads this as the start of the transaction.
_NOW = "now"
_NEVER = "infinity"


@dataclass(frozen=True, slots=True)
class _Row:
    """The columns of an operation that differ from one to the next."""

    source_kind: str
    source_id: str
    payload: dict[str, Any]
    natural_keys: list[str]
    calls: int
    state: str = "planned"
    reason: str | None = None
    message: str | None = None
    candidates: Sequence[Mapping[str, Any]] = ()
    due_at: str = _NOW
    finished_at: str | None = None


SAMPLE = 10


@dataclass(slots=True)
class Planned:
    """What a planning decided: numbers by action, writes expected, quarantine by reason, and a sample."""

    actions: Counter[str] = field(default_factory=Counter)
    organizations: int = 0
    calls: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)
    sample: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the numbers for `sync_run.summary`."""
        return {
            "planned": dict(self.actions),
            "planned_organizations": self.organizations,
            "planned_quarantine": dict(self.quarantined),
            "planned_writes": self.calls,
            "sample": self.sample,
        }


@dataclass(slots=True)
class Planner:
    """Plans the staged contacts of one run.

    `read_at` is the clock of Chatwoot's database when the contacts were read: what a later
    reading planned is left alone. With `dry_run` everything is decided and nothing kept.
    """

    connection: psycopg.Connection
    identity: Identity
    run_id: int
    sync_name: str
    lane: Lane
    read_at: datetime
    recreate_deleted: bool
    dry_run: bool = False
    _adopting: dict[int, str] = field(default_factory=dict)

    def run(self) -> Planned:
        """Plan everything staged; each chunk is committed on its own, so a repeat only does the rest."""
        planned = Planned()
        if self.dry_run:
            # One transaction around all chunks: what one chunk plans must be seen by the next, then be gone.
            with self.connection.transaction(force_rollback=True):
                self._run(planned)
        else:
            self._run(planned)
        return planned

    def _run(self, planned: Planned) -> None:
        for contacts in self._chunks():
            with self.connection.transaction():
                self._plan_chunk(contacts, planned)

    def anything_unlinked(self) -> bool:
        """Tell whether a staged contact has no person in Krayin through us yet."""
        row = self.connection.execute(
            statement("plan/staged_unlinked"), {"run_id": self.run_id, **self.identity.parameters()}
        ).fetchone()
        return bool(row and row[0])

    def _chunks(self) -> Iterator[list[DesiredContact]]:
        after = 0
        while rows := self.connection.execute(
            statement("plan/staged_chunk"), {"run_id": self.run_id, "after": after, "size": CHUNK}
        ).fetchall():
            yield [
                desired_from_json(document).knowing(bytes(person_hash), bytes(lead_hash))
                for _, document, person_hash, lead_hash, _ in rows
            ]
            after = rows[-1][0]

    def _plan_chunk(self, contacts: Sequence[DesiredContact], planned: Planned) -> None:
        known = self._lock_mapping([contact.contact_id for contact in contacts])
        fresh = [
            contact
            for contact in contacts
            if not self._already_planned(
                contact, known.get((contact.contact_id, "person")), known.get((contact.contact_id, "lead"))
            )
        ]
        candidates = self._candidates(fresh, known)
        plans = [self._plan_one(contact, known, candidates) for contact in fresh]
        for plan in plans:
            planned.actions[plan.action] += 1
            planned.calls += plan.calls
            if plan.action is Action.QUARANTINE:
                planned.quarantined[plan.reason or ""] += 1
            if plan.action is not Action.NOTHING and len(planned.sample) < SAMPLE:
                planned.sample.append(self._sampled(plan))
        self._write(plans, known)
        self._plan_organizations(fresh, planned)

    @staticmethod
    def _sampled(plan: ContactPlan) -> dict[str, Any]:
        return {
            "contact": plan.contact.contact_id,
            "action": str(plan.action),
            "adopt": dict(plan.adopt),
            "reason": plan.reason,
        }

    def _lock_mapping(
        self, contact_ids: Sequence[int]
    ) -> dict[tuple[int, str], tuple[MappingRow, datetime | None]]:
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
        person: tuple[MappingRow, datetime | None] | None,
        lead: tuple[MappingRow, datetime | None] | None,
    ) -> bool:
        if person is None or lead is None:
            return False
        if person[1] is not None and person[1] > self.read_at:
            return True
        return person[0].source_hash == contact.person_hash() and lead[0].source_hash == contact.lead_hash()

    def _candidates(
        self,
        contacts: Sequence[DesiredContact],
        known: dict[tuple[int, str], tuple[MappingRow, datetime | None]],
    ) -> dict[str, list[KnownPerson]]:
        """Return persons by each key, and under `id:<n>` those that an earlier integration named."""
        unlinked = [
            contact
            for contact in contacts
            if known[contact.contact_id, "person"][0].state is not MappingState.LINKED
        ]
        keys = sorted({key for contact in unlinked for key in contact.natural_keys})
        kept = sorted({contact.adopt["person"] for contact in unlinked if "person" in contact.adopt})
        found: dict[int, tuple[str, set[str], str | None]] = {}
        rows = self.connection.execute(
            statement("plan/candidates"), {"target_id": self.identity.target_id, "keys": keys}
        )
        for key, crm_id, facts, _installation, account, source_id in rows:
            owner = _owner(account, source_id)
            found.setdefault(crm_id, (facts.get("name", ""), set(), owner))[1].add(key)
        rows = self.connection.execute(
            statement("plan/persons_known"), {"target_id": self.identity.target_id, "crm_ids": kept}
        )
        for crm_id, facts, _installation, account, source_id in rows:
            found.setdefault(crm_id, (facts.get("name", ""), set(), _owner(account, source_id)))
        by_key: dict[str, list[KnownPerson]] = {}
        for crm_id, (name, person_keys, owner) in found.items():
            person = KnownPerson(crm_id, name, frozenset(person_keys), owner)
            for key in (*person_keys, f"id:{crm_id}"):
                by_key.setdefault(key, []).append(person)
        return by_key

    def _plan_one(
        self,
        contact: DesiredContact,
        known: dict[tuple[int, str], tuple[MappingRow, datetime | None]],
        candidates: dict[str, list[KnownPerson]],
    ) -> ContactPlan:
        keys = [*contact.natural_keys]
        if "person" in contact.adopt:
            keys.append(f"id:{contact.adopt['person']}")
        persons = {
            person.crm_id: self._with_claims(person) for key in keys for person in candidates.get(key, ())
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
        return KnownPerson(person.crm_id, person.name, person.keys, claimed)

    def _write(
        self, plans: Sequence[ContactPlan], known: dict[tuple[int, str], tuple[MappingRow, datetime | None]]
    ) -> None:
        source_ids = [str(plan.contact.contact_id) for plan in plans]
        replaced = {**self.identity.parameters(), "source_kind": "contact", "source_ids": source_ids}
        self.connection.execute(statement("plan/supersede"), replaced)
        self.connection.execute(statement("plan/quarantine_replaced"), replaced)
        with self.connection.cursor() as cursor, cursor.copy(statement("plan/insert")) as copy:
            for plan in plans:
                if plan.action not in {Action.NOTHING, Action.LEAVE_DELETED}:
                    copy.write_row(self._operation_row(plan))
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

    def _operation_row(self, plan: ContactPlan) -> tuple[Any, ...]:
        contact = plan.contact
        payload = {
            "person": contact.person,
            "person_hash": contact.person_hash().hex(),
            "lead": contact.lead,
            "lead_hash": contact.lead_hash().hex(),
            "organization": contact.organization.folded_name if contact.organization else None,
            "adopt": dict(plan.adopt),
        }
        keys = [*contact.natural_keys]
        if contact.organization and plan.action is Action.CREATE:
            keys.append(f"organization:{contact.organization.folded_name}")
        row = _Row("contact", str(contact.contact_id), payload, keys, plan.calls)
        if plan.action is Action.QUARANTINE:
            row = replace(
                row,
                state="quarantined",
                reason=plan.reason,
                message=plan.message,
                candidates=plan.candidates,
                finished_at=_NOW,
            )
        return self._columns(row)

    def _columns(self, row: _Row) -> tuple[Any, ...]:
        return (
            self.run_id,
            self.sync_name,
            int(self.lane),
            *self.identity.parameters().values(),
            row.source_kind,
            row.source_id,
            Jsonb(row.payload),
            self.read_at,
            row.natural_keys,
            row.calls,
            row.state,
            row.reason,
            row.message,
            Jsonb(list(row.candidates)) if row.candidates else None,
            row.due_at,
            row.finished_at,
        )

    def _plan_organizations(self, contacts: Sequence[DesiredContact], planned: Planned) -> None:
        scope = self.identity.parameters()
        ids = [contact.contact_id for contact in contacts]
        touched = {
            row[0]
            for row in self.connection.execute(
                statement("plan/members_touched"), {**scope, "contact_ids": ids}
            )
        }
        named = [(contact.contact_id, contact.organization) for contact in contacts if contact.organization]
        leaving = [contact.contact_id for contact in contacts if not contact.organization]
        if leaving and touched:
            self.connection.execute(statement("plan/members_forget"), {**scope, "contact_ids": leaving})
        self.connection.execute(
            statement("plan/members_write"),
            {
                **scope,
                "contact_ids": [contact_id for contact_id, _ in named],
                "folded_names": [organization.folded_name for _, organization in named],
                "names": [organization.name for _, organization in named],
                "addresses": [
                    json.dumps(_organization_fields(organization.address, organization.custom))
                    if organization.address or organization.custom
                    else None
                    for _, organization in named
                ],
            },
        )
        touched |= {organization.folded_name for _, organization in named}
        if touched:
            self._plan_addresses(sorted(touched), planned)

    def _plan_addresses(self, folded_names: list[str], planned: Planned) -> None:
        scope = self.identity.parameters()
        wanted = self.connection.execute(
            statement("plan/organizations_wanted"), {**scope, "folded_names": folded_names}
        ).fetchall()
        changed: list[tuple[str, dict[str, Any], bytes, bool]] = []
        for folded_name, _name, fields, crm_id, _state, source_hash in wanted:
            if not fields:
                continue
            now = fingerprint(fields)
            if source_hash is None or bytes(source_hash) != now:
                changed.append((folded_name, fields, now, crm_id is not None))
        if not changed:
            return
        names = [folded_name for folded_name, *_ in changed]
        self.connection.execute(
            statement("plan/supersede"), {**scope, "source_kind": "company", "source_ids": names}
        )
        with self.connection.cursor() as cursor, cursor.copy(statement("plan/insert")) as copy:
            for folded_name, fields, source_hash, linked in changed:
                payload = {"organization": fields, "organization_hash": source_hash.hex()}
                row = _Row("company", folded_name, payload, [f"organization:{folded_name}"], 1)
                if not linked:
                    # The first contact that names an organization makes it; until then the address waits.
                    row = replace(row, due_at=_NEVER)
                copy.write_row(self._columns(row))
        self.connection.execute(
            statement("plan/organizations_planned"),
            {
                **scope,
                "folded_names": names,
                "source_hashes": [source_hash for _, _, source_hash, _ in changed],
                "source_read_at": self.read_at,
            },
        )
        planned.organizations += len(changed)
        planned.calls += len(changed)


def _organization_fields(address: dict[str, Any] | None, custom: dict[str, Any]) -> dict[str, Any]:
    return {"address": address, "custom": custom}


def _owner(account: int | None, source_id: str | None) -> str | None:
    return None if source_id is None else f"contact {source_id} of account {account}"


def _planned_state(action: Action, state: MappingState) -> str:
    if action is Action.QUARANTINE:
        return MappingState.QUARANTINED
    if action is Action.LEAVE_DELETED or state is MappingState.LINKED:
        return state
    return (
        MappingState.GONE if state is MappingState.GONE and action is Action.UPDATE else MappingState.PENDING
    )
