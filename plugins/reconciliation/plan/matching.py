"""Decides which Krayin person and lead a contact is, if any, among those that Krayin showed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from reconciliation.model.contact import natural_keys

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from krayin.records import Lead

    from reconciliation.model.desired_contact import DesiredContact, Fields
    from reconciliation.plan.engine import PlanEngine


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """A person as Krayin showed it; `keys` are its `email:` and `phone:` keys, `owner` whose it is."""

    crm_id: int
    keys: frozenset[str]
    owner: str | None = None

    def described(self) -> Mapping[str, Any]:
        """Return what a person needs to decide, without e-mails or phones."""
        return {"person": self.crm_id, "belongs_to": self.owner}


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """A person must decide."""

    reason: str
    message: str
    candidates: tuple[KnownPerson, ...]


def match_person(
    contact: DesiredContact, candidates: Sequence[KnownPerson]
) -> KnownPerson | Ambiguous | None:
    """Return which of `candidates` the contact is, None for nobody.

    The id an earlier integration kept decides alone. Otherwise every e-mail and phone that
    somebody has must point at one and the same person, who belongs to no other contact.
    """
    kept = [person for person in candidates if person.crm_id == contact.adopt.get("person")]
    wanted = set(contact.natural_keys)
    return only_one(kept or [person for person in candidates if person.keys & wanted])


def only_one(persons: Sequence[KnownPerson]) -> KnownPerson | Ambiguous | None:
    """Return the person if it is but one, who belongs to no contact; None for nobody."""
    if not persons:
        return None
    hits = sorted(persons, key=lambda person: person.crm_id)
    if len(hits) > 1:
        ids = ", ".join(str(person.crm_id) for person in hits)
        return Ambiguous(
            "ambiguous_person",
            f"its e-mail and phone belong to several Krayin persons ({ids}): merge them in Krayin or "
            f"correct the contact, then try again",
            tuple(hits),
        )
    if hits[0].owner is not None:
        return Ambiguous(
            "person_taken",
            f"Krayin person {hits[0].crm_id} already belongs to {hits[0].owner}: merge the two contacts in "
            f"Chatwoot or give them different e-mails and phones, then try again",
            tuple(hits),
        )
    return hits[0]


def match_lead(
    free: Sequence[Lead], wanted: Fields, *, pipeline_id: int | None, final_stages: Collection[int]
) -> Lead | None:
    """Return which of a person's leads is the contact's, None for none.

    `free` are the person's leads that belong to no contact, `wanted` the mapped fields. A lead with
    our mark was made by a call of ours that was not answered; another one is taken over only if it
    is the single open one in the pipeline.
    """
    return marked_lead(free, wanted) or only_open_lead(
        free, pipeline_id=pipeline_id, final_stages=final_stages
    )


def marked_lead(free: Sequence[Lead], wanted: Fields) -> Lead | None:
    """Return the oldest lead with our mark."""
    return min((lead for lead in free if is_marked(lead, wanted)), key=lambda lead: lead.id, default=None)


def only_open_lead(
    free: Sequence[Lead], *, pipeline_id: int | None, final_stages: Collection[int]
) -> Lead | None:
    """Return the single open lead in the pipeline."""
    open_here = [
        lead for lead in free if lead.pipeline_id == pipeline_id and lead.stage_id not in final_stages
    ]
    return open_here[0] if len(open_here) == 1 else None


def is_marked(lead: Lead, wanted: Fields) -> bool:
    """Tell whether a lead's description begins with the line by which we know our own."""
    marker = str(wanted["description"]).partition("\n")[0]
    return (lead.description or "").partition("\n")[0].strip() == marker


@dataclass(frozen=True, slots=True)
class KnownPersons:
    """Persons by `email:`, `phone:` and `id:` key, and what was kept of each by its id."""

    by_key: Mapping[str, Sequence[KnownPerson]] = field(default_factory=dict)
    facts: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)

    def of(self, contact: DesiredContact) -> list[KnownPerson]:
        """Return the persons with one of a contact's keys, or with the id an earlier integration kept."""
        keys = [*contact.natural_keys]
        if "person" in contact.adopt:
            keys.append(f"id:{contact.adopt['person']}")
        return list({person.crm_id: person for key in keys for person in self.by_key.get(key, ())}.values())


def find_persons(
    engine: PlanEngine, contacts: Sequence[DesiredContact], phone_region: str | None
) -> KnownPersons:
    """Return the persons with a key of one of `contacts`, and those an earlier integration named.

    They are found in the snapshot of Krayin, in the transaction that plans.
    """
    keys = sorted({key for contact in contacts for key in contact.natural_keys})
    kept = sorted({contact.adopt["person"] for contact in contacts if "person" in contact.adopt})
    facts_of: dict[int, Mapping[str, Any]] = {}
    keys_of: dict[int, set[str]] = {}
    owners: dict[int, tuple[int, int, str]] = {}
    for row in (
        *engine.execute("crm_snapshot/candidates", keys=keys),
        *engine.execute("crm_snapshot/persons_known", crm_ids=kept),
    ):
        key, crm_id, facts, scope_id, account, source_id = row
        facts_of[crm_id] = facts
        keys_of.setdefault(crm_id, set())
        if key is not None:
            keys_of[crm_id].add(key)
        if source_id is not None:
            owners[crm_id] = scope_id, account, source_id
    ours = [int(source_id) for scope_id, _, source_id in owners.values() if scope_id == engine.identity.id]
    for crm_id, last_sent, wanted, releases in (
        engine.execute("operation/releasing", contact_ids=ours) if ours else ()
    ):
        # What its contact brought and does not have any more.
        keys_of[crm_id] -= (set(sent_keys(last_sent, phone_region)) - set(wanted)) | set(releases or ())
    by_key: dict[str, list[KnownPerson]] = {}
    for crm_id, person_keys in keys_of.items():
        _, account, source_id = owners.get(crm_id, (0, 0, None))
        owner = None if source_id is None else f"contact {source_id} of account {account}"
        person = KnownPerson(crm_id, frozenset(person_keys), owner)
        for key in (*person_keys, f"id:{crm_id}"):
            by_key.setdefault(key, []).append(person)
    return KnownPersons(by_key, facts_of)


def sent_keys(last_sent: Mapping[str, Any] | None, phone_region: str | None) -> tuple[str, ...]:
    """Return the keys of what was last sent for a person."""
    sent = last_sent or {}
    return natural_keys(sent.get("emails") or [], sent.get("phones") or [], phone_region)
