"""Tells a Krayin that is away from one that has something against a record."""

from __future__ import annotations

from http.client import INTERNAL_SERVER_ERROR

from krayin.errors import (
    AuthenticationFailed,
    ConfigurationError,
    KrayinError,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    ServerFailed,
    UnexpectedAnswer,
    UnreadableRecord,
)


def is_outage(error: KrayinError) -> bool:
    """Tell whether Krayin itself is away or refuses us, whatever record is meant."""
    match error:
        case AuthenticationFailed() | ConfigurationError() | NotSent() | RateLimited():
            return True
        case UnreadableRecord():
            return False
        case OutcomeUnknown() | ServerFailed() | UnexpectedAnswer():
            # A page of a proxy, of a web server in trouble or of Krayin's maintenance, or no answer at all.
            return error.status != INTERNAL_SERVER_ERROR
        case _:
            return False
