"""Brings one contact's person and lead over: create, adopt, complete or update."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from krayin.errors import Rejected
from krayin.folding import fold_name

from reconciliation.attempted import base_after_attempt
from reconciliation.crm_fields import (
    lead_draft,
    lead_fields,
    lead_update,
    person_draft,
    person_fields,
    person_update,
)
from reconciliation.desired import DesiredContact
from reconciliation.expectation import with_address
from reconciliation.forecast import LEADS, LEADS_OF, PERSONS, contact_reads
from reconciliation.ledger import OperationState, Outcome
from reconciliation.mapping import natural_keys
from reconciliation.mapping_store import AlreadyMappedError
from reconciliation.matching import Adopt, Ambiguous, KnownPerson, is_marked, match_lead, match_person
from reconciliation.merge import flatten, merge
from reconciliation.plan import MappingRow, MappingState
from reconciliation.targets import final_stages
from reconciliation.timing import DEFAULT, Timing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from krayin.catalogue import Catalogue
    from krayin.client import KrayinClient
    from krayin.records import CreatedLead, Lead, Person

    from reconciliation.crm_reads import CrmReads
    from reconciliation.desired import Fields
    from reconciliation.ledger import Ledger, Operation
    from reconciliation.mapping_store import MappingStore
    from reconciliation.merge import Merged
    from reconciliation.settings import SyncSettings
    from reconciliation.snapshot import PersonSnapshot
    from reconciliation.targets import LeadTargets

CREATE_CONTACT = "create_contact"
CREATE_LEAD = "create_lead"
UPDATE_PERSON = "update_person"
UPDATE_LEAD = "update_lead"
RECREATE = "recreate"
RELEASE = "release"
RELEASED = "released"
REPLAYED = "replayed"
# A creation that may have taken effect without our knowing.
_CREATIONS = frozenset({CREATE_CONTACT, CREATE_LEAD})
# By how much the clocks of Krayin and of the sync database may differ.
SKEW = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class _Found:
    """A person found in Krayin; `is_new`: our unanswered creation made it."""

    person: Person
    is_new: bool


class _Stop(Exception):  # noqa: N818 - carries an outcome through, nothing went wrong in this code
    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        super().__init__(str(outcome.state))


@dataclass(slots=True)
class _Work:
    """One operation while it is carried out."""

    operation: Operation
    person: Fields
    lead: Fields
    person_hash: bytes
    lead_hash: bytes
    organization: str | None
    adopt: Mapping[str, int]
    rows: dict[str, MappingRow]
    result: dict[str, str] = field(default_factory=dict)

    def row(self, crm_kind: str) -> MappingRow | None:
        row = self.rows.get(crm_kind)
        return row if row is not None and row.state is MappingState.LINKED else None

    @property
    def was_tried(self) -> bool:
        """Whether Krayin must be asked before anything is created: more may be there than we know."""
        return self.operation.step not in {None, RECREATE, RELEASE, RELEASED}

    def made_since_sent(self, created_at: datetime | None) -> bool:
        """Tell whether something made at that time may come from the creation that was sent last."""
        operation = self.operation
        return (
            operation.step in _CREATIONS
            and operation.sent_at is not None
            and created_at is not None
            and created_at >= operation.sent_at - SKEW
        )

    def is_gone(self, crm_kind: str) -> bool:
        row = self.rows.get(crm_kind)
        return row is not None and row.state is MappingState.GONE


@dataclass(frozen=True, slots=True)
class ContactWriter:
    """Carries out the operations on contacts of one sync."""

    client: KrayinClient
    ledger: Ledger
    store: MappingStore
    reads: CrmReads
    snapshot: PersonSnapshot
    catalogue: Catalogue
    targets: LeadTargets
    settings: SyncSettings
    timing: Timing = DEFAULT

    def prefetch(self, operations: Sequence[Operation]) -> None:
        """Read in bulk what the operations will be merged against."""
        if any(operation.step == REPLAYED for operation in operations):
            # Somebody put things right in Krayin, and it may be days since it was looked at.
            self.snapshot.refresh()
        persons: set[int] = set()
        leads: set[int] = set()
        with_leads: set[int] = set()
        without_lead: list[tuple[Operation, int]] = []
        for operation, rows in self._rows_of(operations):
            person, lead = rows.get("person"), rows.get("lead")
            person_id = person.crm_id if person is not None else None
            person_id = person_id or operation.payload["adopt"].get("person")
            reads = contact_reads(
                person,
                lead,
                person_differs=person is not None and person.acked_hash != _hash(operation, "person"),
                lead_differs=lead is not None and lead.acked_hash != _hash(operation, "lead"),
                adopts_person="person" in operation.payload["adopt"],
            )
            if PERSONS in reads:
                persons.add(person_id)
            if LEADS in reads and lead is not None and lead.crm_id is not None:
                leads.add(lead.crm_id)
            if LEADS_OF in reads or operation.payload.get("follows_lead"):
                with_leads.add(person_id)
                if lead is None or lead.crm_id is None:
                    without_lead.append((operation, person_id))
        self.reads.prefetch("persons", persons)
        self.reads.prefetch_leads_of(with_leads)
        self.reads.prefetch("leads", leads | self._chosen(without_lead))

    def _chosen(self, operations: Sequence[tuple[Operation, int]]) -> set[int]:
        """Return the leads that the operations are going to take over."""
        leads_of = {person_id: self.reads.leads_of(person_id) for _, person_id in operations}
        ids = [lead.id for leads in leads_of.values() for lead in leads]
        if not ids:
            return set()
        owned = self.store.owners(operations[0][0].identity.target_id, "lead", ids)
        chosen: set[int] = set()
        for operation, person_id in operations:
            free = [lead for lead in leads_of[person_id] if lead.id not in owned]
            named = operation.payload["adopt"].get("lead")
            if any(lead.id == named for lead in free):
                chosen.add(named)
            elif lead := match_lead(
                free,
                operation.payload["lead"],
                pipeline_id=self.targets.pipeline_id,
                final_stages=final_stages(self.catalogue),
            ):
                chosen.add(lead.id)
        return chosen

    def _rows_of(self, operations: Sequence[Operation]) -> Iterator[tuple[Operation, dict[str, MappingRow]]]:
        by_identity: dict[Any, list[Operation]] = {}
        for operation in operations:
            by_identity.setdefault(operation.identity, []).append(operation)
        for identity, group in by_identity.items():
            rows = self.store.rows(identity, "contact", [operation.source_id for operation in group])
            for operation in group:
                yield (
                    operation,
                    {
                        kind: row
                        for (source_id, kind), row in rows.items()
                        if source_id == operation.source_id
                    },
                )

    def write(self, operation: Operation) -> Outcome:
        """Carry out one operation and return how it ended; what Krayin accepted is already recorded.

        Raises:
            KrayinError: a call failed; the loader decides how to go on.
            LeaseLostError: the operation passed to another worker.
        """
        ((_, rows),) = self._rows_of([operation])
        payload = operation.payload
        work = _Work(
            operation=operation,
            person=self._with_address(operation, payload["person"]),
            lead=payload["lead"],
            person_hash=bytes.fromhex(payload["person_hash"]),
            lead_hash=bytes.fromhex(payload["lead_hash"]),
            organization=payload["organization"],
            adopt=payload["adopt"],
            rows=rows,
        )
        try:
            if payload.get("release_first") and operation.step in {None, RELEASE}:
                return self._release(work)
            if work.row("person") is None and self._link_person(work):
                return Outcome(OperationState.DONE, result=work.result)
            self._bring_person(work)
            self._bring_lead(work)
        except _Stop as stop:
            return stop.outcome
        except AlreadyMappedError:
            # Only when Krayin gave out an id twice: it was restored from an older backup.
            return Outcome(
                OperationState.QUARANTINED,
                error_class="id_reused",
                error_message="Krayin gave this contact's new record an id of another contact's record: "
                "was it restored from a backup? Compare the two, then replay",
            )
        return Outcome(OperationState.DONE, result=work.result)

    def _with_address(self, operation: Operation, person: Fields) -> Fields:
        return with_address(
            person,
            operation.identity.account_id,
            int(operation.source_id),
            email_required=self.catalogue.email_required(),
        )

    def _release(self, work: _Work) -> Outcome:
        """Take from the person what another contact is waiting for; the rest follows in its turn.

        Two contacts that swap an e-mail or phone block each other: Krayin lets nobody have a value
        that somebody else has. So one of them first has neither.
        """
        row = work.row("person")
        stored = None if row is None or row.crm_id is None else self.reads.entity("persons", row.crm_id)
        if row is not None and row.crm_id is not None and stored is not None:
            present: Mapping[str, Any] = person_fields(stored, self._custom("persons"))
            region = self.settings.default_phone_region
            held = set(natural_keys(present["emails"], present["phones"], region))
            kept = {
                "emails": [one for one in work.person["emails"] if {*natural_keys([one], [], region)} & held],
                "phones": [one for one in work.person["phones"] if {*natural_keys([], [one], region)} & held],
            }
            desired = self._with_address(work.operation, kept)
            base, present = base_after_attempt(
                last_sent=row.last_sent,
                attempted=row.attempted,
                present=present,
                desired=desired,
                phone_region=region,
            )
            merged = merge(
                last_sent=base,
                present=present,
                desired=desired,
                on_crm_edit=self.settings.on_crm_edit,
                phone_region=region,
            )
            if merged.changed:
                update = person_update(stored, merged, self._booleans("persons"))
                with self._intent(work, RELEASE, self._attempting(row, base, merged)):
                    self.client.update_person(row.crm_id, update)
                self.reads.written("persons", row.crm_id)
        return Outcome(OperationState.PLANNED, step=RELEASED)

    # --- the person ---------------------------------------------------------------------------

    def _link_person(self, work: _Work) -> bool:
        """Find or create the contact's person; return True when everything was created in one call."""
        if work.is_gone("person") and not self.settings.recreate_deleted:
            raise _Stop(
                Outcome(
                    OperationState.REJECTED,
                    error_class="deleted_in_krayin",
                    error_message="its person was deleted in Krayin; set recreate_deleted to make it again",
                )
            )
        if "person" in work.adopt and self.reads.entity("persons", work.adopt["person"]) is not None:
            self._adopt(work, work.adopt["person"])
            return False
        # What was planned as new may have been made since, by another sync of this Krayin.
        if work.was_tried or self._seen(work):
            found = self._find(work)
            if found is not None:
                self._take_over(work, found)
                return False
        try:
            created = self._create(work)
        except Rejected as rejection:
            if not rejection.taken_fields():
                raise
            found = self._find(work)
            if found is None:
                # Somebody has the address in a form the search cannot see; asking again would give the same.
                raise
            self._adopt(work, found.person.id)
            return False
        self._ack_created(work, created)
        return True

    def _create(self, work: _Work) -> CreatedLead:
        draft = lead_draft(
            work.lead,
            self.targets,
            booleans=self._booleans("leads"),
            person=person_draft(
                work.person, owner_id=self.targets.owner_id, booleans=self._booleans("persons")
            ),
        )
        with self._intent(work, CREATE_CONTACT):
            return self.client.create_lead(draft)

    def _find(self, work: _Work) -> _Found | None:
        """Return the one person who has the contact's e-mail or phone and belongs to nobody else."""
        target_id = work.operation.identity.target_id
        persons = {
            person.id: person
            for person in self.client.find_persons(work.person["emails"], work.person["phones"])
        }
        # Krayin's search heeds case and the spelling of numbers; what it showed before is compared folded.
        keys = self._keys_of(work)
        unseen = {one for one in self._seen(work) if one not in persons}
        if unseen:
            there = self.client.persons_by_ids(unseen)
            persons |= {person.id: person for person in there if set(keys) & set(self._keys(person))}
            self.snapshot.forget(sorted(unseen - {person.id for person in there}))
        ids = sorted(persons)
        sent_at = work.operation.sent_at
        earlier = self.store.seen_before(target_id, ids, sent_at) if sent_at else set()
        self.snapshot.record([persons[one] for one in ids])
        owners = self.store.owners(target_id, "person", ids)
        known = [
            KnownPerson(one, persons[one].name, frozenset(self._keys(persons[one])), owners.get(one))
            for one in ids
        ]
        wanted = DesiredContact(
            contact_id=int(work.operation.source_id),
            person=work.person,
            lead=work.lead,
            natural_keys=tuple(key for person in known for key in person.keys),
        )
        match = match_person(wanted, known)
        if isinstance(match, Ambiguous):
            raise _Stop(self._undecided(work, match))
        if isinstance(match, Adopt):
            person = persons[match.person.crm_id]
            return _Found(person, is_new=person.id not in earlier and work.made_since_sent(person.created_at))
        return None

    def _seen(self, work: _Work) -> list[int]:
        """Return the persons Krayin showed with one of the contact's e-mails or phones; no call."""
        return self.store.persons_with_keys(work.operation.identity.target_id, self._keys_of(work))

    def _keys_of(self, work: _Work) -> tuple[str, ...]:
        return natural_keys(work.person["emails"], work.person["phones"], self.settings.default_phone_region)

    def _undecided(self, work: _Work, match: Ambiguous) -> Outcome:
        outcome = _quarantine(match.reason, match.message, match.candidates)
        if match.reason != "person_taken" or work.operation.error_class == match.reason:
            return outcome
        # The address may be on its way from one contact to another: it gets a second try.
        return replace(
            outcome,
            state=OperationState.PLANNED,
            delay=self.timing.backoff_after(work.operation.attempts),
            counts_as_attempt=True,
        )

    def _keys(self, person: Person) -> tuple[str, ...]:
        emails = [row.value for row in person.emails]
        keys = natural_keys(
            emails, [row.value for row in person.contact_numbers], self.settings.default_phone_region
        )
        # A placeholder is never matched on, yet after a lost answer it is how our own person is found again.
        return (*keys, *(f"email:{email}" for email in emails))

    def _adopt(self, work: _Work, person_id: int) -> None:
        self._link(work, "person", person_id, origin="adopted")
        work.result["person"] = "adopted"
        if "lead" in work.adopt and work.row("lead") is None:
            lead = next((one for one in self.reads.leads_of(person_id) if one.id == work.adopt["lead"]), None)
            if lead is not None:
                self._link(work, "lead", lead.id, origin="adopted")
                work.result["lead"] = "adopted"

    def _take_over(self, work: _Work, found: _Found) -> None:
        """Link the person found after a creation without an answer.

        If that creation made it, what it wrote counts as sent, and what differs by now was typed
        by a salesperson. In doubt the person is adopted: then nothing in it is ever overwritten.
        """
        leads = self.reads.leads_of(found.person.id) if work.operation.step in _CREATIONS else []
        ours = found.is_new or any(self._is_ours(work, lead) for lead in leads)
        self._link(
            work,
            "person",
            found.person.id,
            origin="created" if ours else "adopted",
            last_sent=flatten(work.person) if ours else None,
        )
        work.result["person"] = "created" if ours else "adopted"

    def _ack_created(self, work: _Work, created: CreatedLead) -> None:
        assert created.person is not None
        with self.ledger.transaction():
            self.ledger.progress(work.operation, f"{CREATE_CONTACT}:done")
            self._store_link(
                work, "person", created.person.id, "created", work.person_hash, flatten(work.person)
            )
            self._store_link(work, "lead", created.lead.id, "created", work.lead_hash, flatten(work.lead))
            self._link_organization(work, created.organization_id)
        self.snapshot.record([created.person])
        work.result |= {"person": "created", "lead": "created"}

    def _bring_person(self, work: _Work) -> None:
        row = work.row("person")
        assert row is not None
        assert row.crm_id is not None
        if row.acked_hash == work.person_hash:
            return
        stored = self.reads.entity("persons", row.crm_id)
        if stored is None:
            self._lost(work, "person", row)
            return
        desired = flatten(work.person)
        base, present = base_after_attempt(
            last_sent=row.last_sent,
            attempted=row.attempted,
            present=person_fields(stored, self._custom("persons")),
            desired=desired,
            phone_region=self.settings.default_phone_region,
        )
        merged = merge(
            last_sent=base,
            present=present,
            desired=desired,
            on_crm_edit=self.settings.on_crm_edit,
            phone_region=self.settings.default_phone_region,
        )
        organization_id = stored.get("organization_id")
        if merged.changed:
            update = person_update(stored, merged, self._booleans("persons"))
            with self._intent(work, UPDATE_PERSON, self._attempting(row, base, merged)):
                person = self.client.update_person(row.crm_id, update)
            self.reads.written("persons", row.crm_id)
            self.snapshot.record([person])
            if "organization" in merged.changed:
                organization_id = self._organization_of(work, person)
        with self.ledger.transaction():
            self.ledger.progress(work.operation, f"{UPDATE_PERSON}:done")
            self.store.ack(row.id, work.person_hash, merged.last_sent)
            if "organization" not in merged.kept:
                self._link_organization(work, organization_id)
        work.result.setdefault("person", "updated" if merged.changed else "already_equal")

    def _organization_of(self, work: _Work, person: Person) -> int | None:
        """Return the id of the organization a person was given by name; None when it need not be known.

        Krayin's answer to the change still shows the organization the person had before.
        """
        name = work.person["organization"]
        if work.organization is None or not name:
            return None
        if person.organization_name is not None and fold_name(person.organization_name) == fold_name(name):
            return person.organization_id
        known = self.store.rows(work.operation.identity, "company", [work.organization])
        row = known.get((work.organization, "organization"))
        if row is not None and row.crm_id is not None:
            return None
        return next((one.id for one in self.client.organizations_by_names([name])), None)

    # --- the lead -----------------------------------------------------------------------------

    def _bring_lead(self, work: _Work) -> None:
        person = work.row("person")
        if person is None or person.crm_id is None:
            return
        if work.is_gone("lead") and not self.settings.recreate_deleted:
            work.result["lead"] = "deleted_in_krayin"
            return
        if work.row("lead") is None:
            lead = self._own_or_only_lead(work, person.crm_id)
            if lead is None:
                self._create_lead(work, person.crm_id)
                return
            marked = self._is_ours(work, lead)
            self._link(
                work,
                "lead",
                lead.id,
                origin="created" if marked else "adopted",
                last_sent=flatten(work.lead) if marked else None,
            )
            work.result["lead"] = "created" if marked else "adopted"
        elif self._follow_closed(work, person.crm_id):
            return
        self._update_lead(work)

    def _follow_closed(self, work: _Work, person_id: int) -> bool:
        """Give the contact a new lead after its closed one, if that is planned and still closed."""
        row = work.row("lead")
        closed = work.operation.payload.get("follows_lead")
        if closed is None or row is None or row.crm_id != closed:
            return False
        leads = {lead.id: lead for lead in self.reads.leads_of(person_id)}
        if closed not in leads or not self._is_closed(leads[closed]):
            return False
        owned = self.store.owners(work.operation.identity.target_id, "lead", leads)
        lost = [
            lead for lead in leads.values()
            if lead.id > closed and lead.id not in owned and self._is_ours(work, lead)
        ]  # fmt: skip
        if not lost:
            self._create_lead(work, person_id)
            return True
        # A call of ours that was not answered made it.
        self._link(work, "lead", min(one.id for one in lost), origin="created", last_sent=flatten(work.lead))
        work.result["lead"] = "created"
        return False

    def _is_closed(self, lead: Lead) -> bool:
        return lead.stage_id is not None and self.catalogue.is_final_stage(lead.stage_id)

    def _own_or_only_lead(self, work: _Work, person_id: int) -> Lead | None:
        """Return the lead that a lost call of ours made, else the one that unmistakably is the contact's."""
        leads = self.reads.leads_of(person_id)
        owned = self.store.owners(work.operation.identity.target_id, "lead", [lead.id for lead in leads])
        free = [lead for lead in leads if lead.id not in owned]
        if not any(self._is_ours(work, lead) for lead in free):
            # Somebody may have changed the description by which we know our own.
            lately = [
                lead for lead in free if work.made_since_sent(lead.created_at) and not self._is_closed(lead)
            ]
            if len(lately) > 1:
                raise _Stop(_undecided_lead(work, lately))
            if lately:
                return lately[0]
        return match_lead(
            free,
            work.lead,
            pipeline_id=self.targets.pipeline_id,
            final_stages=final_stages(self.catalogue),
        )

    @staticmethod
    def _is_ours(work: _Work, lead: Lead) -> bool:
        return is_marked(lead, work.lead)

    def _create_lead(self, work: _Work, person_id: int) -> None:
        row = work.row("person")
        if work.was_tried and row is not None and self.reads.entity("persons", person_id) is None:
            # With a dead person Krayin fails on the lead, and does not say why.
            self._lost(work, "person", row)
        draft = lead_draft(work.lead, self.targets, booleans=self._booleans("leads"), person_id=person_id)
        with self._intent(work, CREATE_LEAD):
            created = self.client.create_lead(draft)
        self._link(
            work,
            "lead",
            created.lead.id,
            origin="created",
            acked_hash=work.lead_hash,
            last_sent=flatten(work.lead),
        )
        work.result["lead"] = "created"

    def _update_lead(self, work: _Work) -> None:
        row = work.row("lead")
        assert row is not None
        assert row.crm_id is not None
        if row.acked_hash == work.lead_hash:
            return
        stored = self.reads.entity("leads", row.crm_id)
        if stored is None:
            self._lost(work, "lead", row)
            return
        desired = flatten(work.lead)
        base, present = base_after_attempt(
            last_sent=row.last_sent,
            attempted=row.attempted,
            present=lead_fields(stored, self._custom("leads")),
            desired=desired,
        )
        merged = merge(
            last_sent=base, present=present, desired=desired, on_crm_edit=self.settings.on_crm_edit
        )
        if merged.changed:
            update = lead_update(stored, merged, self._booleans("leads"))
            with self._intent(work, UPDATE_LEAD, self._attempting(row, base, merged)):
                self.client.update_lead(row.crm_id, update)
            self.reads.written("leads", row.crm_id)
        with self.ledger.transaction():
            self.ledger.progress(work.operation, f"{UPDATE_LEAD}:done")
            self.store.ack(row.id, work.lead_hash, merged.last_sent)
        work.result.setdefault("lead", "updated" if merged.changed else "already_equal")

    # --- shared -------------------------------------------------------------------------------

    def _lost(self, work: _Work, crm_kind: str, row: MappingRow) -> None:
        """The record was deleted in Krayin: leave it so, or have it made again."""
        self.store.set_state(row.id, MappingState.GONE)
        if crm_kind == "person" and row.crm_id is not None:
            self.snapshot.forget([row.crm_id])
        if self.settings.recreate_deleted:
            raise _Stop(Outcome(OperationState.PLANNED, step=RECREATE, result=work.result))
        work.result[crm_kind] = "deleted_in_krayin"
        if crm_kind == "person":
            raise _Stop(
                Outcome(
                    OperationState.REJECTED,
                    error_class="deleted_in_krayin",
                    error_message="its person was deleted in Krayin; set recreate_deleted to make it again",
                    result=work.result,
                )
            )

    def _link(  # noqa: PLR0913 - the columns of one row
        self,
        work: _Work,
        crm_kind: str,
        crm_id: int,
        *,
        origin: str,
        acked_hash: bytes | None = None,
        last_sent: Mapping[str, Any] | None = None,
    ) -> None:
        try:
            with self.ledger.transaction():
                self.ledger.progress(work.operation, f"{crm_kind}:linked")
                self._store_link(work, crm_kind, crm_id, origin, acked_hash, last_sent)
        except AlreadyMappedError:
            owner = self.store.owners(work.operation.identity.target_id, crm_kind, [crm_id]).get(
                crm_id, "another"
            )
            raise _Stop(
                Outcome(
                    OperationState.QUARANTINED,
                    error_class=f"{crm_kind}_taken",
                    error_message=f"Krayin {crm_kind} {crm_id} already belongs to {owner}: merge the two "
                    f"contacts in Chatwoot or give them different e-mails and phones, then replay",
                    candidates=({crm_kind: crm_id, "belongs_to": owner},),
                )
            ) from None
        rows = self.store.rows(work.operation.identity, "contact", [work.operation.source_id])
        work.rows = {kind: row for (_, kind), row in rows.items()}

    def _store_link(  # noqa: PLR0913, PLR0917 - the columns of one row
        self,
        work: _Work,
        crm_kind: str,
        crm_id: int,
        origin: str,
        acked_hash: bytes | None,
        last_sent: Mapping[str, Any] | None,
    ) -> None:
        self.store.link(
            work.operation.identity,
            source_kind="contact",
            source_id=work.operation.source_id,
            crm_kind=crm_kind,
            crm_id=crm_id,
            origin=origin,
            acked_hash=acked_hash,
            last_sent=last_sent,
        )

    def _link_organization(self, work: _Work, organization_id: int | None) -> None:
        if work.organization is not None and organization_id is not None:
            self.store.link_organization(work.operation.identity, work.organization, organization_id)

    def _intent(
        self, work: _Work, step: str, note: Callable[[], None] = lambda: None
    ) -> AbstractContextManager[None]:
        def intend() -> None:
            with self.ledger.transaction():
                self.ledger.intend(work.operation, step)
                note()

        return self.client.operation(work.operation.id, before_write=intend)

    def _attempting(
        self, row: MappingRow, base: Mapping[str, Any] | None, merged: Merged
    ) -> Callable[[], None]:
        changes = {name: merged.last_sent[name] for name in merged.changed}
        return lambda: self.store.attempt(row, base, changes)

    def _booleans(self, entity_type: str) -> tuple[str, ...]:
        return self.catalogue.boolean_attributes(entity_type)

    def _custom(self, entity_type: str) -> tuple[str, ...]:
        return tuple(attribute.code for attribute in self.catalogue.custom_attributes(entity_type))


def _hash(operation: Operation, crm_kind: str) -> bytes:
    return bytes.fromhex(operation.payload[f"{crm_kind}_hash"])


def _quarantine(reason: str, message: str, candidates: Sequence[KnownPerson]) -> Outcome:
    return Outcome(
        OperationState.QUARANTINED,
        error_class=reason,
        error_message=message,
        candidates=tuple(person.described() for person in candidates),
    )


def _undecided_lead(work: _Work, leads: Sequence[Lead]) -> Outcome:
    ids = ", ".join(str(lead.id) for lead in leads)
    return Outcome(
        OperationState.QUARANTINED,
        error_class="ambiguous_lead",
        error_message=f"a call without an answer may have made one of the leads {ids}: close or delete the "
        f"wrong ones in Krayin, then replay",
        candidates=tuple({"lead": lead.id} for lead in leads),
        result=work.result,
    )
