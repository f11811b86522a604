"""Chatwoot contact to Krayin person, lead and organization, as declarations."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from krayin.folding import fold_email, fold_name
from krayin.limits import NAME_CHARACTERS, TEXT_BYTES, cut_bytes, cut_characters, fit_lead_value
from krayin.text import clean_json

from reconciliation.desired import DesiredContact, DesiredOrganization, Fields, Skip, SkippedContact
from reconciliation.phones import normalise_phone, phone_key
from reconciliation.stored_text import stored_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from chatwoot.records import Contact

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
_TRUE = {"true", "yes", "on", "y", "t"}
_FALSE = {"false", "no", "off", "n", "f"}
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# Krayin takes a price of up to four decimals and keeps it as a double, exact to fifteen digits.
_PRICE_STEP = Decimal("0.0001")
_PRICE_END = Decimal(10) ** 11


@dataclass(frozen=True, slots=True)
class MappingRules:
    """The settings the mapping depends on.

    `custom_types` gives the Krayin type (text, boolean, ...) of each configured attribute code,
    by CRM kind. `history_start` is an aware instant or None.
    """

    phone_region: str | None = None
    skip_blocked: bool = True
    skip_phone_only: bool = False
    link_organizations: bool = False
    history_start: datetime | None = None
    custom_fields: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    custom_types: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


class _Notes:
    """Collects the warnings of one contact."""

    __slots__ = ("warnings",)

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def text(self, name: str, value: str) -> str:
        cut = cut_characters(value, NAME_CHARACTERS)
        if cut != value:
            self.warnings.append(f"{name} cut to {NAME_CHARACTERS} characters")
        return cut


def _display_name(contact: Contact, rules: MappingRules, notes: _Notes) -> str:
    email = stored_text(contact.email)
    local_part = stored_text(email.partition("@")[0])
    names = (stored_text(contact.name), local_part, *_phones(contact, rules, notes), email)
    return notes.text("name", next(name for name in names if name))


def _emails(contact: Contact, _rules: MappingRules, _notes: _Notes) -> list[str]:
    email = stored_text(contact.email)
    return [email] if email else []


def _phones(contact: Contact, rules: MappingRules, _notes: _Notes) -> list[str]:
    phone = stored_text(contact.phone_number)
    return [normalise_phone(phone, rules.phone_region) or phone] if phone else []


def _job_title(contact: Contact, _rules: MappingRules, notes: _Notes) -> str | None:
    value = attribute(contact, "job_title")
    return notes.text("job_title", value) if value else None


def _organization_name(contact: Contact, rules: MappingRules, notes: _Notes) -> str | None:
    if not rules.link_organizations:
        return None
    name = company_name(contact)
    # A name of nothing but accents is to Krayin the same as no name.
    return notes.text("organization", name) if name and fold_name(name).strip() else None


def _lead_value(contact: Contact, _rules: MappingRules, notes: _Notes) -> str | None:
    raw = attribute(contact, "lead_value")
    if raw is None:
        return None
    value = _number(raw)
    if value is None:
        notes.warnings.append("lead_value is not a number and was left out")
        return None
    # Far outside the column rounding fails; the clamp makes any sane bound equal to it.
    fitting = fit_lead_value(min(max(value, Decimal(-1)), Decimal(10) ** 9))
    if fitting != value:
        notes.warnings.append("lead_value changed to fit Krayin's column")
    return _digits(fitting)


def _description(contact: Contact, rules: MappingRules, notes: _Notes) -> str:
    place = ", ".join(part for part in (attribute(contact, "city"), attribute(contact, "country")) if part)
    lines = {
        "Chatwoot contact": str(contact.id),
        "Identifier": stored_text(contact.identifier),
        "E-mail": ", ".join(_emails(contact, rules, notes)),
        "Phone": ", ".join(_phones(contact, rules, notes)),
        "Company": company_name(contact),
        "Job title": attribute(contact, "job_title"),
        "Location": place,
        "About": attribute(contact, "description"),
    }
    text = "\n".join(f"{label}: {value}" for label, value in lines.items() if value)
    cut = cut_bytes(text, TEXT_BYTES)
    if cut != text:
        notes.warnings.append(f"description cut to {TEXT_BYTES} bytes")
    return cut


@dataclass(frozen=True, slots=True)
class Field:
    """One Krayin field and where its value comes from."""

    target: str
    source: str
    read: Callable[[Contact, MappingRules, _Notes], Any]


PERSON_FIELDS = (
    Field("name", "name, else the e-mail's local part, else the phone", _display_name),
    Field("emails", "email", _emails),
    Field("phones", "phone_number in E.164", _phones),
    Field("job_title", "attribute job_title", _job_title),
    Field("organization", "attribute company_name, company or organization", _organization_name),
)
LEAD_FIELDS = (
    Field("title", "the person's name", _display_name),
    Field("lead_value", "attribute lead_value", _lead_value),
    Field("description", "what Chatwoot knows of the contact", _description),
)


def map_contact(
    contact: Contact, rules: MappingRules, *, mapped: bool = False
) -> DesiredContact | SkippedContact:
    """Return what Krayin should hold for `contact`, or why it is left out.

    `mapped` says that Krayin already has it through us: then `history` no longer bounds it.
    """
    reason = _skip(contact, rules, mapped=mapped)
    if reason is not None:
        return SkippedContact(contact.id, reason)
    notes = _Notes()
    person: Fields = {field.target: field.read(contact, rules, notes) for field in PERSON_FIELDS}
    lead: Fields = {field.target: field.read(contact, rules, notes) for field in LEAD_FIELDS}
    person["custom"] = _custom("person", contact, rules, notes)
    lead["custom"] = _custom("lead", contact, rules, notes)
    return DesiredContact(
        contact_id=contact.id,
        person=person,
        lead=lead,
        organization=_organization(contact, rules, notes, person["organization"]),
        natural_keys=natural_keys(person["emails"], person["phones"], rules.phone_region),
        adopt=earlier_ids(contact),
        warnings=tuple(dict.fromkeys(notes.warnings)),
        changed_at=contact.updated_at,
    )


def natural_keys(emails: list[str], phones: list[str], region: str | None) -> tuple[str, ...]:
    """Return the keys by which a person with these e-mails and phones is recognised."""
    keys = [f"email:{fold_email(email)}" for email in emails if email.strip() and not is_placeholder(email)]
    for phone in phones:
        key = phone_key(phone, region)
        if key:
            keys.append(f"phone:{key}")
    return tuple(dict.fromkeys(keys))


PLACEHOLDER_DOMAIN = "chatwoot.invalid"


def placeholder_email(account_id: int, contact_id: int) -> str:
    """Return the reserved address of a contact without one; nobody can receive mail there (RFC 2606)."""
    return f"contact-{contact_id}@account-{account_id}.{PLACEHOLDER_DOMAIN}"


def is_placeholder(email: str) -> bool:
    """Tell whether `email` was made by `placeholder_email`."""
    return fold_email(email).endswith(f".{PLACEHOLDER_DOMAIN}")


def attribute(contact: Contact, name: str) -> str | None:
    """Return an attribute as text without outer blanks, None when absent or blank.

    `additional_attributes` (what Chatwoot's own form writes) go before `custom_attributes`.
    """
    for attributes in (contact.additional_attributes, contact.custom_attributes):
        value = attributes.get(name)
        if isinstance(value, str | int | float | Decimal) and not isinstance(value, bool):
            text = stored_text(_plain(value))
            if text:
                return text
    return None


def _plain(value: Any) -> str:
    # A number beyond what JSON readers hold comes as infinity, which says nothing.
    return "" if isinstance(value, float) and not math.isfinite(value) else str(value)


def company_name(contact: Contact) -> str | None:
    """Return the company a contact names, by the first attribute that is filled."""
    return next((name for key in COMPANY_ATTRIBUTES if (name := attribute(contact, key))), None)


def earlier_ids(contact: Contact) -> dict[str, int]:
    """Return the CRM ids an earlier integration kept in `contact_inboxes.source_id`, by CRM kind."""
    entries = (
        entry
        for inbox in contact.inboxes
        if inbox.source_id.startswith("krayin:")
        for entry in inbox.source_id.split("|")
    )
    found = (_EARLIER_ID.fullmatch(entry.strip()) for entry in entries)
    return {entry[1]: int(entry[2]) for entry in found if entry and int(entry[2])}


def _skip(contact: Contact, rules: MappingRules, *, mapped: bool) -> Skip | None:
    email, phone = stored_text(contact.email), stored_text(contact.phone_number)
    if rules.skip_blocked and contact.blocked:
        return Skip.BLOCKED
    if not email and not phone:
        return Skip.NO_EMAIL_OR_PHONE
    if not email and rules.skip_phone_only:
        return Skip.PHONE_ONLY
    if not mapped and rules.history_start is not None:
        latest = max(contact.created_at, contact.last_activity_at or contact.created_at)
        if latest < rules.history_start:
            return Skip.BEFORE_HISTORY
    return None


def _organization(
    contact: Contact, rules: MappingRules, notes: _Notes, name: str | None
) -> DesiredOrganization | None:
    if name is None:
        return None
    address = {
        key: value for key, source in ADDRESS_ATTRIBUTES.items() if (value := attribute(contact, source))
    }
    return DesiredOrganization(
        folded_name=fold_name(name),
        name=name,
        address={key: address.get(key, "") for key in ADDRESS_ATTRIBUTES} if address else None,
        custom=_custom("organization", contact, rules, notes),
    )


def _custom(kind: str, contact: Contact, rules: MappingRules, notes: _Notes) -> Fields:
    types = rules.custom_types.get(kind, {})
    values: Fields = {}
    for source, code in rules.custom_fields.get(kind, {}).items():
        sources = contact.custom_attributes, contact.additional_attributes
        raw = next((found for one in sources if (found := one.get(source)) not in (None, "")), None)
        try:
            values[code] = custom_value(raw, types.get(code, "text"))
        except ValueError as error:
            notes.warnings.append(f"{code}: {error}")
    return values


def custom_value(raw: Any, krayin_type: str) -> Any:
    """Return a Chatwoot attribute in the form Krayin's attribute type takes; None for blank.

    Raises:
        ValueError: the value cannot be put into that form; the message names the type, not the value.
    """
    text = _as_text(raw)
    if not text:
        return None
    match krayin_type:
        case "boolean":
            return _boolean(text)
        case "price":
            return _price(text)
        case "date":
            return _day(text)
        case _:
            return cut_bytes(text, TEXT_BYTES)


def _boolean(text: str) -> int:
    word = text.casefold()
    number = _number(word)
    if number is None and word not in _TRUE | _FALSE:
        message = "is neither yes nor no, left out"
        raise ValueError(message)
    return int(word in _TRUE if number is None else number != 0)


def _price(text: str) -> str:
    number = _number(text)
    if number is None:
        message = "is not a number, left out"
        raise ValueError(message)
    if not 0 <= number < _PRICE_END:
        message = "is negative or too large for a price, left out"
        raise ValueError(message)
    return _digits(number.quantize(_PRICE_STEP, rounding=ROUND_HALF_UP))


def _day(text: str) -> str:
    try:
        if _DAY.match(text):
            return date.fromisoformat(text[:10]).isoformat()
    except ValueError:
        pass
    message = "is not a date (YYYY-MM-DD), left out"
    raise ValueError(message)


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _digits(number: Decimal) -> str:
    # A nought may carry a sign.
    return f"{number.normalize():f}" if number else "0"


def _as_text(raw: Any) -> str:
    match raw:
        case None:
            return ""
        case bool():
            return "yes" if raw else "no"
        case list():
            return ", ".join(text for item in raw if (text := _as_text(item)))
        case dict():
            return stored_text(json.dumps(clean_json(raw), ensure_ascii=False, sort_keys=True)) if raw else ""
        case _:
            return stored_text(_plain(raw))
