"""What we send to Krayin, in forms that cannot express what would lose data there."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from json import dumps
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from krayin.text import TEXT_BYTES, clean_json, clean_text, cut_bytes, cut_characters, fit_lead_value, trim

NO_PHONE: tuple[Mapping[str, str], ...] = ({"value": "", "label": "work"},)
"""How a person without a phone is written: Krayin 2.1.5 fails with 500 on an empty or absent list."""

_NO_NUMBER = re.compile(r"no phone number \(person [0-9]+\)")


def _line(text: str) -> str:
    return cut_characters(trim(clean_text(text)))


def _long(text: str) -> str:
    return cut_bytes(trim(clean_text(text)), TEXT_BYTES)


def _not_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        message = "true and false are no ids"
        raise ValueError(message)  # noqa: TRY004 - pydantic reports value errors only
    return value


Line = Annotated[str, AfterValidator(_line)]
"""A text column of 255 characters: cleaned, trimmed as Krayin would, cut with a visible mark."""

LongText = Annotated[str, AfterValidator(_long)]
"""A text column of 65,535 bytes: cleaned, trimmed as Krayin would, cut with a visible mark."""

Id = Annotated[int, BeforeValidator(_not_boolean), Field(gt=0)]

Money = Annotated[Decimal, Field(ge=0), AfterValidator(fit_lead_value)]
"""Not negative, at most four decimals, at most 99,999,999.9999."""

Custom = Annotated[Mapping[str, Any], AfterValidator(clean_json)]
"""Values of user-defined attributes by code, booleans excepted."""


class Payload(BaseModel):
    """A frozen payload; cleaned and cut when made, so that what one reads is what gets sent.

    Survives `model_dump(mode="json", exclude_unset=True)` and `model_validate` unchanged.
    """

    # Validation errors are logged: they must name the key but never show a customer's value.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    reserved: ClassVar[frozenset[str]] = frozenset(
        {"id", "participants", "entity_type", "unique_id", "products"}
    )
    """Keys no custom attribute may have: an `id` switches uniqueness off, participants are e-mailed."""

    @abstractmethod
    def to_body(self) -> dict[str, Any]:
        """Return the JSON body of the request."""

    def _given(self, *keys: str) -> dict[str, Any]:
        """Return these fields in the form Krayin takes, without those that are None."""
        return {key: _sent(value) for key in keys if (value := getattr(self, key)) is not None}


class Attributed(Payload):
    """A payload of a record with user-defined attributes, boolean ones apart from the others."""

    booleans: Mapping[str, bool] = Field(default_factory=dict)
    custom: Custom = Field(default_factory=dict)

    @model_validator(mode="after")
    def _custom_attributes_hide_nothing(self) -> Self:
        for group, codes in (("custom", self.custom), ("booleans", self.booleans)):
            hidden = sorted(set(codes) & (self.reserved | set(type(self).model_fields)))
            if hidden:
                message = f"{group} may not contain {', '.join(hidden)}: these are Krayin's own keys"
                raise ValueError(message)
        return self

    def _with_attributes(self, body: dict[str, Any]) -> dict[str, Any]:
        return {**body, **{code: int(value) for code, value in self.booleans.items()}, **self.custom}


class Labelled(BaseModel):
    """One e-mail address or phone number of a person; further keys are kept and sent back as they came."""

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    value: Annotated[str, AfterValidator(clean_text), AfterValidator(trim)]
    label: str = "work"

    def to_row(self) -> dict[str, Any]:
        """Return the row as Krayin stores it, value and label first."""
        return {"value": self.value, "label": self.label, **clean_json(self.model_extra or {})}


def no_number(person_id: int) -> Labelled:
    """Return what stands for "no phone" where Krayin 2.2 would keep the numbers that are taken away.

    It is a value like any other there, which no two persons may share.
    """
    return Labelled(value=f"no phone number (person {person_id})")


def is_no_number(value: str) -> bool:
    """Return whether a phone number is one that `no_number` gave."""
    return _NO_NUMBER.fullmatch(value.strip()) is not None


def _rows(labelled: tuple[Labelled, ...]) -> list[dict[str, Any]]:
    return [one.to_row() for one in labelled]


def _phone_rows(labelled: tuple[Labelled, ...]) -> list[dict[str, Any]]:
    return _rows(tuple(one for one in labelled if one.value)) or [dict(row) for row in NO_PHONE]


def _number(value: Decimal) -> int | float:
    # Twelve digits at most, which a double carries exactly enough for Krayin's decimal(12,4).
    return int(value) if value == value.to_integral_value() else float(value)


def _sent(value: Any) -> Any:
    match value:
        case bool():
            return int(value)
        case Decimal():
            return _number(value)
        case datetime():
            # Krayin reads any other form as its own local time and drops the offset.
            return int(value.timestamp())
        case date():
            return value.isoformat()
        case _:
            return value


def _local_text(moment: str) -> str:
    datetime.strptime(moment, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    return moment


LocalTime = Annotated[str, AfterValidator(_local_text)]
"""`Y-m-d H:i:s` in the Krayin server's own zone: `closed_at` takes no other form that keeps the instant."""


class PersonDraft(Attributed):
    """A person to create, by POST contacts/persons or nested in a lead.

    `emails` None leaves them out: Krayin on MySQL then makes a person without, whatever is required.
    An empty list needs the attribute to be optional.
    """

    reserved: ClassVar[frozenset[str]] = Payload.reserved | {"organization_id"}

    name: Annotated[Line, Field(min_length=1)]
    emails: tuple[Labelled, ...] | None = ()
    contact_numbers: tuple[Labelled, ...] = ()
    job_title: Line | None = None
    organization_name: Line | None = None
    user_id: Id | None = None

    def to_body(self) -> dict[str, Any]:
        """Return the JSON body; absent means none."""
        body: dict[str, Any] = {"name": self.name, "contact_numbers": _phone_rows(self.contact_numbers)}
        if self.emails is not None:
            body["emails"] = _rows(self.emails)
        given = self._given("job_title", "organization_name", "user_id")
        body |= {key: value for key, value in given.items() if value != ""}
        return self._with_attributes(body)

    def to_nested(self) -> dict[str, Any]:
        """Return the `person` of a lead's body: here a person without a phone has no list of them."""
        body = self.to_body()
        if not any(one.value for one in self.contact_numbers):
            del body["contact_numbers"]
        return body


class PersonUpdate(Attributed):
    """Everything PUT contacts/persons/{id} needs together, so that it wipes nothing.

    Krayin 2.1.5 takes an absent `user_id` as "no owner", an absent boolean attribute as 0,
    fails without `contact_numbers`, and computes its unique key from the sent keys only.
    `user_id`, `organization_id` None mean none; `job_title` None keeps the present one, "" clears it.
    `organization_name`, when given, wins over `organization_id` (found by name or created).
    `booleans` must hold every boolean custom attribute of persons with the value to keep or set.
    `emails` None keeps the present ones; `frees_phones` says that the person has numbers, all of which go.
    """

    name: Annotated[Line, Field(min_length=1)]
    emails: tuple[Labelled, ...] | None
    contact_numbers: tuple[Labelled, ...]
    frees_phones: bool = False
    user_id: Id | None
    organization_id: Id | None
    booleans: Mapping[str, bool]
    organization_name: Line | None = None
    job_title: Line | None = None

    def to_body(self) -> dict[str, Any]:
        """Return the JSON body with every key whose absence would change something."""
        body: dict[str, Any] = {
            "name": self.name,
            "contact_numbers": _phone_rows(self.contact_numbers),
            "user_id": self.user_id,
        }
        if self.emails is not None:
            body["emails"] = _rows(self.emails)
        if self.organization_name:
            body["organization_name"] = self.organization_name
        else:
            body["organization_id"] = self.organization_id
        if self.job_title is not None:
            body["job_title"] = self.job_title
        return self._with_attributes(body)


class LeadDraft(Attributed):
    """A lead to create, with its person made in the same call, linked by id, or without one."""

    title: Annotated[Line, Field(min_length=1)]
    lead_pipeline_stage_id: Id
    description: LongText | None = None
    lead_value: Money | None = None
    lead_source_id: Id | None = None
    lead_type_id: Id | None = None
    user_id: Id | None = None
    expected_close_date: date | None = None
    person: PersonDraft | None = None
    person_id: Id | None = None

    @model_validator(mode="after")
    def _one_person(self) -> Self:
        if self.person is not None and self.person_id is not None:
            message = "give person or person_id, not both"
            raise ValueError(message)
        return self

    def to_body(self) -> dict[str, Any]:
        """Return the JSON body; optional keys are left out because Krayin refuses them as null."""
        body = self._given(
            "title",
            "lead_pipeline_stage_id",
            "description",
            "lead_source_id",
            "lead_type_id",
            "user_id",
            "lead_value",
            "expected_close_date",
        )
        if self.person is not None:
            body["person"] = self.person.to_nested()
        elif self.person_id is not None:
            # The nested id answers 404 for a missing person; `person_id` would answer 500.
            body["person"] = {"id": self.person_id}
        return self._with_attributes(body)


class LeadUpdate(Attributed):
    """The keys to change by PUT leads/attributes/edit/{id}, with those whose absence would wipe.

    `expected_close_date` is the raw date to keep or set (None: none; Krayin nulls an absent one).
    `booleans` must hold every boolean custom attribute of leads with the value to keep or set.
    Of the rest only the keys that were given are sent. Give `lead_pipeline_stage_id` for a real
    move only: the same won or lost stage again would reset `closed_at` to now.
    """

    expected_close_date: date | None
    booleans: Mapping[str, bool]
    title: Annotated[Line, Field(min_length=1)] | None = None
    description: LongText | None = None
    lead_value: Money | None = None
    lead_pipeline_stage_id: Id | None = None
    lead_source_id: Id | None = None
    lead_type_id: Id | None = None
    user_id: Id | None = None
    person_id: Id | None = None
    closed_at: LocalTime | None = None
    lost_reason: LongText | None = None

    @property
    def clears_description(self) -> bool:
        """Whether the description is to be empty afterwards."""
        return "description" in self.model_fields_set and not self.description

    def to_body(self) -> dict[str, Any]:
        """Return the JSON body; a description of None is sent as "", which is what clears it."""
        body = self._given(
            "expected_close_date",
            "title",
            "lead_value",
            "lead_pipeline_stage_id",
            "lead_source_id",
            "lead_type_id",
        )
        for key in ("user_id", "person_id", "closed_at", "lost_reason"):
            if key in self.model_fields_set:
                body[key] = getattr(self, key)
        if "description" in self.model_fields_set:
            body["description"] = self.description or ""
        return self._with_attributes(body)


class OrganizationUpdate(Attributed):
    """The keys of an organization to change; only those that were given are sent, the rest is kept.

    `address` takes the form the admin shows: address, country and state (ISO codes), city, postcode.
    """

    name: Annotated[Line, Field(min_length=1)] | None = None
    address: Custom | None = None
    user_id: Id | None = None

    def to_body(self) -> dict[str, Any]:
        """Return the JSON body."""
        body = self._given("name")
        for key in ("address", "user_id"):
            if key in self.model_fields_set:
                body[key] = getattr(self, key)
        return self._with_attributes(body)


def _additional(values: Mapping[str, str]) -> str:
    # Only a JSON *string* is stored by POST and found by the `additional->key` filter.
    return dumps(dict(values), ensure_ascii=False, separators=(",", ":"))


_ACTIVITY_KEYS = ("title", "comment", "person_id", "lead_id", "schedule_from", "schedule_to", "location")


class ActivityDraft(Payload):
    """An activity to create, linked to a person or a lead.

    There is no way to say participants: Krayin e-mails them. A note needs a comment, any other
    type a schedule. Krayin stores notes as done and everything else as not done, whatever is sent.
    """

    type: Annotated[str, Field(pattern=r"^[a-z_-]{1,50}$")]
    title: Line | None = None
    comment: LongText | None = None
    person_id: Id | None = None
    lead_id: Id | None = None
    schedule_from: AwareDatetime | None = None
    schedule_to: AwareDatetime | None = None
    location: Line | None = None
    additional: Annotated[Mapping[str, str], AfterValidator(clean_json)] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        scheduled = self.schedule_from is not None and self.schedule_to is not None
        if self.type == "note" and not self.comment:
            message = "a note needs a comment"
            raise ValueError(message)
        if self.type != "note" and not scheduled:
            message = f"an activity of type {self.type} needs schedule_from and schedule_to"
            raise ValueError(message)
        if self.type == "file":
            message = "a file activity needs an upload, which is not supported"
            raise ValueError(message)
        if self.person_id is not None and self.lead_id is not None:
            message = "Krayin links the lead only when given both; add the person by an update"
            raise ValueError(message)
        return self

    def to_body(self) -> dict[str, Any]:
        """Return the JSON body; moments as Unix timestamps, `additional` as a JSON string."""
        body = self._given("type", *_ACTIVITY_KEYS)
        if self.additional:
            body["additional"] = _additional(self.additional)
        return body


class ActivityUpdate(Payload):
    """The keys of an activity to change; Krayin keeps the others. No participants here either."""

    title: Line | None = None
    comment: LongText | None = None
    is_done: bool | None = None
    person_id: Id | None = None
    lead_id: Id | None = None
    schedule_from: AwareDatetime | None = None
    schedule_to: AwareDatetime | None = None
    location: Line | None = None
    additional: Annotated[Mapping[str, str], AfterValidator(clean_json)] | None = None

    def to_body(self) -> dict[str, Any]:
        """Return the JSON body of the keys that are not None."""
        body = self._given("is_done", *_ACTIVITY_KEYS)
        if self.additional is not None:
            body["additional"] = _additional(self.additional)
        return body
