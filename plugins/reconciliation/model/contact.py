"""Chatwoot contact to Krayin person, lead and organization, as declarations."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from chatwoot.records import Handling
from krayin.catalogue import EmailDemand
from krayin.text import (
    NAME_CHARACTERS,
    TEXT_BYTES,
    cut_bytes,
    cut_characters,
    fit_email,
    fit_lead_value,
    fold_email,
    fold_name,
)

from reconciliation.model.desired_contact import (
    DesiredContact,
    DesiredLead,
    DesiredOrganization,
    Fields,
    LeadTarget,
    Skip,
    SkippedContact,
)
from reconciliation.model.field_source import CRM_FIELDS
from reconciliation.model.field_values import as_text, digits, folded, number_of, plain
from reconciliation.model.owner import FIXED_OWNER
from reconciliation.model.phones import normalise_phone, phone_key
from reconciliation.model.stored_text import stored_text, visible_text
from reconciliation.model.text_template import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime, tzinfo

    from chatwoot.records import Contact, InboxContact

    from reconciliation.model.field_source import FilledField
    from reconciliation.model.lead_choices import LeadChoices
    from reconciliation.model.owner import OwnerRules
    from reconciliation.model.text_template import TextTemplate

_NUMBERS = (int, float, Decimal)
_LEFT_OUT = object()

COMPANY_ATTRIBUTES = ("company_name", "company", "organization")
# Krayin's own address form has these keys; the street stands in `address`.
ADDRESS_ATTRIBUTES = {
    "address": "company_address",
    "city": "company_city",
    "state": "company_state",
    "country": "company_country",
    "postcode": "company_zipcode",
}
_EARLIER_ID = re.compile(r"krayin:(person|lead|organization):([0-9]{1,18})")
PLACEHOLDER_DOMAIN = "chatwoot.invalid"
_PLACEHOLDER_END = f".{PLACEHOLDER_DOMAIN}"
HAS_ONE = "it has one already"
"""What decides about the lead of a contact whom the rules would give none."""


class ContactReading:
    """Reads one contact by the rules and collects warnings.

    `inbox` is the name of the one whose lead is meant, "" where one lead is for all. `email` is "" and
    `phones` is empty where there is none; phones are in E.164 as far as possible.
    """

    __slots__ = ("_attributes", "_sources", "contact", "email", "inbox", "phones", "rules", "warnings")

    def __init__(self, contact: Contact, rules: MappingRules) -> None:
        self.contact = contact
        self.inbox = ""
        self.rules = rules
        self.warnings: list[str] = []
        phone = stored_text(contact.phone_number)
        self.phones = (normalise_phone(phone, rules.phone_region) or phone,) if phone else ()
        given = stored_text(contact.email)
        # Of whom nothing else is known, Krayin is to say what is wrong.
        self.email = fit_email(given) or ("" if self.phones else given)
        if self.email != given:
            how = "is sent in quotes" if self.email else "was left out"
            self.warnings.append(f"an e-mail that Krayin would refuse {how}")
        self._sources = contact.additional_attributes, contact.custom_attributes
        self._attributes: dict[str, str | None] = {}

    def attribute(self, name: str) -> str | None:
        """Return an attribute as text without outer blanks, None when absent or blank.

        `additional_attributes` (what Chatwoot's own form writes) go before `custom_attributes`.
        """
        known = self._attributes
        if name in known:
            return known[name]
        text = None
        for attributes in self._sources:
            value = attributes.get(name)
            if value is not None and (text := _text_of(value)) is not None:
                break
        known[name] = text
        return text

    def raw(self, filled: FilledField) -> Any:
        """Return what a rule of one's own fills a field with, as Chatwoot has it; None for nothing.

        Raises:
            ValueError: its template does not work for this contact.
        """
        if filled.attribute is not None:
            places = self.contact.custom_attributes, self.contact.additional_attributes
            values = (one.get(filled.attribute) for one in places)
            return next((value for value in values if value not in (None, "", [])), None)
        if filled.template is not None:
            return filled.template.value(_values(self, _contact_name(self)))
        match filled.field:
            case "email":
                return self.email
            case "phone":
                return self.phones[0] if self.phones else None
            case "labels":
                return list(self.contact.labels)
            case own:
                return getattr(self.contact, own or "id")

    def own(self, kind: str, field: str) -> str | None:
        """Return the text by which a rule of one's own fills one of Krayin's own fields, None without one."""
        filled = self.rules.fields.get(kind, {}).get(field)
        return None if filled is None else as_text(self.raw(filled), self.rules.zone)

    def cut(self, name: str, value: str) -> str:
        """Return the value of a field as it fits into Krayin's column."""
        cut = cut_characters(value, NAME_CHARACTERS)
        if cut != value:
            self.warnings.append(f"{name} cut to {NAME_CHARACTERS} characters")
        return cut


def _text_of(value: Any) -> str | None:
    if isinstance(value, str):
        return stored_text(value) or None
    if isinstance(value, bool) or not isinstance(value, _NUMBERS):
        return None
    return stored_text(plain(value)) or None


@dataclass(frozen=True, slots=True)
class MappingRules:
    """The settings the mapping depends on.

    `fields` are those that a rule of one's own fills, by CRM kind and code in Krayin. `history_start` is an
    aware instant or None; `zone` that of the account; `templates` the texts of one's own, by place. With
    `make_leads` those contacts get a lead for whom the rule of the reading holds. `tag_kinds` are the CRM
    kinds on which labels are put as tags, `tag_names` gives the tag of each label that becomes one, None: all
    do, under their own names. `lead_rule` is how the settings call the rule for leads. `inboxes` are the
    names of the account's, by id, where each in which a contact has conversations gets a lead of its own.
    """

    phone_region: str | None = None
    skip_blocked: bool = True
    skip_phone_only: bool = False
    link_organizations: bool = False
    history_start: datetime | None = None
    zone: tzinfo = UTC
    templates: Mapping[str, TextTemplate] = field(default_factory=dict)
    make_leads: bool = True
    lead_rule: str = "leads.create: always"
    owners: OwnerRules | None = None
    lead_choices: LeadChoices | None = None
    tag_kinds: tuple[str, ...] = ()
    tag_names: Mapping[str, str] | None = None
    fields: Mapping[str, Mapping[str, FilledField]] = field(default_factory=dict)
    inboxes: Mapping[int, str] | None = None


def _contact_name(reading: ContactReading) -> str:
    name = visible_text(reading.contact.name) or visible_text(reading.email.rpartition("@")[0].strip('"'))
    return reading.cut("name", name or next(iter(reading.phones), reading.email))


def _display_name(reading: ContactReading) -> str:
    own = ""
    with suppress(ValueError):
        own = visible_text(reading.own("person", "name"))
    return reading.cut("name", own) if own else _contact_name(reading)


def _lead_title(reading: ContactReading) -> str:
    return reading.cut("title", _lead_text("lead_title", reading))


def _lead_text(place: str, reading: ContactReading) -> str:
    own = reading.rules.templates
    return text_of(place, _values(reading, _display_name(reading), with_attributes=bool(own)), own)


def _values(reading: ContactReading, name: str, *, with_attributes: bool = True) -> dict[str, Any]:
    """Return what templates of a contact may name."""
    contact = reading.contact
    values: dict[str, Any] = {
        "name": name,
        "email": reading.email,
        "phone": ", ".join(reading.phones),
        "identifier": stored_text(contact.identifier),
        "company": company_name(reading) or "",
        "contact_id": str(contact.id),
        "inbox": reading.inbox,
        "about": reading.attribute("description") or "",
        **{one: reading.attribute(one) or "" for one in ("job_title", "city", "country")},
    }
    if with_attributes:
        values["attributes"] = shown_values(contact.additional_attributes, contact.custom_attributes)
    return values


def shown_values(*attributes: Mapping[str, Any]) -> dict[str, str]:
    """Return attributes for reading; of the same name the last one that is filled."""
    return {name: text for one in attributes for name, value in one.items() if (text := as_text(value))}


def _emails(reading: ContactReading) -> list[str]:
    return [reading.email] if reading.email else []


def _phones(reading: ContactReading) -> list[str]:
    return [*reading.phones]


def _job_title(reading: ContactReading) -> str | None:
    own = reading.own("person", "job_title")
    value = reading.attribute("job_title") if own is None else own
    return reading.cut("job_title", value) if value else None


def _organization_name(reading: ContactReading) -> str | None:
    if not reading.rules.link_organizations:
        return None
    name = company_name(reading)
    # A name of nothing but accents is to Krayin the same as no name.
    return reading.cut("organization", name) if name and folded(name).strip() else None


def _lead_value(reading: ContactReading) -> Any:
    own = reading.own("lead", "lead_value")
    raw = reading.attribute("lead_value") if own is None else own
    if not raw:
        return None
    value, warning = _fitting_lead_value(raw)
    if warning:
        reading.warnings.append(warning)
    return _LEFT_OUT if value is None else value


@lru_cache(maxsize=4096)
def _fitting_lead_value(raw: str) -> tuple[str | None, str | None]:
    """Return the lead value that Krayin's column takes for `raw`, and a warning if that is another one."""
    value = number_of(raw)
    if value is None:
        return None, "lead_value is not a number and was left out"
    # Far outside the column rounding fails; the clamp makes any sane bound equal to it.
    fitting = fit_lead_value(min(max(value, Decimal(-1)), Decimal(10) ** 9))
    return digits(fitting), None if fitting == value else "lead_value changed to fit Krayin's column"


def _description(reading: ContactReading) -> str:
    text = _lead_text("lead_description", reading)
    cut = cut_bytes(text, TEXT_BYTES)
    if cut != text:
        reading.warnings.append(f"description cut to {TEXT_BYTES} bytes")
    return cut


@dataclass(frozen=True, slots=True)
class Field:
    """One Krayin field and where its value comes from; what it reads may be `_LEFT_OUT`."""

    target: str
    source: str
    read: Callable[[ContactReading], Any]


PERSON_FIELDS = (
    Field("name", "name, else the e-mail's local part, else the phone", _display_name),
    Field("emails", "email", _emails),
    Field("phones", "phone_number in E.164", _phones),
    Field("job_title", "attribute job_title", _job_title),
    Field("organization", "attribute company_name, company or organization", _organization_name),
)
LEAD_FIELDS = (
    Field("title", "the person's name", _lead_title),
    Field("lead_value", "attribute lead_value", _lead_value),
    Field("description", "what Chatwoot knows of the contact", _description),
)


def map_contact(
    contact: Contact,
    rules: MappingRules,
    *,
    mapped: bool = False,
    has_lead: bool = False,
    inbox: int | None = None,
) -> DesiredContact | SkippedContact:
    """Return what Krayin should hold for `contact`, or why it is left out.

    `mapped` says that Krayin already has it through us: then `history` no longer bounds it. With `has_lead`
    it has a lead, which goes on being written whatever the rules say. `inbox` is the one whose lead that was
    made or taken for, where each has its own; else it is that of the oldest conversation.
    """
    reading = ContactReading(contact, rules)
    reason = _skip(reading, mapped=mapped)
    if reason is not None:
        return SkippedContact(contact.id, reason)
    owner, owner_rule, unknown = (
        (None, FIXED_OWNER, []) if rules.owners is None else rules.owners.choose(contact)
    )
    reading.warnings += [] if mapped else unknown
    person = _fields("person", PERSON_FIELDS, reading)
    organization = _organization(reading, person["organization"])
    lead, target = None, None
    where: dict[str, str] = {}
    wants_lead = rules.make_leads and contact.wants_lead
    tags = _tags(contact.labels, rules)
    inbox = _first_inbox(contact, rules, inbox)
    in_inbox = next((one for one in contact.by_inbox if one.inbox_id == inbox), None)
    if has_lead or wants_lead:
        if inbox is not None:
            reading.contact = _within(contact, inbox, in_inbox)
            reading.inbox = (rules.inboxes or {}).get(inbox, "")
        lead = _fields("lead", LEAD_FIELDS, reading)
        target, where, warnings = _target(reading)
        reading.warnings += [] if has_lead else warnings
        if in_inbox is not None and "lead" in tags:
            tags["lead"] = _tag_names((*contact.labels, *in_inbox.labels), rules)
    return DesiredContact(
        contact_id=contact.id,
        person=person,
        lead=lead,
        organization=organization,
        natural_keys=natural_keys(person["emails"], person["phones"], rules.phone_region),
        adopt=earlier_ids(contact),
        warnings=tuple(dict.fromkeys(reading.warnings)) if reading.warnings else (),
        changed_at=contact.updated_at,
        owner=owner,
        target=target,
        tags=tags,
        inbox=inbox,
        decided={
            "lead": HAS_ONE if has_lead and not wants_lead else rules.lead_rule,
            "owner": owner_rule,
            **where,
        },
    )


def map_further_leads(
    contact: Contact, rules: MappingRules, inbox: int | None, having: AbstractSet[int] = frozenset()
) -> Iterator[tuple[DesiredLead, list[str]]]:
    """Yield the leads of a contact that is brought over for the inboxes beside its own lead's, with warnings.

    `inbox` is that of its own lead. In those of `having` it has one, which goes on being written whatever the
    rules say.
    """
    if rules.inboxes is None:
        return
    for in_inbox in contact.by_inbox:
        has_lead = in_inbox.inbox_id in having
        if in_inbox.inbox_id == inbox or not (has_lead or (rules.make_leads and contact.wants_lead)):
            continue
        reading = ContactReading(_within(contact, in_inbox.inbox_id, in_inbox), rules)
        reading.inbox = rules.inboxes.get(in_inbox.inbox_id, "")
        # What there is to say of the contact is said with it.
        reading.warnings.clear()
        lead = _fields("lead", LEAD_FIELDS, reading)
        target, _, warnings = _target(reading)
        tags = _tag_names((*contact.labels, *in_inbox.labels), rules) if "lead" in rules.tag_kinds else None
        yield (
            DesiredLead(
                contact.id,
                in_inbox.inbox_id,
                lead,
                target or LeadTarget(),
                tags=tags,
                changed_at=contact.updated_at,
                active_at=in_inbox.last_activity_at,
            ),
            reading.warnings + ([] if has_lead else warnings),
        )


def _first_inbox(contact: Contact, rules: MappingRules, known: int | None) -> int | None:
    """Return the inbox whose lead a contact's own is: once it has one that stays, whatever is said later."""
    if rules.inboxes is None:
        return None
    return known if known is not None else next((one.inbox_id for one in contact.by_inbox), None)


def _within(contact: Contact, inbox: int, in_inbox: InboxContact | None) -> Contact:
    """Return a contact as one inbox knows it."""
    return replace(contact, handling=Handling(inbox) if in_inbox is None else in_inbox.handling)


def _target(reading: ContactReading) -> tuple[LeadTarget | None, dict[str, str], list[str]]:
    """Return where a new lead goes, by which rules, and warnings; its owner too where it is of one inbox."""
    rules, contact = reading.rules, reading.contact
    target, where, warnings = (
        (None, {}, []) if rules.lead_choices is None else rules.lead_choices.choose(contact)
    )
    if rules.inboxes is not None and rules.owners is not None:
        owner, _, unknown = rules.owners.choose(contact)
        target, warnings = replace(target or LeadTarget(), owner=owner or 0), [*warnings, *unknown]
    return target, where, warnings


def _fields(kind: str, fields: Sequence[Field], reading: ContactReading) -> Fields:
    """Return the fields of one kind of record; what could not be converted is absent: it stays in Krayin."""
    found: Fields = {}
    for one in fields:
        try:
            value = one.read(reading)
        except ValueError as error:
            reading.warnings.append(f"{one.target}: its template {error}, left out")
        else:
            found |= {} if value is _LEFT_OUT else {one.target: value}
    return {**found, "custom": _custom(kind, reading)}


def _tags(labels: Sequence[str], rules: MappingRules) -> dict[str, list[str]]:
    """Return the tags that a contact's labels ask for, by CRM kind; a kind without tags is left out."""
    return dict.fromkeys(rules.tag_kinds, _tag_names(labels, rules)) if rules.tag_kinds else {}


def _tag_names(labels: Sequence[str], rules: MappingRules) -> list[str]:
    names = rules.tag_names
    chosen = [one if names is None else names[one] for one in labels if names is None or one in names]
    # To Krayin these are the same in other letters.
    return sorted({fold_name(name): name for name in chosen}.values())


def natural_keys(emails: list[str], phones: list[str], region: str | None) -> tuple[str, ...]:
    """Return the keys by which a person with these e-mails and phones is recognised."""
    keys = [
        f"email:{folded_email}"
        for email in emails
        if (folded_email := fold_email(email)) and not folded_email.endswith(_PLACEHOLDER_END)
    ]
    for phone in phones:
        key = phone_key(phone, region)
        if key:
            keys.append(f"phone:{key}")
    return tuple(dict.fromkeys(keys)) if len(keys) > 1 else tuple(keys)


def addresses_where(person: Fields, region: str | None, keep: Callable[[set[str]], bool]) -> Fields:
    """Return those of a person's e-mails and phones that `keep` takes, told by their natural keys."""
    return {
        "emails": [one for one in person["emails"] if keep({*natural_keys([one], [], region)})],
        "phones": [one for one in person["phones"] if keep({*natural_keys([], [one], region)})],
    }


def placeholder_email(account_id: int, contact_id: int) -> str:
    """Return the reserved address of a contact without one; nobody can receive mail there (RFC 2606)."""
    return f"contact-{contact_id}@account-{account_id}.{PLACEHOLDER_DOMAIN}"


def with_address(
    person: Fields,
    account_id: int,
    contact_id: int,
    demand: EmailDemand,
    last_sent: Mapping[str, Any] | None = None,
) -> Fields:
    """Return the person's fields with a reserved address where Krayin demands one and there is none.

    One without a phone either needs it in any case: to Krayin, which makes a unique key of owner,
    organization, e-mail and phone, two persons without all of these are one. `last_sent` are the fields the
    person was given before, if any.
    """
    given = bool((last_sent or {}).get("emails"))
    demanded = demand is EmailDemand.ALWAYS or (demand is EmailDemand.ONCE_GIVEN and given)
    if person["emails"] or (person["phones"] and not demanded):
        return person
    return {**person, "emails": [placeholder_email(account_id, contact_id)]}


def is_placeholder(email: str) -> bool:
    """Tell whether `email` was made by `placeholder_email`."""
    return fold_email(email).endswith(_PLACEHOLDER_END)


def company_name(reading: ContactReading) -> str | None:
    """Return the company a contact names, by the first attribute that is filled."""
    for key in COMPANY_ATTRIBUTES:
        name = visible_text(reading.attribute(key))
        if name:
            return name
    return None


def earlier_ids(contact: Contact) -> dict[str, int]:
    """Return the CRM ids an earlier integration kept in `contact_inboxes.source_id`, by CRM kind."""
    found: dict[str, int] = {}
    for inbox in contact.inboxes:
        if inbox.source_id.startswith("krayin:"):
            for entry in inbox.source_id.split("|"):
                match = _EARLIER_ID.fullmatch(entry.strip())
                if match and int(match[2]):
                    found[match[1]] = int(match[2])
    return found


def _skip(reading: ContactReading, *, mapped: bool) -> Skip | None:
    contact, rules = reading.contact, reading.rules
    if rules.skip_blocked and contact.blocked:
        return Skip.BLOCKED
    if not reading.email and not reading.phones:
        return Skip.NO_EMAIL_OR_PHONE
    if not reading.email and rules.skip_phone_only:
        return Skip.PHONE_ONLY
    if not mapped and rules.history_start is not None:
        latest = max(contact.created_at, contact.last_activity_at or contact.created_at)
        if latest < rules.history_start:
            return Skip.BEFORE_HISTORY
    return None


def _organization(reading: ContactReading, name: str | None) -> DesiredOrganization | None:
    if name is None:
        return None
    address = {
        key: value for key, source in ADDRESS_ATTRIBUTES.items() if (value := reading.attribute(source))
    }
    return DesiredOrganization(
        folded_name=folded(name),
        name=name,
        address={key: address.get(key, "") for key in ADDRESS_ATTRIBUTES} if address else None,
        custom=_custom("organization", reading),
    )


def _custom(kind: str, reading: ContactReading) -> Fields:
    values: Fields = {}
    for code, filled in reading.rules.fields.get(kind, {}).items():
        if code in CRM_FIELDS[kind]:
            continue
        try:
            value = filled.type.value(reading.raw(filled), reading.rules.zone)
        except ValueError as error:
            reading.warnings.append(f"{code}: {error}")
        else:
            if value not in (None, []) or filled.type.can_be_emptied:
                values[code] = value
    return values
