"""Brings one contact's person over: take over, create with its lead, or update."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from krayin.catalogue import EmailDemand
from krayin.errors import OutcomeUnknown, Rejected, ServerFailed
from krayin.records import Person
from krayin.text import fold_name

from reconciliation.crm.fields import (
    called_by_company,
    lead_draft,
    person_draft,
    person_fields,
    person_update,
)
from reconciliation.load.outcome import deleted, quarantined
from reconciliation.load.sink import RecordSteps, Stop, Work, without_refused
from reconciliation.model.contact import addresses_where, natural_keys, with_address
from reconciliation.model.merge import flatten
from reconciliation.model.timing import SKEW, same_moment
from reconciliation.plan.matching import Ambiguous, KnownPerson, is_marked, only_one
from reconciliation.store.ledger import OperationState, Outcome
from reconciliation.store.mapping_store import known_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from typing import NoReturn

    from krayin.records import Lead

    from reconciliation.load.lead_stage import LeadStageSink, WaitingMove
    from reconciliation.load.lead_targets import LeadTargetSteps
    from reconciliation.load.sink import LoadContext
    from reconciliation.model.desired_contact import Fields
    from reconciliation.settings.targets import LeadTargets
    from reconciliation.store.ledger import Operation
    from reconciliation.store.mapping_row import MappingRow

CREATE_CONTACT = "create_contact"
CREATE_LEAD = "create_lead"
RECREATE = "recreate"
RELEASE = "release"
RELEASED = "released"
REPLAYED = "replayed"
# A creation that may have taken effect without our knowing.
CREATIONS = frozenset({CREATE_CONTACT, CREATE_LEAD})

MADE_AGAIN_BY = "set recreate_deleted to make it again"


@dataclass(slots=True)
class ContactWork(Work):
    """One contact's operation: what is wanted of its person and lead."""

    person: Fields
    lead: Fields | None
    person_hash: bytes
    lead_hash: bytes
    organization: str | None
    adopt: Mapping[str, int]
    owner: int | None
    move: WaitingMove | None = field(default=None, kw_only=True)
    """That of the lead which is about to be made."""
    targets: LeadTargets | None = field(default=None, kw_only=True)
    """Where that lead is made."""

    @property
    def wanted_lead(self) -> Fields:
        """The fields of its lead, where it gets one."""
        assert self.lead is not None
        return self.lead

    @property
    def was_tried(self) -> bool:
        """Whether Krayin must be asked before anything is created: more may be there than we know."""
        return self.operation.step not in {None, RECREATE, RELEASE, RELEASED}


def made_since_sent(operation: Operation, created_at: datetime | None) -> bool:
    """Tell whether something made at that time may come from the creation that an operation sent last."""
    return (
        operation.step in CREATIONS
        and operation.sent_at is not None
        and created_at is not None
        and created_at >= operation.sent_at - SKEW
    )


def reserved(
    operation: Operation, person: Fields, demand: EmailDemand, last_sent: Mapping[str, Any] | None = None
) -> Fields:
    """Return the fields of an operation's person, with a reserved address where it is demanded."""
    return with_address(person, operation.identity.account_id, int(operation.source_id), demand, last_sent)


class PersonSink(RecordSteps):
    """Writes the persons of one sync's contacts."""

    crm_kind = "person"
    entity = "persons"

    def __init__(self, context: LoadContext, stages: LeadStageSink, lead_targets: LeadTargetSteps) -> None:
        """Work with `context`; `stages` knows the moves that wait, `lead_targets` where leads are made."""
        super().__init__(context)
        self.stages, self.lead_targets = stages, lead_targets
        self.payload, self.put = person_update, self.client.update_person

    def with_address(
        self, operation: Operation, person: Fields, last_sent: Mapping[str, Any] | None
    ) -> Fields:
        """Return a person's fields with a made-up address where Krayin demands one."""
        takes_no_email = True
        if not person["emails"] and self.catalogue.email_required():
            # Trying tells where nothing else does.
            takes_no_email = self.client.takes_no_email(self.snapshot.anybody_has_an_email) is not False
        return reserved(operation, person, self.catalogue.email_demand(takes_no_email), last_sent)

    def apart(self, operation: Operation, person: Fields, row: MappingRow | None) -> Fields:
        """Return a person's fields without the e-mails and phones that others in Krayin have.

        Krayin lets nobody have a value of somebody else, and somebody decided that it is none of them.
        `row` is its mapping row. With neither left it gets a made-up address, by which it is found again.
        """
        own = None if row is None else row.crm_id
        others = {
            key
            for one in self._having(person).values()
            if one.id != own and not made_since_sent(operation, one.created_at)
            for key in self._keys(one)
        }
        free = addresses_where(person, self.settings.default_phone_region, others.isdisjoint)
        left = {**person, **free}
        return left if left["emails"] or left["phones"] else reserved(operation, left, EmailDemand.ALWAYS)

    def release(self, work: ContactWork) -> NoReturn:
        """Take from the person what another contact is waiting for; the rest follows in its turn.

        Two contacts that swap an e-mail or phone block each other: Krayin lets nobody have a value
        that somebody else has. So one of them first has neither.

        Raises:
            Stop: always; the operation goes on in its turn.
        """
        row = work.row("person")
        stored = None if row is None or row.crm_id is None else self.reads.entity("persons", row.crm_id)
        if row is not None and stored is not None:
            present = person_fields(stored, self.custom)
            region = self.settings.default_phone_region
            held = set(natural_keys(present["emails"], present["phones"], region))
            kept = addresses_where(work.person, region, lambda keys: not keys.isdisjoint(held))
            desired = self.with_address(work.operation, kept, present)
            self.overwrite(work.operation, row, stored, present, desired, step=RELEASE)
        raise Stop(Outcome(OperationState.PLANNED, step=RELEASED))

    def link_or_create(self, work: ContactWork) -> bool:
        """Find or create the contact's person; return True when everything was created in one call."""
        if work.is_gone("person") and not self.settings.recreate_deleted:
            raise Stop(deleted("its person", MADE_AGAIN_BY))
        if "person" in work.adopt and self.reads.entity("persons", work.adopt["person"]) is not None:
            self._adopt(work, work.adopt["person"])
            return False
        # What was planned as new may have been made since, by another sync of this Krayin.
        if work.was_tried or self.seen(work):
            found = self.find(work)
            if found is not None:
                self._adopt_found(work, *found)
                return False
        # Apart from the creation: that it failed says something else.
        self._prepare_lead(work)
        try:
            created = self._create(work)
        except Rejected as rejection:
            after = self._after_refusal(work, rejection)
            if after is None:
                return False
            created = after
        except OutcomeUnknown as failure:
            # Where Krayin failed because there was no e-mail, it answered, and made nothing.
            if not self._may_lack_an_email(work, failure) or self.find(work) is not None:
                raise
            work.person = reserved(work.operation, work.person, EmailDemand.ALWAYS)
            created = self._create(work)
        self._note_created(work, *created)
        return True

    def _prepare_lead(self, work: ContactWork) -> None:
        if work.lead is not None:
            work.move = self.stages.waiting(work.operation)
            work.targets = self.lead_targets.of(work)

    def _may_lack_an_email(self, work: ContactWork, failure: OutcomeUnknown) -> bool:
        return (
            failure.status == HTTPStatus.INTERNAL_SERVER_ERROR
            and not work.person["emails"]
            and self.catalogue.email_required()
            and self.client.dialect.takes_no_email is None
        )

    def _after_refusal(self, work: ContactWork, refusal: Rejected) -> tuple[Person, Lead | None] | None:
        """Return what was made without the custom attributes that Krayin refused.

        None where it refused an address and the person who has it was taken over.

        Raises:
            Rejected: Krayin refused something else.
        """
        is_nested = work.targets is not None
        records = {"person." if is_nested else "": work.person}
        records |= {"": work.wanted_lead} if is_nested else {}
        left = without_refused(work.operation, refusal, records)
        if left is not None:
            work.person, *lead = left.values()
            work.lead = lead[0] if lead else work.lead
            return self._create(work)
        # Where somebody has the address in a form the search cannot see, asking again would give the same.
        found = self.find(work) if refusal.refused_addresses() else None
        if found is None:
            raise refusal
        self._adopt(work, found[0].id)
        return None

    def _create(self, work: ContactWork) -> tuple[Person, Lead | None]:
        person = person_draft(
            work.person,
            owner_id=work.owner,
            booleans=self.booleans,
            email_required=self.catalogue.email_required(),
        )
        if work.targets is None:
            with self.intent(work.operation, CREATE_CONTACT):
                return self.client.create_person(person), None
        draft = lead_draft(
            work.wanted_lead,
            work.targets,
            booleans=self.reads.attributes.booleans("leads"),
            person=person,
        )
        with self.intent(work.operation, CREATE_CONTACT, self.stages.note_made_in(work.move)):
            created = self.client.create_lead(draft)
        assert created.person is not None
        return created.person, created.lead

    def _adopt(self, work: ContactWork, person_id: int) -> None:
        self.link(work, "person", person_id, "adopted")
        work.result["person"] = "adopted"
        if "lead" in work.adopt and work.row("lead") is None:
            lead = next((one for one in self.reads.leads_of(person_id) if one.id == work.adopt["lead"]), None)
            if lead is not None:
                self.link(work, "lead", lead.id, "adopted")
                work.result["lead"] = "adopted"

    def _adopt_found(self, work: ContactWork, person: Person, is_new: bool) -> None:  # noqa: FBT001
        """Link the person found after a creation without an answer.

        If that creation made it, what it wrote counts as sent, and what differs by now was typed
        by a salesperson. In doubt the person is adopted: then nothing in it is ever overwritten.
        """
        leads = self.reads.leads_of(person.id) if work.operation.step in CREATIONS else []
        ours = is_new or (work.lead is not None and any(is_marked(lead, work.lead) for lead in leads))
        origin, sent = (
            ("created", self.sent(work.operation, "person", work.person)) if ours else ("adopted", None)
        )
        self.link(work, "person", person.id, origin, last_sent=sent)
        work.result["person"] = origin

    def _note_created(self, work: ContactWork, person: Person, lead: Lead | None) -> None:
        made: dict[str, Person | Lead] = (
            {"person": person} if lead is None else {"person": person, "lead": lead}
        )
        with self.lineage.linking(**made), self.ledger.transaction():
            sent = self.sent(work.operation, "person", work.person)
            self.link_made(work, "person", person, sent, work.person_hash)
            if lead is not None:
                assert work.targets is not None
                made_in = {"made_in_stage": work.targets.stage_id}
                sent = self.sent(work.operation, "lead", work.wanted_lead)
                self.link_made(work, "lead", lead, sent, work.lead_hash, **made_in)
            self.ledger.progress(work.operation, f"{CREATE_CONTACT}:done")
            made_at = person.organization_created_at
            is_made = person.created_at is not None and same_moment(made_at, person.created_at)
            self._link_organization(work, person.organization_id, is_made=is_made)
        self.snapshot.record([person])
        work.result |= dict.fromkeys(made, "created")
        if lead is not None:
            self.stages.finish(work, lead)

    def find(self, work: ContactWork) -> tuple[Person, bool] | None:
        """Return the one person who has the contact's e-mail or phone and belongs to nobody else.

        With it, whether an unanswered creation of ours made it.
        """
        target_id = work.operation.identity.target_id
        persons = self._having(work.person)
        ids = sorted(persons)
        sent_at = work.operation.sent_at
        earlier = self.store.seen_before(target_id, ids, sent_at) if sent_at else set()
        self.snapshot.record([persons[one] for one in ids])
        owners = self.store.owners(target_id, "person", ids)
        match = only_one([KnownPerson(one, frozenset(), owners.get(one)) for one in ids])
        if isinstance(match, Ambiguous):
            raise Stop(self._undecided(work, match))
        if match is None:
            return None
        person = persons[match.crm_id]
        return person, person.id not in earlier and made_since_sent(work.operation, person.created_at)

    def _having(self, wanted: Fields) -> dict[int, Person]:
        """Return by id the persons in Krayin with one of these e-mails and phones."""
        persons = {person.id: person for person in self._searched(wanted["emails"], wanted["phones"])}
        # Krayin's search heeds case and the spelling of numbers; what it showed before is compared folded.
        keys = self._keys_of(wanted)
        unseen = {one for one in self.snapshot.with_keys(keys) if one not in persons}
        if unseen:
            there = self.client.by_ids(Person, unseen)
            persons |= {one.id: one for one in there if not set(keys).isdisjoint(self._keys(one))}
            self.snapshot.forget(sorted(unseen - {person.id for person in there}))
        return persons

    def _searched(self, emails: Sequence[str], phones: Sequence[str]) -> list[Person]:
        """Return what Krayin's search finds; what it cannot tell the snapshot will, brought up to date."""
        found: list[Person] = []
        can_search = self.client.can_search(emails, phones)
        try:
            found = self.client.find_persons(emails, phones)
        except ServerFailed as failure:
            if failure.status != HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            can_search = False
        if not can_search:
            self.snapshot.refresh()
        return found

    def seen(self, work: ContactWork) -> list[int]:
        """Return the persons Krayin showed with one of the contact's e-mails or phones; no call."""
        return self.snapshot.with_keys(self._keys_of(work.person))

    def _keys_of(self, person: Fields) -> tuple[str, ...]:
        return natural_keys(person["emails"], person["phones"], self.settings.default_phone_region)

    def _undecided(self, work: ContactWork, match: Ambiguous) -> Outcome:
        outcome = quarantined(
            match.reason, match.message, candidates=[person.described() for person in match.candidates]
        )
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

    def upsert(self, work: ContactWork) -> None:
        """Update the linked person where it differs.

        Raises:
            Stop: the person was deleted in Krayin.
        """
        row = work.row("person")
        assert row is not None
        assert row.crm_id is not None
        if row.acked_hash == work.person_hash:
            return
        stored = self.reads.entity("persons", row.crm_id)
        if stored is None:
            self.gone(work, row)
        present = self._shown(work, row, stored)
        merged, person = self.overwrite(work.operation, row, stored, present, flatten(work.person))
        organization_id, is_made = stored.get("organization_id"), False
        if person is not None:
            self.snapshot.record([person])
            if "organization" in merged.changed:
                organization_id, made_at = self._organization_of(work, person)
                is_made = person.updated_at is not None and same_moment(made_at, person.updated_at)
        if "organization" in merged.kept:
            organization_id = None
        note = partial(self._link_organization, work, organization_id, is_made=is_made)
        self.updated(work, row, merged, work.person_hash, note)

    def gone(self, work: ContactWork, row: MappingRow) -> NoReturn:
        """The person was deleted in Krayin: leave it so, or have it made again.

        Raises:
            Stop: always; the operation ends or begins anew.
        """
        if row.crm_id is not None:
            self.snapshot.forget([row.crm_id])
        self.lost(work, row, RECREATE)
        raise Stop(deleted("its person", MADE_AGAIN_BY, {**work.result, "person": "deleted_in_krayin"}))

    def _link_organization(self, work: ContactWork, organization_id: int | None, *, is_made: bool) -> None:
        """Note which organization the contact's company is, if that is known; `is_made`: by this write."""
        if work.organization is None or organization_id is None:
            return
        origin = self.store.link_organization(
            work.operation.identity, work.organization, organization_id, is_made=is_made
        )
        if origin is not None:
            work.result["organization"] = origin

    def _shown(self, work: ContactWork, row: MappingRow, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Return the person's flat fields; its organization goes by the company we know it for."""
        present = person_fields(stored, self.custom)
        companies = (work.person["organization"], (row.last_sent or {}).get("organization"))
        if not any(companies):
            return present
        known = known_names(self.connection, self.target_id, [present["organization_id"]])
        return called_by_company(present, known, *companies)

    def _organization_of(self, work: ContactWork, person: Person) -> tuple[int | None, datetime | None]:
        """Return the organization a person was given by name: its id, and when it was made.

        The id is None when it need not be known.

        Krayin's answer to the change still shows the organization the person had before.
        """
        name = work.person["organization"]
        if work.organization is None or not name:
            return None, None
        if person.organization_name is not None and fold_name(person.organization_name) == fold_name(name):
            return person.organization_id, person.organization_created_at
        known = self.store.rows_of(work.operation.identity, "company", work.organization)
        row = known.get("organization")
        if row is not None and row.crm_id is not None:
            return None, None
        found = ((one.id, one.created_at) for one in self.client.organizations_by_names([name]))
        return next(found, (None, None))
