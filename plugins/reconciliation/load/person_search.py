"""Looks in Krayin for the person a contact is, before one is made."""

from __future__ import annotations

from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from krayin.errors import ServerFailed
from krayin.records import Person

from reconciliation.load.sink import Steps, Stop, quarantined
from reconciliation.mapping.contact import natural_keys
from reconciliation.mapping.desired_contact import DesiredContact
from reconciliation.plan.matching import Adopt, Ambiguous, KnownPerson, match_person
from reconciliation.sync_database.ledger import OperationState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciliation.load.contact_work import ContactWork
    from reconciliation.sync_database.ledger import Outcome


@dataclass(frozen=True, slots=True)
class FoundPerson:
    """A person found in Krayin; `is_new`: our unanswered creation made it."""

    person: Person
    is_new: bool


class PersonSearch(Steps):
    """Searches Krayin and what it showed before for the persons of one sync's contacts."""

    def find(self, work: ContactWork) -> FoundPerson | None:
        """Return the one person who has the contact's e-mail or phone and belongs to nobody else."""
        target_id = work.operation.identity.target_id
        persons = {
            person.id: person for person in self._searched(work.person["emails"], work.person["phones"])
        }
        # Krayin's search heeds case and the spelling of numbers; what it showed before is compared folded.
        keys = self._keys_of(work)
        unseen = {one for one in self.seen(work) if one not in persons}
        if unseen:
            there = self.client.by_ids(Person, unseen)
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
            raise Stop(self._undecided(work, match))
        if isinstance(match, Adopt):
            person = persons[match.person.crm_id]
            return FoundPerson(
                person, is_new=person.id not in earlier and work.made_since_sent(person.created_at)
            )
        return None

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
        return self.snapshot.with_keys(self._keys_of(work))

    def _keys_of(self, work: ContactWork) -> tuple[str, ...]:
        return natural_keys(work.person["emails"], work.person["phones"], self.settings.default_phone_region)

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
