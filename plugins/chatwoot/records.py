"""What Chatwoot knows, as frozen records."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    Further = ParamSpec("Further")
    Made = TypeVar("Made")

Attributes = dict[str, Any]
"""A JSON object as it stands in the database: keys and values of any kind."""


@dataclass(frozen=True, slots=True)
class Account:
    """A Chatwoot account; `suspended` accounts keep their rows."""

    id: int
    name: str
    suspended: bool = False


@dataclass(frozen=True, slots=True)
class Inbox:
    """An inbox; `channel_type` is the class name, for example `Channel::Whatsapp`, "" if the row has none."""

    id: int
    account_id: int
    name: str
    channel_type: str


@dataclass(frozen=True, slots=True)
class ContactInbox:
    """How a contact is called in an inbox: a phone, an e-mail, a platform's id or a made-up one."""

    inbox_id: int
    source_id: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact with its labels (sorted) and inboxes (by inbox, then source id).

    Empty texts are "" or None as in the database, times are aware and UTC. `contact_type` is 0 visitor,
    1 lead, 2 customer. `country_code` holds the country's *name*: Chatwoot copies
    `additional_attributes.country` there. Attributes that are NULL in the database are {}.

    The repr leaves out what identifies a person, so that a record in a log tells no more than ids.
    """

    id: int
    account_id: int
    name: str = field(repr=False)
    last_name: str = field(repr=False)
    middle_name: str = field(repr=False)
    email: str | None = field(repr=False)
    phone_number: str | None = field(repr=False)
    identifier: str | None = field(repr=False)
    contact_type: int
    blocked: bool
    location: str = field(repr=False)
    country_code: str = field(repr=False)
    additional_attributes: Mapping[str, Any] = field(repr=False, hash=False)
    custom_attributes: Mapping[str, Any] = field(repr=False, hash=False)
    last_activity_at: datetime | None
    created_at: datetime
    updated_at: datetime
    labels: tuple[str, ...]
    inboxes: tuple[ContactInbox, ...]

    @property
    def key(self) -> int:
        """Its key in the stream of contacts."""
        return self.id


@dataclass(frozen=True, slots=True)
class BrokenRow:
    """A row that cannot be read as what it should be; `reason` names columns, never their contents."""

    key: int
    reason: str


class UnreadableError(ValueError):
    """A column does not hold what it should; the message names the column only."""

    def __init__(self, column: str, reason: str) -> None:
        """Keep what to say."""
        super().__init__(f"{column}: {reason}")


def or_broken(
    key: Callable[[Any], int], otherwise: str = "{}", more: tuple[type[Exception], ...] = ()
) -> Callable[
    [Callable[Concatenate[Any, Further], Made]], Callable[Concatenate[Any, Further], Made | BrokenRow]
]:
    """Let what makes a record of a row return a BrokenRow where the row is not what it should be.

    Args:
        key: what gives a row's key in its stream.
        otherwise: what to say around the type of an error that names no column: it may quote the row.
        more: the errors that mean so beside ValueError and RecursionError.
    """
    errors: tuple[type[Exception], ...] = (ValueError, RecursionError, *more)

    def decorated(
        make: Callable[Concatenate[Any, Further], Made],
    ) -> Callable[Concatenate[Any, Further], Made | BrokenRow]:
        @wraps(make)
        def made(row: Any, /, *args: Further.args, **named: Further.kwargs) -> Made | BrokenRow:
            try:
                return make(row, *args, **named)
            except UnreadableError as error:
                return BrokenRow(key(row), str(error))
            except errors as error:
                return BrokenRow(key(row), otherwise.format(type(error).__name__))

        return made

    return decorated
