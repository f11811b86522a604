"""Contacts and catalogues for the tests of the pure modules, plain ones and absurd ones."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from chatwoot.records import Contact, ContactInbox
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from krayin.catalogue import Attribute, Catalogue, LeadType, Pipeline, Source, Stage, User
from reconciliation.model.field_source import FilledField
from reconciliation.model.field_values import FieldType

if TYPE_CHECKING:
    from collections.abc import Mapping

# A busy machine is no failure.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

NOON = datetime(2026, 5, 5, 12, tzinfo=UTC)
CUSTOM_TYPES = {
    "c_text": "text",
    "c_area": "textarea",
    "c_flag": "boolean",
    "c_price": "price",
    "c_day": "date",
}

AWKWARD = (
    "", " ", "\u200b", "\ufeff x\u200b", "\u0301", "e\u0301", "\u00e9", "مرحبا بك", "👩‍👩‍👧‍👦", "a\0b", "\ud83d", "\ud83d\ude00",
    "x" * 300, "é" * 300, "😀" * 17_000, "<b>x</b>", "a\r\nb", "null", "0", "-1", "NaN", "sNaN", "Infinity", "1e999999",
    "1e-999999", "1e99999999999999999999", "12,50", "1_000", "2026-02-30", "2026-13-45", "2026-01-31T00:00:00.000Z",
    "true", "No", "krayin:person:5", "@example.com", "a@b", "+", "+49 170 1234567", "0170-123", "٠١٢٣٤٥٦", " x" * 2_000,
)  # fmt: skip

texts = st.one_of(st.sampled_from(AWKWARD), st.text(max_size=20))
numbers = st.one_of(st.integers(), st.floats(), st.just(10**400), st.just(-0.0))
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=4,
)
ATTRIBUTES = (
    "job_title", "lead_value", "company_name", "company", "organization", "city", "country", "description",
    "company_address", "company_city", "company_state", "company_country", "company_zipcode",
    "text", "area", "flag", "price", "day",
)  # fmt: skip
attributes = st.dictionaries(st.sampled_from(ATTRIBUTES), json_values, max_size=8)


def contact(**given: Any) -> Contact:
    """Return Anna, with some fields different."""
    return Contact(
        **{
            "id": 7,
            "account_id": 1,
            "name": "Anna Meyer",
            "last_name": "",
            "middle_name": "",
            "email": "anna@example.com",
            "phone_number": "+491701234567",
            "identifier": None,
            "contact_type": 1,
            "blocked": False,
            "location": "",
            "country_code": "",
            "additional_attributes": {},
            "custom_attributes": {},
            "last_activity_at": None,
            "created_at": NOON,
            "updated_at": NOON,
            "labels": (),
            "inboxes": (ContactInbox(1, "source-1"),),
            **given,
        }
    )


contacts = st.builds(
    contact,
    name=texts,
    email=st.none() | texts,
    phone_number=st.none() | texts,
    identifier=st.none() | texts,
    additional_attributes=attributes,
    custom_attributes=attributes,
    inboxes=st.lists(st.builds(ContactInbox, st.integers(1, 3), texts), max_size=2).map(tuple),
)


def filled(sources: Mapping[str, str]) -> dict[str, FilledField]:
    """Return what fills attributes of `CUSTOM_TYPES`, given their codes by Chatwoot's attributes."""
    return {code: FilledField(source, type=FieldType(CUSTOM_TYPES[code])) for source, code in sources.items()}


def attribute(code: str, kind: str, entity_type: str = "persons", *, custom: bool = True) -> Attribute:
    """Return an attribute of Krayin."""
    return Attribute(1, code, code, kind, entity_type, False, False, custom, None)


def catalogue(**given: Any) -> Catalogue:
    """Return what a freshly installed Krayin has, with a second pipeline and some custom attributes."""
    admin = User(1, "Example", "admin@example.com", True, "global")
    stages = ("new", "follow-up", "prospect", "negotiation", "won", "lost")
    return Catalogue(
        **{
            "pipelines": (
                Pipeline(2, "Partners", False, (Stage(7, "new", "New"), Stage(8, "won", "Won"))),
                Pipeline(
                    1,
                    "Default Pipeline",
                    True,
                    tuple(Stage(number, code, code.title()) for number, code in enumerate(stages, 1)),
                ),
            ),
            "sources": (Source(1, "Email"), Source(3, "Web Form"), Source(2, "Web"), Source(4, "Phone")),
            "types": (LeadType(2, "Existing Business"), LeadType(1, "New Business")),
            "attributes": (
                attribute("name", "text", custom=False),
                *(attribute(code, kind) for code, kind in CUSTOM_TYPES.items()),
                attribute("colours", "multiselect"),
                attribute("photo", "image"),
                attribute("score", "text", "leads"),
            ),
            "users": (admin,),
            "user": admin,
            **given,
        }
    )
