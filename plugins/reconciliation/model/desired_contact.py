"""What Krayin should hold for one Chatwoot contact."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime  # noqa: TC003 - pydantic resolves the annotations at run time
from enum import StrEnum
from typing import Any

from krayin.json_values import FromJson

from reconciliation.model.hashing import compact_json, stable_hash

# Field values as they are kept in JSON: text, lists of text, numbers as text, None for blank.
Fields = dict[str, Any]


class Skip(StrEnum):
    """Why a contact is not brought over."""

    NO_EMAIL_OR_PHONE = "no_email_or_phone"
    PHONE_ONLY = "phone_only"
    BLOCKED = "blocked"
    BEFORE_HISTORY = "before_history"

    @property
    def rule(self) -> str:
        """The setting that decides it, in words where there is none."""
        return {
            Skip.NO_EMAIL_OR_PHONE: "it has neither e-mail nor phone",
            Skip.PHONE_ONLY: "phone_only_contacts: skip",
            Skip.BLOCKED: "skip_blocked: true",
            Skip.BEFORE_HISTORY: "history",
        }[self]


@dataclass(frozen=True, slots=True)
class DesiredOrganization:
    """The company a contact names; `folded_name` is its key, `address` Krayin's address form or None."""

    folded_name: str
    name: str
    address: Fields | None = None
    custom: Fields = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LeadTarget(FromJson):
    """Where a contact's new lead goes if not where the sync's do: names, and Krayin's ids.

    `owner` is the Krayin user who owns it, 0 for the sync's, None for who owns the contact's records.
    """

    source: str | None = None
    type: str | None = None
    stage_id: int | None = None
    pipeline_id: int | None = None
    owner: int | None = None


@dataclass(frozen=True, slots=True)
class DesiredContact(FromJson):
    """The mapped fields of one contact.

    `person` has name, emails, phones, job_title, organization and custom; `lead` has title, lead_value,
    description and custom, or is None where the contact gets no lead. `natural_keys` are `email:` and
    `phone:` keys in compared form. `adopt` holds CRM ids an earlier integration left behind, by CRM kind.
    `warnings` say in words what had to be changed to fit Krayin, `changed_at` is Chatwoot's time of the last
    change (aware), `owner` the Krayin user who owns what is made for it, None for the sync's, `target` where
    its lead is made, likewise. `tags` are those that its records should have from us, by CRM kind; without an
    entry a kind's are left alone. `inbox` is the one whose lead its lead is, where there is one for each.
    `decided` names the setting that decided whether it gets a lead, that about the owner, and those about the
    target.
    """

    contact_id: int
    person: Fields
    lead: Fields | None
    organization: DesiredOrganization | None = None
    natural_keys: tuple[str, ...] = ()
    adopt: dict[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    changed_at: datetime | None = field(default=None, compare=False)
    owner: int | None = field(default=None, compare=False)
    target: LeadTarget | None = field(default=None, compare=False)
    tags: dict[str, list[str]] = field(default_factory=dict)
    inbox: int | None = field(default=None, compare=False)
    decided: dict[str, str] = field(default_factory=dict, compare=False)
    _hashes: tuple[bytes, bytes] | None = field(default=None, compare=False, repr=False)

    def with_hashes(self) -> DesiredContact:
        """Return the same contact with its fingerprints at hand."""
        return self.knowing(self.person_hash(), self.lead_hash())

    def knowing(self, person_hash: bytes, lead_hash: bytes) -> DesiredContact:
        """Return the same contact with the fingerprints that were taken of it before."""
        return replace(self, _hashes=(person_hash, lead_hash))

    def person_hash(self) -> bytes:
        """Return the hash of the person's fields and the organization's, which are planned with it."""
        if self._hashes is not None:
            return self._hashes[0]
        organization = self.organization
        if organization is None:
            return self._hash("person", self.person)
        named = [self.person, organization.name, organization.address, organization.custom]
        return self._hash("person", named)

    def lead_hash(self) -> bytes:
        """Return the hash of the lead's fields, or of there being none."""
        if self._hashes is not None:
            return self._hashes[1]
        return self._hash("lead", self.lead)

    def _hash(self, kind: str, fields: Any) -> bytes:
        return _hash_of(fields, self.tags.get(kind))


@dataclass(frozen=True, slots=True)
class DesiredLead(FromJson):
    """The lead of a contact for one more inbox; `target` and `lead` as in `DesiredContact`.

    `tags` are those that it should have from us, None: they are left alone. `active_at` is when something was
    said last in that inbox, where its lead may have been closed before.
    """

    contact_id: int
    inbox: int
    lead: Fields
    target: LeadTarget = field(compare=False)
    tags: list[str] | None = None
    changed_at: datetime | None = field(default=None, compare=False)
    active_at: datetime | None = field(default=None, compare=False)

    @property
    def source_id(self) -> str:
        """Its id as a source record."""
        return further_lead(self.contact_id, self.inbox)

    def hash(self) -> bytes:
        """Return the hash of the lead's fields and tags."""
        return _hash_of(self.lead, self.tags)

    def of_contact(self) -> DesiredContact:
        """Return the contact with nothing but this lead."""
        tags = {} if self.tags is None else {"lead": self.tags}
        return DesiredContact(self.contact_id, {}, self.lead, target=self.target, tags=tags, inbox=self.inbox)


def further_lead(contact_id: int, inbox: int) -> str:
    """Return the id as a source record of a contact's lead for one more inbox."""
    return f"{contact_id}/{inbox}"


def contact_of(source_id: str) -> int:
    """Return whose source record one of a contact, of a lead or of its stage is."""
    return int(source_id.partition("/")[0])


def inbox_of(source_id: str) -> int | None:
    """Return the inbox of a lead for a further one, or of its stage; None of any other source record."""
    inbox = source_id.partition("/")[2]
    return int(inbox) if inbox else None


def _hash_of(fields: Any, tags: list[str] | None) -> bytes:
    # Without tags it is what it was before there were any.
    return stable_hash({"fields": fields, "tags": tags} if tags else fields)


@dataclass(frozen=True, slots=True)
class SkippedContact:
    """A contact that is left out, and why."""

    contact_id: int
    reason: Skip


def desired_to_json(desired: DesiredContact | DesiredLead) -> str:
    """Return what is wanted as JSON text."""
    return compact_json(desired).decode("utf-8", "surrogatepass")
