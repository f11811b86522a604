"""A Chatwoot contact as the mapping reads it: every text cleaned once, however many fields it goes into."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from krayin.text import NAME_CHARACTERS, cut_characters

from reconciliation.values.phones import normalise_phone
from reconciliation.values.stored_text import stored_text

if TYPE_CHECKING:
    from chatwoot.records import Contact

    from reconciliation.mapping.contact import MappingRules

_NUMBERS = (int, float, Decimal)


class ContactReading:
    """Reads one contact by the rules and collects warnings.

    `email` is "" and `phones` is empty where there is none; phones are in E.164 as far as possible.
    """

    __slots__ = ("_attributes", "_sources", "contact", "email", "phones", "rules", "warnings")

    def __init__(self, contact: Contact, rules: MappingRules) -> None:
        self.contact = contact
        self.rules = rules
        self.warnings: list[str] = []
        self.email = stored_text(contact.email)
        phone = stored_text(contact.phone_number)
        self.phones = (normalise_phone(phone, rules.phone_region) or phone,) if phone else ()
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


def plain(value: Any) -> str:
    """Return a text or number as text."""
    # A number beyond what JSON readers hold comes as infinity, which says nothing.
    return "" if isinstance(value, float) and not math.isfinite(value) else str(value)
