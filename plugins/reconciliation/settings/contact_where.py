"""Which contacts are meant, as written in a sync file."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from chatwoot.contact_rule import ANYTHING, CHANNELS, TYPES, AttributeRule, Choice, ContactRule
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveInt,
    model_validator,
)

from reconciliation.settings.ages import age_or_date

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_DOMAIN = re.compile(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]{2,}")

_listed = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)


def _label(value: str) -> str:
    # As Chatwoot stores them.
    label = value.strip().lower()
    if not label or "," in label:
        message = "must be the name of a label, without a comma"
        raise ValueError(message)
    return label


def _domain(value: str) -> str:
    domain = value.lower()
    if not _DOMAIN.fullmatch(domain):
        message = "must be what follows the @ of an e-mail, such as 'example.com'"
        raise ValueError(message)
    return domain


def _value(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{Decimal(repr(value)):f}"
    return value


def _one(value: object) -> object:
    if isinstance(value, str | bool | int | float):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def _decimal(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Decimal(repr(value))
    message = "must be a number"
    raise ValueError(message)


def _day(value: object) -> object:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    message = "must be a date such as 2026-01-31"
    raise ValueError(message)


Label = Annotated[str, AfterValidator(_label)]
Domain = Annotated[str, AfterValidator(_domain)]
Channel = Literal[
    "api", "email", "facebook", "instagram", "line", "sms", "telegram", "tiktok", "twilio", "twitter", "web",
    "whatsapp",
]  # fmt: skip
Since = Annotated[timedelta | date, BeforeValidator(age_or_date)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            message = f"must hold one of {', '.join(sorted(type(self).model_fields))}, or be left out"
            raise ValueError(message)
        return self

    def choice(self) -> Choice:
        """Return what is chosen."""
        return Choice(**{name: getattr(self, name, None) for name in ("any", "all", "none")})


class Labels(_Strict):
    """Labels by their names."""

    any: Annotated[tuple[Label, ...] | None, _listed, Field(min_length=1)] = None
    """At least one of these."""
    all: Annotated[tuple[Label, ...] | None, _listed, Field(min_length=1)] = None
    """All of these."""
    none: Annotated[tuple[Label, ...] | None, _listed, Field(min_length=1)] = None
    """None of these."""


class Inboxes(_Strict):
    """Inboxes by their ids."""

    any: Annotated[tuple[PositiveInt, ...] | None, _listed, Field(min_length=1)] = None
    """Seen in at least one of these."""
    none: Annotated[tuple[PositiveInt, ...] | None, _listed, Field(min_length=1)] = None
    """Seen in none of these."""


class Channels(_Strict):
    """Channels of the inboxes in which a contact was seen."""

    any: Annotated[tuple[Channel, ...] | None, _listed, Field(min_length=1)] = None
    """Seen in an inbox of at least one of these."""
    none: Annotated[tuple[Channel, ...] | None, _listed, Field(min_length=1)] = None
    """Seen in no inbox of these."""


class EmailDomains(_Strict):
    """What follows the @ of the e-mail."""

    any: Annotated[tuple[Domain, ...] | None, _listed, Field(min_length=1)] = None
    """One of these."""
    none: Annotated[tuple[Domain, ...] | None, _listed, Field(min_length=1)] = None
    """None of these."""


class AttributeWhere(_Strict):
    """What an attribute has to be: a custom one, else one of Chatwoot's own such as `city`."""

    present: bool | None = None
    """Whether it has a value."""
    equals: Annotated[str | None, BeforeValidator(_value)] = None
    """It is this text, number, or `true` or `false`."""
    one_of: Annotated[
        tuple[Annotated[str, BeforeValidator(_value)], ...] | None, BeforeValidator(_one), Field(min_length=1)
    ] = None
    """It is one of these."""
    at_least: Annotated[Decimal | None, BeforeValidator(_decimal)] = None
    """It is a number, this or a greater one."""
    at_most: Annotated[Decimal | None, BeforeValidator(_decimal)] = None
    """It is a number, this or a smaller one."""
    since: Since | None = None
    """It is this date or a later one; or an age such as '90 days'."""
    before: Annotated[date | None, BeforeValidator(_day)] = None
    """It is a date before this one."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.equals is not None and self.one_of is not None:
            message = "equals and one_of cannot both be set: add the value to one_of"
            raise ValueError(message)
        return self

    def rule(self, name: str, today: date, zone: ZoneInfo) -> AttributeRule:
        """Return the rule for the attribute of a name."""
        texts = (self.equals,) if self.equals is not None else self.one_of
        return AttributeRule(
            name,
            self.present,
            texts,
            self.at_least,
            self.at_most,
            None if self.since is None else _bound(_date(self.since, today), zone),
            None if self.before is None else _bound(self.before, zone),
        )


class ContactWhere(_Strict):
    """What a contact has to be; all parts must hold."""

    labels: Labels | None = None
    """Labels of the contact."""
    conversation_labels: Labels | None = None
    """Labels of its conversations, together."""
    types: Annotated[
        tuple[Literal["visitor", "lead", "customer"], ...] | None, _listed, Field(min_length=1)
    ] = None
    """Its type in Chatwoot is one of `visitor`, `lead`, `customer`. Not with `source: api`, which does not
    show it.
    """
    inboxes: Inboxes | None = None
    """Inboxes in which it was seen."""
    channels: Channels | None = None
    """Channels of these inboxes: `api`, `email`, `facebook`, `instagram`, `line`, `sms`, `telegram`,
    `tiktok`, `twilio`, `twitter`, `web`, `whatsapp`.
    """
    attributes: Annotated[dict[str, AttributeWhere] | None, Field(min_length=1)] = None
    """Attributes by name, for example `{plan: {one_of: [gold, silver]}}`."""
    email_domains: EmailDomains | None = None
    """What follows the @ of its e-mail."""
    has_conversation: bool | None = None
    """true: it has a conversation; false: it has none."""
    created_since: Since | None = None
    """It was created on this date or later, or within an age such as '90 days'."""
    active_since: Since | None = None
    """It was last active on this date or later, or within an age."""

    def rule(self, now: datetime, zone: ZoneInfo) -> ContactRule:
        """Return the rule at a moment; `zone` is that of the account."""
        today = now.astimezone(zone).date()
        return ContactRule(
            labels=_choice(self.labels),
            conversation_labels=_choice(self.conversation_labels),
            inboxes=_choice(self.inboxes),
            channels=_channels(self.channels),
            email_domains=_choice(self.email_domains),
            types=None if self.types is None else tuple(TYPES[one] for one in self.types),
            attributes=tuple(
                one.rule(name, today, zone) for name, one in sorted((self.attributes or {}).items())
            ),
            has_conversation=self.has_conversation,
            created_since=_beginning(self.created_since, today, zone),
            active_since=_beginning(self.active_since, today, zone),
        )


def _choice(given: _Strict | None) -> Choice:
    return ANYTHING if given is None else given.choice()


def _channels(given: Channels | None) -> Choice:
    chosen: dict[str, Any] = {} if given is None else given.model_dump(exclude_none=True)
    return Choice(**{how: tuple(CHANNELS[one] for one in names) for how, names in chosen.items()})


def _date(since: timedelta | date, today: date) -> date:
    return today - since if isinstance(since, timedelta) else since


def _beginning(since: timedelta | date | None, today: date, zone: ZoneInfo) -> datetime | None:
    return None if since is None else datetime.combine(_date(since, today), time(), zone).astimezone(UTC)


def _bound(day: date, zone: ZoneInfo) -> tuple[str, str]:
    moment = datetime.combine(day, time(), zone).astimezone(UTC)
    return day.isoformat(), moment.strftime("%Y-%m-%dT%H:%M:%S")
