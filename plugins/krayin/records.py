"""What Krayin returns, as frozen values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Generic, Self, TypeVar

from pydantic import BeforeValidator, Field

from krayin.json_values import (
    Amount,
    Flag,
    FromJson,
    Moment,
    Number,
    ShapeError,
    Text,
    TextOrNone,
    list_of,
    member,
    members,
    object_of,
)
from krayin.payloads import Labelled, is_no_number

if TYPE_CHECKING:
    from collections.abc import Callable

Record = TypeVar("Record", bound=FromJson)

_MAILED_TYPES = frozenset({"call", "meeting", "lunch"})
_FARTHEST_EAST = timedelta(hours=14)
# Ten o'clock is midnight in Hawaii; what is later is the midnight before in New Zealand and west of it.
_NEXT_DAY_FROM = timedelta(hours=13, minutes=59)


def labelled_rows(value: Any) -> tuple[Labelled, ...]:
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
    rows = [value] if isinstance(value, (str, Mapping)) else list_of(value, "addresses")
    kept = []
    for row in rows:
        if row is None:
            continue
        bare = isinstance(row, (str, int)) and not isinstance(row, bool)
        fields = {"value": row} if bare else dict(object_of(row, "address"))
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


Addresses = Annotated[tuple[Labelled, ...], BeforeValidator(labelled_rows)]


@dataclass(frozen=True, slots=True)
class Organization(FromJson):
    """An organization; `address` is whatever form was stored. The owner is not returned by Krayin."""

    id: int
    name: Text = ""
    address: Any = None
    created_at: Moment = None
    updated_at: Moment = None


@dataclass(frozen=True, slots=True)
class Person(FromJson):
    """A person; custom attributes are not returned by Krayin here (see `RawEntity`). Moments are UTC."""

    id: int
    name: Text = ""
    emails: Addresses = ()
    contact_numbers: Addresses = ()
    job_title: TextOrNone = None
    organization_id: Annotated[Number, Field(validation_alias="organization"), member("id")] = None
    organization_name: Annotated[TextOrNone, Field(validation_alias="organization"), member("name")] = None
    organization_created_at: Annotated[
        Moment, Field(validation_alias="organization"), member("created_at")
    ] = None
    owner_id: Annotated[Number, Field(validation_alias="sales_owner"), member("id")] = None
    created_at: Moment = None
    updated_at: Moment = None


@dataclass(frozen=True, slots=True)
class Lead(FromJson):
    """A lead; moments are UTC.

    `expected_close_at` is midnight of the date in the server's zone; for the date to write back see
    `close_date`.
    """

    id: int
    title: Text = ""
    description: TextOrNone = None
    lead_value: Amount = None
    status: Number = None
    lost_reason: TextOrNone = None
    closed_at: Moment = None
    owner_id: Annotated[Number, Field(validation_alias="user"), member("id")] = None
    person_id: Annotated[Number, Field(validation_alias="person"), member("id")] = None
    pipeline_id: Annotated[Number, Field(validation_alias="lead_pipeline_id")] = None
    stage_id: Annotated[Number, Field(validation_alias="lead_pipeline_stage_id")] = None
    source_id: Annotated[Number, Field(validation_alias="lead_source_id")] = None
    type_id: Annotated[Number, Field(validation_alias="lead_type_id")] = None
    expected_close_at: Annotated[Moment, Field(validation_alias="expected_close_date")] = None
    product_ids: Annotated[tuple[int, ...], Field(validation_alias="lead_products"), members("id")] = ()
    created_at: Moment = None
    updated_at: Moment = None

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
class CreatedLead(FromJson):
    """What one POST of a lead made or linked: the lead and, when it has one, its person."""

    lead: Lead
    person: Person | None

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the lead and person of one row of an answer."""
        person = object_of(value, "lead").get("person")
        return cls(Lead.from_json(value), None if person is None else Person.from_json(person))


@dataclass(frozen=True, slots=True)
class Activity(FromJson):
    """An activity; its links to persons and leads are not returned by Krayin. Moments are UTC."""

    id: int
    type: Text = ""
    title: TextOrNone = None
    comment: TextOrNone = None
    is_done: Flag = False
    # Other programs store lists and bare strings here; only an object can hold our key.
    additional: Annotated[
        Mapping[str, Any], BeforeValidator(lambda value: value if isinstance(value, Mapping) else {})
    ] = field(default_factory=dict)
    schedule_from: Moment = None
    schedule_to: Moment = None
    location: TextOrNone = None
    owner_id: Annotated[Number, Field(validation_alias="user"), member("id")] = None
    has_participants: Annotated[bool, Field(validation_alias="participants"), BeforeValidator(bool)] = False
    created_at: Moment = None
    updated_at: Moment = None

    @property
    def mails_participants(self) -> bool:
        """Whether every change of it, a done-mark too, is mailed to its participants by Krayin."""
        return self.has_participants and self.type in _MAILED_TYPES


Listed = Organization | Person | Lead | Activity
"""A record that has a list."""
Shown = TypeVar("Shown", bound=Listed)


@dataclass(frozen=True, slots=True)
class Named(FromJson):
    """Any record, of which no more than this is looked at."""

    id: int
    name: Text = ""


@dataclass(frozen=True, slots=True)
class RawEntity(FromJson):
    """A record as stored: raw dates, owner and custom attribute values by code."""

    id: int
    values: Mapping[str, Any]

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the entity of one object of an answer, without its bulky `attribute_values`."""
        row = object_of(value, "entity")
        values = {key: item for key, item in row.items() if key != "attribute_values"}
        return cls(Named.from_json(row).id, values)


@dataclass(frozen=True, slots=True)
class Extent(FromJson):
    """Where one page of a list stands; pages count from 1."""

    current_page: int
    last_page: int
    total: int


@dataclass(frozen=True, slots=True)
class Page(Generic[Record]):
    """One page of a list; pages count from 1."""

    rows: tuple[Record, ...]
    current_page: int
    last_page: int
    total: int


def data_of(record: type[Record]) -> Callable[[Any], Record]:
    """Return what reads an answer that holds one record; it raises ShapeError."""
    return lambda answer: record.from_json(object_of(answer, "answer").get("data"))


def rows_of(record: type[Record]) -> Callable[[Any], list[Record]]:
    """Return what reads an answer that holds a list of records; it raises ShapeError."""

    def read(answer: Any) -> list[Record]:
        return [_row(record, row) for row in list_of(object_of(answer, "answer").get("data"), "data")]

    return read


def page_of(record: type[Record]) -> Callable[[Any], Page[Record]]:
    """Return what reads an answer that holds one page of a list; it raises ShapeError."""

    def read(answer: Any) -> Page[Record]:
        rows = rows_of(record)(answer)
        return Page(tuple(rows), **asdict(Extent.from_json(answer.get("meta"))))

    return read


def raw_entities(answer: Any) -> list[RawEntity]:
    """Return the entities of a lookup, which answers one alone without a list; raises ShapeError."""
    rows = answer if isinstance(answer, list) else [answer]
    return [RawEntity.from_json(row) for row in rows if row]


def _row(record: type[Record], row: Any) -> Record:
    try:
        return record.from_json(row)
    except ShapeError as error:
        # Among hundreds of a page somebody must find it.
        number = row.get("id") if isinstance(row, dict) else None
        if not isinstance(number, int):
            raise
        message = f"record {number}: {error}"
        raise ShapeError(message) from None
