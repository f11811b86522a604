"""The record of one call to Krayin, free of bodies, ids and tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One request that was made or tried.

    Attributes:
        at: when it was sent, UTC.
        method: the HTTP method.
        route: the route template, for example `leads/attributes/edit/{id}`.
        status: the HTTP status, None when no answer came.
        milliseconds: from sending to the end of the answer.
        operation_id: the operation it was made for, None outside one.
        lane: the lane of the rate budget it was paced in, None when unknown.
        limit: `X-RateLimit-Limit`, None when absent.
        remaining: `X-RateLimit-Remaining`, None when absent.
        outcome: the verdict on the answer, or the kind of failure when none came.
    """

    at: datetime
    method: str
    route: str
    status: int | None
    milliseconds: float
    operation_id: str | None
    lane: str | None
    limit: int | None
    remaining: int | None
    outcome: str
