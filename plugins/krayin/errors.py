"""Errors of talking to Krayin, typed by how one recovers from them."""

# ruff: noqa: N818 - the names say what happened, as the recovery depends on it

from __future__ import annotations

import re
from datetime import timedelta
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# Of a person, and of a person inside a lead (CONTRACT: validation).
ADDRESS = re.compile(r"(?:^|\.)(?:emails|contact_numbers)\.\d+\.value$")


class KrayinError(Exception):
    """Anything that went wrong between us and Krayin.

    Attributes:
        reason: what happened and what to do about it; never a token, never a value out of a body.
        method: the HTTP method, None when no call was involved.
        route: the route template (`leads/attributes/edit/{id}`), None when no call was involved.
        status: the HTTP status, None when no answer came.
    """

    def __init__(
        self, reason: str, *, method: str | None = None, route: str | None = None, status: int | None = None
    ) -> None:
        super().__init__(reason, method, route, status)
        self.reason = reason
        self.method = method
        self.route = route
        self.status = status

    def __str__(self) -> str:
        call = " ".join(part for part in (self.method, self.route) if part)
        answer = f"HTTP {self.status}" if self.status is not None else ""
        return ": ".join(part for part in (call, answer, self.reason) if part)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (_rebuilt, (type(self), self.__dict__.copy()))


def _rebuilt(kind: type[KrayinError], state: dict[str, object]) -> KrayinError:
    # The default would call the constructor with positional arguments, which it does not take.
    error = kind.__new__(kind, *(state[key] for key in ("reason", "method", "route", "status")))
    error.__dict__.update(state)
    return error


class ConfigurationError(KrayinError):
    """The address or the settings are wrong; repeating cannot help, someone must correct them."""


class AuthenticationFailed(KrayinError):
    """Krayin does not accept the token; a new one must be put into the connection."""


class TryLater(KrayinError):
    """The same call may succeed later.

    Attributes:
        retry_after: seconds the server asked to wait, None when it did not say.
    """

    def __init__(self, reason: str, *, retry_after: float | None = None, **call: Any) -> None:
        super().__init__(reason, **call)
        self.retry_after = retry_after


class RateLimited(TryLater):
    """The limiter turned the call away and nothing was done; the window is 60 seconds."""


class DeletionsLimited(RateLimited):
    """The limiter of person deletions turned one away and nothing was done; its window is an hour."""

    def __init__(
        self,
        reason: str = "Krayin allows 100 deletions of persons an hour, and they are used up",
        **call: Any,
    ) -> None:
        super().__init__(reason, **call)

    @property
    def wait(self) -> timedelta:
        """How long to wait; nothing when nobody said."""
        return timedelta(seconds=self.retry_after or 0)


class ServerFailed(TryLater):
    """A repeatable call kept failing on Krayin's side."""


class Unanswered(ServerFailed):
    """A change got no answer from Krayin, which may still carry it out: nothing newer is to be sent before.

    It is not repeated at once: the record's next write would be undone by the call that comes late.
    """


class NotSent(KrayinError):
    """The connection could not be made, so nothing was sent and any call may be repeated."""


class OutcomeUnknown(KrayinError):
    """A writing POST got no trustworthy answer: look the record up before anything is repeated."""


class TurnedAway(OutcomeUnknown):
    """A writing POST was turned away as by the limiter, yet the token works and calls are left again.

    Nothing was done if it was the limiter; a PHP process that died on the call gives the same answer.
    """


class Rejected(KrayinError):
    """Krayin read the request and refuses its content; the record must be corrected.

    Attributes:
        fields: Krayin's messages per field (`person.emails.0.value`), empty when it named none.
    """

    def __init__(
        self, reason: str, *, fields: Mapping[str, tuple[str, ...]] = MappingProxyType({}), **call: Any
    ) -> None:
        super().__init__(reason, **call)
        self.fields: Mapping[str, tuple[str, ...]] = dict(fields)

    def refused_addresses(self) -> tuple[str, ...]:
        """Return the refused fields that hold an e-mail or phone, in Krayin's order.

        Most often somebody else has it. Krayin says so in its own language only, so who needs to know
        looks the address up.
        """
        return tuple(name for name in self.fields if ADDRESS.search(name))


class NotFound(KrayinError):
    """The record does not exist in Krayin (any more)."""


class UnexpectedAnswer(KrayinError):
    """The answer is not what Krayin gives: a proxy's page, a redirect or another shape."""


class FilterIgnored(UnexpectedAnswer):
    """A list shows other records than it was asked for, or none although they are there."""

    def __init__(
        self,
        reason: str = "the list does not show what it was asked for: a cache, proxy or firewall before "
        "Krayin changes the query; have it pass on calls to /api as they come",
        **call: Any,
    ) -> None:
        super().__init__(reason, **call)


class UnreadableRecord(UnexpectedAnswer):
    """A good answer holds a record in a shape Krayin does not give: somebody must look at it."""


def is_outage(error: KrayinError) -> bool:
    """Tell whether Krayin itself is away or refuses us, whatever record is meant."""
    match error:
        case AuthenticationFailed() | ConfigurationError() | NotSent() | RateLimited():
            return True
        case UnreadableRecord():
            return False
        case OutcomeUnknown() | ServerFailed() | UnexpectedAnswer():
            # A page of a proxy, of a web server in trouble or of Krayin's maintenance, or no answer at all.
            return error.status != HTTPStatus.INTERNAL_SERVER_ERROR
        case _:
            return False
