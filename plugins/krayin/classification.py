"""What an answer of Krayin means: a table, because its status codes alone do not tell."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from krayin.errors import (
    AuthenticationFailed,
    ConfigurationError,
    KrayinError,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    ServerFailed,
    TryLater,
    UnexpectedAnswer,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class Meaning(StrEnum):
    """What an answer means for the call."""

    ANSWERED = "answered"
    REJECTED = "rejected"
    NOT_FOUND = "not_found"
    ROUTE_MISSING = "route_missing"
    RATE_LIMITED = "rate_limited"
    UNAUTHENTICATED = "unauthenticated"
    TURNED_AWAY = "turned_away"
    """Token refused, or the limit reached by someone we do not see: the answer cannot tell which."""
    SERVER_FAILED = "server_failed"
    UNEXPECTED = "unexpected"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The meaning of one answer with the facts that go with it.

    Attributes:
        meaning: what the answer means.
        reason: the same in words for a person, with what to do; safe to log.
        limit: `X-RateLimit-Limit`, None when absent.
        remaining: `X-RateLimit-Remaining`, None when absent.
        retry_after: seconds the server asked to wait, None when it did not say.
        fields: Krayin's messages per field when it rejected the content.
    """

    meaning: Meaning
    reason: str
    limit: int | None = None
    remaining: int | None = None
    retry_after: float | None = None
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table; None in a condition means that it does not matter.

    Attributes:
        statuses: the HTTP statuses it is for.
        meaning: what an answer that fits means.
        reason: the same in words for a person.
        json: whether the body is a JSON object or list.
        limiter: whether the answer shows that it passed the rate limiter.
        near_limit: whether we know that the window's calls are used up or nearly so.
    """

    statuses: frozenset[int]
    meaning: Meaning
    reason: str
    json: bool | None = None
    limiter: bool | None = None
    near_limit: bool | None = None

    def fits(self, *, status: int, json: bool, limiter: bool, near_limit: bool) -> bool:
        """Return whether an answer with these signs is the one this rule is for."""
        return (
            status in self.statuses
            and self.json in (None, json)
            and self.limiter in (None, limiter)
            and self.near_limit in (None, near_limit)
        )


def _in(*statuses: int) -> frozenset[int]:
    return frozenset(statuses)


_SUCCESS: Final = frozenset(range(200, 300))
_REDIRECT: Final = frozenset(range(300, 400))
_SERVER_ERROR: Final = frozenset(range(500, 600))
_ANY: Final = frozenset(range(100, 1000))

RULES: Final[tuple[Rule, ...]] = (
    Rule(_SUCCESS, Meaning.ANSWERED, "answered", json=True),
    Rule(
        _SUCCESS,
        Meaning.UNEXPECTED,
        "the answer is not JSON: it is empty, breaks off, or is a page of Krayin, a proxy or another site",
    ),
    Rule(
        _REDIRECT,
        Meaning.UNEXPECTED,
        "the answer is a redirect: put the address it leads to into the connection, or read Krayin's log",
    ),
    Rule(_in(422), Meaning.REJECTED, "Krayin refuses the content", json=True),
    Rule(_in(400, 409, 413), Meaning.REJECTED, "the server refuses the request"),
    Rule(
        _in(401),
        Meaning.UNAUTHENTICATED,
        "Krayin does not accept the token: put a new one into the connection",
    ),
    Rule(
        _in(403),
        Meaning.UNAUTHENTICATED,
        "Krayin does not allow this to the token's user: use a user who may do it",
        json=True,
    ),
    Rule(_in(404), Meaning.NOT_FOUND, "the record does not exist in Krayin", json=True, limiter=True),
    Rule(
        _in(404, 405),
        Meaning.ROUTE_MISSING,
        "this address has no such route: check the API address and that the REST API package is installed",
    ),
    Rule(_in(429), Meaning.RATE_LIMITED, "the rate limit is reached"),
    Rule(
        _in(500),
        Meaning.RATE_LIMITED,
        "the rate limit is reached (Krayin says so with a 500)",
        json=True,
        limiter=False,
        near_limit=True,
    ),
    Rule(
        _in(500),
        Meaning.TURNED_AWAY,
        "Krayin turned the call away before looking at it: the token is not (or no longer) accepted,"
        " or another program used up this API user's calls",
        json=True,
        limiter=False,
        near_limit=False,
    ),
    Rule(_SERVER_ERROR, Meaning.SERVER_FAILED, "the server failed on this call"),
    Rule(_ANY, Meaning.UNEXPECTED, "the server's answer is not one that Krayin gives"),
)
"""First match wins. Krayin 2.1.5: every answer that an endpoint gave carries the limiter's headers.

Texts are never looked at: Krayin 2.2 translates them. As shipped 2.2 has no limiter, and with APP_DEBUG=false
a dead token, a wrong method and a fault of its own are all the same 500.
"""


ERRORS: Final[Mapping[Meaning, type[KrayinError]]] = MappingProxyType(
    {
        Meaning.REJECTED: Rejected,
        Meaning.NOT_FOUND: NotFound,
        Meaning.ROUTE_MISSING: ConfigurationError,
        Meaning.RATE_LIMITED: RateLimited,
        Meaning.UNAUTHENTICATED: AuthenticationFailed,
        Meaning.TURNED_AWAY: AuthenticationFailed,
        Meaning.SERVER_FAILED: ServerFailed,
        Meaning.UNEXPECTED: UnexpectedAnswer,
    }
)
"""What to raise for every meaning but `ANSWERED`."""

UNTRUSTED: Final = frozenset({Meaning.SERVER_FAILED, Meaning.UNEXPECTED})
"""What leaves the outcome of a call unknown that may not be repeated."""


def classify(
    status: int,
    headers: Mapping[str, str],
    body: Any | None,
    *,
    near_limit: bool = False,
    is_limited: bool = True,
) -> Verdict:
    """Return what one answer means.

    Args:
        status: the HTTP status.
        headers: the answer's headers, looked up without regard to case.
        body: the parsed JSON body, None when it was not JSON.
        near_limit: the last known remaining number of calls in this window is 0 or nearly so,
            by this process or by the shared budget; decides how a 500 without limiter headers is read.
        is_limited: this Krayin gives limiter headers on good answers, so that their absence tells
            something.
    """
    known = {name.lower(): value for name, value in headers.items()}
    limit, remaining = (
        _whole_number(known.get("x-ratelimit-limit")),
        _whole_number(known.get("x-ratelimit-remaining")),
    )
    rule = next(
        rule
        for rule in RULES
        if rule.fits(
            status=status,
            json=isinstance(body, (dict, list)),
            limiter=limit is not None or not is_limited,
            near_limit=near_limit,
        )
    )
    leads_on = status in _REDIRECT and "location" in known
    return Verdict(
        meaning=rule.meaning,
        reason=f"{rule.reason} (to {redirect_target(known['location'])})" if leads_on else rule.reason,
        limit=limit,
        remaining=remaining,
        # The HTTP-date form needs a clock that agrees with the server's; Laravel sends seconds.
        retry_after=_whole_number(known.get("retry-after")),
        fields=_fields(body) if rule.meaning is Meaning.REJECTED else MappingProxyType({}),
    )


def error_of(verdict: Verdict, *, repeatable: bool, **call: Any) -> KrayinError:
    """Return the error to raise for a verdict other than `ANSWERED`; `call` as in KrayinError."""
    if verdict.meaning in UNTRUSTED and not repeatable:
        reason = f"{verdict.reason}; Krayin may have written the record: look it up before repeating"
        return OutcomeUnknown(reason, **call)
    kind = ERRORS[verdict.meaning]
    if issubclass(kind, Rejected):
        named = ", ".join(verdict.fields)
        reason = f"{verdict.reason}: {named}" if named else verdict.reason
        return kind(reason, fields=verdict.fields, **call)
    if issubclass(kind, TryLater):
        return kind(verdict.reason, retry_after=verdict.retry_after, **call)
    return kind(verdict.reason, **call)


def redirect_target(location: str) -> str:
    """Return where a redirect leads, without query and user."""
    parts = urlsplit(location)
    host = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else ""
    return f"{host}{parts.path}"


def _whole_number(text: str | None) -> int | None:
    return int(text) if text is not None and text.strip().isdigit() else None


def _fields(body: Any) -> Mapping[str, tuple[str, ...]]:
    errors = body.get("errors") if isinstance(body, dict) else None
    if not isinstance(errors, dict):
        return MappingProxyType({})
    return MappingProxyType(
        {
            str(name): tuple(str(one) for one in (messages if isinstance(messages, list) else [messages]))
            for name, messages in errors.items()
        }
    )
