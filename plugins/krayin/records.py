"""What Krayin returns, as frozen values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from krayin.json_values import (
    integer_of,
    integer_or_none,
    list_of,
    moment_of,
    object_of,
    related_id,
    text_of,
    values_of,
)
from krayin.payloads import Labelled, is_no_number

if TYPE_CHECKING:
    from decimal import Decimal

T = TypeVar("T")

_MAILED_TYPES = frozenset({"call", "meeting", "lunch"})
_FARTHEST_EAST = timedelta(hours=14)
# Ten o'clock is midnight in Hawaii; what is later is the midnight before in New Zealand and west of it.
_NEXT_DAY_FROM = timedelta(hours=13, minutes=59)


def labelled_rows(value: Any, what: str) -> tuple[Labelled, ...]:
    """Return the e-mails or phones of a person, tolerant of what broken writes leave behind.

    Krayin stores `null` for persons made through a lead, a blank row for "no phone", and rows
    without a label; blank rows and those of `no_number` are left out because they stand for "none".
    A list one of whose rows was left blank in its form is stored with the gap: {"0": ..., "2": ...}.
    Imports past Krayin's forms leave lists that were encoded twice, and bare numbers.
    """
    value = _decoded_list(value)
    if value is None:
        return ()
    if isinstance(value, Mapping) and value and all(str(key).isdecimal() for key in value):
        value = list(value.values())
    rows = [value] if isinstance(value, (str, Mapping)) else list_of(value, what)
    kept = []
    for row in rows:
        if row is None:
            continue
        bare = isinstance(row, (str, int)) and not isinstance(row, bool)
        fields = {"value": row} if bare else dict(object_of(row, what))
        text = str(fields.pop("value", None) or "")
        label = str(fields.pop("label", None) or "work")
        if text.strip() and not is_no_number(text):
            kept.append(Labelled(value=text, label=label, **fields))
    return tuple(kept)


def _decoded_list(value: Any) -> Any:
    if not isinstance(value, str) or not value.lstrip().startswith("["):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


@dataclass(frozen=True, slots=True)
class Organization:
    """An organization; `address` is whatever form was stored. The owner is not returned by Krayin."""

    id: int
    name: str
    address: Any
    created_at: datetime | None
    updated_at: datetime | None

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the organization of one row of an answer."""
        row = object_of(value, "organization")
        return cls(**values_of(cls, row, address=row.get("address")))


@dataclass(frozen=True, slots=True)
class Person:
    """A person; custom attributes are not returned by Krayin here (see `RawEntity`). Moments are UTC."""

    id: int
    name: str
    emails: tuple[Labelled, ...]
    contact_numbers: tuple[Labelled, ...]
    job_title: str | None
    organization_id: int | None
    organization_name: str | None
    organization_created_at: datetime | None
    owner_id: int | None
    created_at: datetime | None
    updated_at: datetime | None

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the person of one row of an answer; absent organization or owner means none."""
        row = object_of(value, "person")
        related = row.get("organization")
        organization = None if related is None else object_of(related, "organization")
        made_at = None if organization is None else moment_of(organization, "created_at")
        others = {
            "emails": labelled_rows(row.get("emails"), "emails"),
            "contact_numbers": labelled_rows(row.get("contact_numbers"), "contact_numbers"),
            "organization_id": related_id(row, "organization"),
            "organization_name": None if organization is None else text_of(organization, "name"),
            "organization_created_at": made_at,
            "owner_id": related_id(row, "sales_owner"),
        }
        return cls(**values_of(cls, row, **others))


@dataclass(frozen=True, slots=True)
class Lead:
    """A lead; moments are UTC.

    `expected_close_at` is midnight of the date in the server's zone; for the date to write back see
    `close_date`.
    """

    id: int
    title: str
    description: str | None
    lead_value: Decimal | None
    status: int | None
    lost_reason: str | None
    closed_at: datetime | None
    owner_id: int | None
    person_id: int | None
    pipeline_id: int | None
    stage_id: int | None
    source_id: int | None
    type_id: int | None
    expected_close_at: datetime | None
    product_ids: tuple[int, ...]
    created_at: datetime | None
    updated_at: datetime | None

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the lead of one row of an answer."""
        row = object_of(value, "lead")
        products = list_of(row.get("lead_products") or [], "lead_products")
        others = {
            "owner_id": related_id(row, "user"),
            "person_id": related_id(row, "person"),
            "pipeline_id": integer_or_none(row, "lead_pipeline_id"),
            "stage_id": integer_or_none(row, "lead_pipeline_stage_id"),
            "source_id": integer_or_none(row, "lead_source_id"),
            "type_id": integer_or_none(row, "lead_type_id"),
            "expected_close_at": moment_of(row, "expected_close_date"),
            "product_ids": tuple(integer_of(object_of(one, "lead_products"), "id") for one in products),
        }
        return cls(**values_of(cls, row, **others))

    def close_date(self, copy: date | None) -> date | None:
        """Return the expected close date as it stands in the column.

        `copy` is what `RawEntity` shows: the exact date, but of the attribute values, which Krayin's
        own import of leads does not write and several of its routes leave behind. It is taken where
        it fits the midnight that is shown; else the date whose midnight that is in a zone people
        live in.
        """
        shown = self.expected_close_at
        if shown is None:
            return copy
        if copy is not None and abs(datetime.combine(copy, time(), UTC) - shown) <= _FARTHEST_EAST:
            return copy
        return (shown + _NEXT_DAY_FROM).date()


@dataclass(frozen=True, slots=True)
class CreatedLead:
    """What one POST of a lead made or linked: the lead and, when it has one, its person."""

    lead: Lead
    person: Person | None

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the lead and person of one row of an answer."""
        person = object_of(value, "lead").get("person")
        return cls(Lead.from_json(value), None if person is None else Person.from_json(person))


@dataclass(frozen=True, slots=True)
class Activity:
    """An activity; its links to persons and leads are not returned by Krayin. Moments are UTC.

    With `mails_participants` every change of it, a done-mark too, is mailed to them by Krayin.
    """

    id: int
    type: str
    title: str | None
    comment: str | None
    is_done: bool
    additional: Mapping[str, Any]
    schedule_from: datetime | None
    schedule_to: datetime | None
    location: str | None
    owner_id: int | None
    mails_participants: bool
    created_at: datetime | None
    updated_at: datetime | None

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the activity of one row of an answer."""
        row = object_of(value, "activity")
        additional = row.get("additional")
        others = {
            # Other programs store lists and bare strings here; only an object can hold our key.
            "additional": dict(additional) if isinstance(additional, Mapping) else {},
            "owner_id": related_id(row, "user"),
            "mails_participants": row.get("type") in _MAILED_TYPES and bool(row.get("participants")),
        }
        return cls(**values_of(cls, row, **others))


@dataclass(frozen=True, slots=True)
class RawEntity:
    """A record as stored: raw dates, owner and custom attribute values by code."""

    id: int
    values: Mapping[str, Any]

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the entity of one object of an answer, without its bulky `attribute_values`."""
        row = object_of(value, "entity")
        return cls(
            integer_of(row, "id"), {key: item for key, item in row.items() if key != "attribute_values"}
        )


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list; pages count from 1."""

    rows: tuple[T, ...]
    current_page: int
    last_page: int
    total: int
