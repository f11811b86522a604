"""Decides which Krayin person a contact is, if any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from krayin.records import Lead

    from reconciliation.mapping.desired_contact import DesiredContact, Fields


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """A person as Krayin showed it; `keys` are its `email:` and `phone:` keys, `owner` whose it is."""

    crm_id: int
    name: str
    keys: frozenset[str]
    owner: str | None = None

    def described(self) -> Mapping[str, Any]:
        """Return what a person needs to decide, without e-mails or phones."""
        return {"person": self.crm_id, "belongs_to": self.owner}


@dataclass(frozen=True, slots=True)
class Create:
    """Nobody in Krayin is this contact."""


@dataclass(frozen=True, slots=True)
class Adopt:
    """This person is the contact."""

    person: KnownPerson


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """A person must decide."""

    reason: str
    message: str
    candidates: tuple[KnownPerson, ...]


def match_person(contact: DesiredContact, candidates: Sequence[KnownPerson]) -> Create | Adopt | Ambiguous:
    """Return which of `candidates` the contact is.

    The id an earlier integration kept decides alone. Otherwise every e-mail and phone that
    somebody has must point at one and the same person, who belongs to no other contact.
    """
    kept = next((person for person in candidates if person.crm_id == contact.adopt.get("person")), None)
    wanted = set(contact.natural_keys)
    hits = (
        [kept]
        if kept
        else sorted(
            (person for person in candidates if person.keys & wanted), key=lambda person: person.crm_id
        )
    )
    if not hits:
        return Create()
    if len(hits) > 1:
        ids = ", ".join(str(person.crm_id) for person in hits)
        return Ambiguous(
            "ambiguous_person",
            f"its e-mail and phone belong to several Krayin persons ({ids}): merge them in Krayin or "
            f"correct the contact, then replay",
            tuple(hits),
        )
    if hits[0].owner is not None:
        return Ambiguous(
            "person_taken",
            f"Krayin person {hits[0].crm_id} already belongs to {hits[0].owner}: merge the two contacts in "
            f"Chatwoot or give them different e-mails and phones, then replay",
            tuple(hits),
        )
    return Adopt(hits[0])


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
