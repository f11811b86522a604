"""What Krayin returns, as frozen values."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Generic, Self, TypeVar

from krayin.payloads import Labelled

T = TypeVar("T")

_MAILED_TYPES = frozenset({"call", "meeting", "lunch"})
_FARTHEST_EAST = timedelta(hours=14)
# Ten o'clock is midnight in Hawaii; what is later is the midnight before in New Zealand and west of it.
_NEXT_DAY_FROM = timedelta(hours=13, minutes=59)
# What PHP makes of MySQL's date of noughts: "-0001-11-30T00:00:00.000000Z".
_NO_CALENDAR_YEAR = re.compile(r"-|0000-")


class ShapeError(ValueError):
    """A value out of Krayin's answer that does not have the shape it should; names the key, not the value."""


def object_of(value: Any, what: str) -> Mapping[str, Any]:
    """Return `value`, which must be a JSON object; `what` names it in the error."""
    if not isinstance(value, Mapping):
        message = f"{what} is {type(value).__name__}, an object was expected"
        raise ShapeError(message)
    return value


def list_of(value: Any, what: str) -> list[Any]:
    """Return `value`, which must be a JSON list; `what` names it in the error."""
    if not isinstance(value, list):
        message = f"{what} is {type(value).__name__}, a list was expected"
        raise ShapeError(message)
    return value


def integer_of(row: Mapping[str, Any], key: str) -> int:
    """Return the whole number under `key`, which must be there."""
    value = _integer_or_none(row, key)
    if value is None:
        message = f"{key} is missing, a number was expected"
        raise ShapeError(message)
    return value


def _integer_or_none(row: Mapping[str, Any], key: str) -> int | None:
    value = row.get(key)
    if value is None or value == "":
        return None
    try:
        return int(value)
    except (TypeError, ValueError):
        message = f"{key} is {type(value).__name__}, a number was expected"
        raise ShapeError(message) from None


def _text(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    if value is None:
        return ""
    if isinstance(value, (str, int, float)):
        return str(value)
    message = f"{key} is {type(value).__name__}, text was expected"
    raise ShapeError(message)


def _text_or_none(row: Mapping[str, Any], key: str) -> str | None:
    return None if row.get(key) is None else _text(row, key)


def _moment(row: Mapping[str, Any], key: str) -> datetime | None:
    value = row.get(key)
    if value is None or value == "":
        return None
    text = str(value)
    if _NO_CALENDAR_YEAR.match(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        message = f"{key} is not a date and time"
        raise ShapeError(message) from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _decimal_or_none(row: Mapping[str, Any], key: str) -> Decimal | None:
    value = row.get(key)
    if value is None or value == "":
        return None
    try:
        return Decimal(str(value))
    except InvalidOperation:
        message = f"{key} is not a number"
        raise ShapeError(message) from None


def _flag(row: Mapping[str, Any], key: str) -> bool:
    return row.get(key) in (1, True, "1")


def _related_id(row: Mapping[str, Any], key: str) -> int | None:
    related = row.get(key)
    return None if related is None else integer_of(object_of(related, key), "id")


def labelled_rows(value: Any, what: str) -> tuple[Labelled, ...]:
    """Return the e-mails or phones of a person, tolerant of what broken writes leave behind.

    Krayin stores `null` for persons made through a lead, a blank row for "no phone", and rows
    without a label; blank rows are left out because they only stand for "none". A list one of whose
    rows was left blank in its form is stored with the gap, as an object: {"0": ..., "2": ...}.
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
        if text.strip():
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
        return cls(
            id=integer_of(row, "id"),
            name=_text(row, "name"),
            address=row.get("address"),
            created_at=_moment(row, "created_at"),
            updated_at=_moment(row, "updated_at"),
        )


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
    owner_id: int | None
    created_at: datetime | None
    updated_at: datetime | None

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the person of one row of an answer; absent organization or owner means none."""
        row = object_of(value, "person")
        organization = row.get("organization")
        return cls(
            id=integer_of(row, "id"),
            name=_text(row, "name"),
            emails=labelled_rows(row.get("emails"), "emails"),
            contact_numbers=labelled_rows(row.get("contact_numbers"), "contact_numbers"),
            job_title=_text_or_none(row, "job_title"),
            organization_id=_related_id(row, "organization"),
            organization_name=None if organization is None else _text(organization, "name"),
            owner_id=_related_id(row, "sales_owner"),
            created_at=_moment(row, "created_at"),
            updated_at=_moment(row, "updated_at"),
        )


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
        return cls(
            id=integer_of(row, "id"),
            title=_text(row, "title"),
            description=_text_or_none(row, "description"),
            lead_value=_decimal_or_none(row, "lead_value"),
            status=_integer_or_none(row, "status"),
            lost_reason=_text_or_none(row, "lost_reason"),
            closed_at=_moment(row, "closed_at"),
            owner_id=_related_id(row, "user"),
            person_id=_related_id(row, "person"),
            pipeline_id=_integer_or_none(row, "lead_pipeline_id"),
            stage_id=_integer_or_none(row, "lead_pipeline_stage_id"),
            source_id=_integer_or_none(row, "lead_source_id"),
            type_id=_integer_or_none(row, "lead_type_id"),
            expected_close_at=_moment(row, "expected_close_date"),
            product_ids=tuple(integer_of(object_of(one, "lead_products"), "id") for one in products),
            created_at=_moment(row, "created_at"),
            updated_at=_moment(row, "updated_at"),
        )

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

    @property
    def organization_id(self) -> int | None:
        """The id of the person's organization, found by name or made in the same call."""
        return None if self.person is None else self.person.organization_id

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
        return cls(
            id=integer_of(row, "id"),
            type=_text(row, "type"),
            title=_text_or_none(row, "title"),
            comment=_text_or_none(row, "comment"),
            is_done=_flag(row, "is_done"),
            # Other programs store lists and bare strings here; only an object can hold our key.
            additional=dict(additional) if isinstance(additional, Mapping) else {},
            schedule_from=_moment(row, "schedule_from"),
            schedule_to=_moment(row, "schedule_to"),
            location=_text_or_none(row, "location"),
            owner_id=_related_id(row, "user"),
            mails_participants=row.get("type") in _MAILED_TYPES and bool(row.get("participants")),
            created_at=_moment(row, "created_at"),
            updated_at=_moment(row, "updated_at"),
        )


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a pipeline; `won` and `lost` are the codes of the final ones."""

    id: int
    code: str
    name: str

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the stage of one row of an answer."""
        row = object_of(value, "stage")
        return cls(integer_of(row, "id"), _text(row, "code"), _text(row, "name"))


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline with its stages in Krayin's order."""

    id: int
    name: str
    is_default: bool
    stages: tuple[Stage, ...]

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the pipeline of one row of an answer."""
        row = object_of(value, "pipeline")
        stages = list_of(row.get("stages"), "stages")
        return cls(
            id=integer_of(row, "id"),
            name=_text(row, "name"),
            is_default=_flag(row, "is_default"),
            stages=tuple(Stage.from_json(stage) for stage in stages),
        )


@dataclass(frozen=True, slots=True)
class Source:
    """Where a lead came from."""

    id: int
    name: str

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the source of one row of an answer."""
        row = object_of(value, "source")
        return cls(integer_of(row, "id"), _text(row, "name"))


@dataclass(frozen=True, slots=True)
class LeadType:
    """The kind of business a lead is."""

    id: int
    name: str

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the lead type of one row of an answer."""
        row = object_of(value, "lead type")
        return cls(integer_of(row, "id"), _text(row, "name"))


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of an entity type; `is_user_defined` tells the custom ones."""

    id: int
    code: str
    name: str
    type: str
    entity_type: str
    is_required: bool
    is_unique: bool
    is_user_defined: bool
    validation: str | None

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the attribute of one row of an answer."""
        row = object_of(value, "attribute")
        return cls(
            id=integer_of(row, "id"),
            code=_text(row, "code"),
            name=_text(row, "name"),
            type=_text(row, "type"),
            entity_type=_text(row, "entity_type"),
            is_required=_flag(row, "is_required"),
            is_unique=_flag(row, "is_unique"),
            # The column's default is 1; the answer to a creation shows it as null.
            is_user_defined=row.get("is_user_defined") not in (0, "0"),
            validation=_text_or_none(row, "validation"),
        )


@dataclass(frozen=True, slots=True)
class User:
    """A user of Krayin; only `view_permission` "global" may use the search routes."""

    id: int
    name: str
    email: str
    is_active: bool
    view_permission: str

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the user of one row of an answer."""
        row = object_of(value, "user")
        return cls(
            id=integer_of(row, "id"),
            name=_text(row, "name"),
            email=_text(row, "email"),
            is_active=_flag(row, "status"),
            view_permission=_text(row, "view_permission"),
        )


@dataclass(frozen=True, slots=True)
class Workflow:
    """An automation that Krayin runs on an event, perhaps for every record a load creates."""

    id: int
    name: str
    entity_type: str
    event: str
    action_ids: tuple[str, ...]

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the workflow of one row of an answer."""
        row = object_of(value, "workflow")
        actions = row.get("actions") or []
        return cls(
            id=integer_of(row, "id"),
            name=_text(row, "name"),
            entity_type=_text(row, "entity_type"),
            event=_text(row, "event"),
            action_ids=tuple(_text(object_of(one, "actions"), "id") for one in list_of(actions, "actions")),
        )


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
