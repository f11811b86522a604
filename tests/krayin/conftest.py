"""A scripted Krayin, a limiter that keeps a diary and a clock that only moves when someone sleeps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from krayin.client import KrayinClient
from krayin.permits import LimitFeedback, Permit

if TYPE_CHECKING:
    from krayin.session import ApiCall

TOKEN = "7|sEcReTsEcReTsEcReTsEcReTsEcReTsEcReT"
GENERIC = {"message": "admin::app.common.internal-server-error"}

Step = httpx.Response | BaseException | Callable[[httpx.Request], httpx.Response]


@dataclass
class Diary:
    """A limiter that grants at once and remembers."""

    settled: list[LimitFeedback | None] = field(default_factory=list)
    granted: int = 0
    near: bool = False

    def acquire(self) -> Permit:
        self.granted += 1
        return Permit(self.granted, self.granted, datetime.now(UTC))

    def settle(self, permit: Permit, answer: LimitFeedback | None) -> None:
        self.settled.append(answer)

    def near_limit(self) -> bool:
        return self.near


@dataclass
class Clock:
    """Time that passes only by sleeping."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def monotonic(self) -> float:
        return self.now


@dataclass
class Scripted:
    """A client and everything one may ask about what it did."""

    client: KrayinClient
    limiter: Diary
    clock: Clock
    requests: list[httpx.Request]
    calls: list[ApiCall]


def answer(
    body: Any, status: int = 200, *, limit: int | None = 60, remaining: int | None = 50, **headers: str
):
    """An answer of an endpoint, or of something before it when `limit` is None."""
    shown = {name.replace("_", "-"): value for name, value in headers.items()}
    if limit is not None:
        shown |= {"X-RateLimit-Limit": str(limit), "X-RateLimit-Remaining": str(remaining)}
    return httpx.Response(status, json=body, headers=shown)


def bare_500() -> httpx.Response:
    return answer(GENERIC, 500, limit=None)


def page(rows: Iterable[Any], current: int = 1, last: int = 1, total: int | None = None) -> dict[str, Any]:
    listed = list(rows)
    meta = {"current_page": current, "last_page": last, "total": len(listed) if total is None else total}
    return {"data": listed, "meta": meta, "links": {}}


USER = {
    "data": {"id": 3, "name": "Sync", "email": "sync@example.com", "status": 1, "view_permission": "global"}
}


def person(person_id: int, *emails: str, phones: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "id": person_id,
        "name": f"Person {person_id}",
        "emails": [{"value": one, "label": "work"} for one in emails],
        "contact_numbers": [{"value": one, "label": "work"} for one in phones],
        "job_title": None,
        "created_at": "2026-01-02T03:04:05.000000Z",
        "updated_at": "2026-01-02T03:04:05.000000Z",
    }


@dataclass
class Kit:
    """The pieces of the tests, as one fixture."""

    token: str = TOKEN
    user: dict[str, Any] = field(default_factory=lambda: USER)
    answer: Callable[..., httpx.Response] = field(default=answer)
    bare_500: Callable[[], httpx.Response] = field(default=bare_500)
    page: Callable[..., dict[str, Any]] = field(default=page)
    person: Callable[..., dict[str, Any]] = field(default=person)

    def script(self, *steps: Step, **options: Any) -> Scripted:
        """A client whose calls are answered by `steps` in order; one call too many fails."""
        left = list(steps)
        requests: list[httpx.Request] = []

        def handle(request: httpx.Request) -> httpx.Response:
            requests.append(request)
            assert left, f"unexpected call {request.method} {request.url}"
            step = left.pop(0)
            if isinstance(step, BaseException):
                raise step
            return step if isinstance(step, httpx.Response) else step(request)

        limiter, clock, calls = options.pop("limiter", Diary()), Clock(), []
        client = KrayinClient(
            "https://crm.example.com/api/v1",
            TOKEN,
            limiter=limiter,
            on_call=calls.append,
            transport=httpx.MockTransport(handle),
            sleep=clock.sleep,
            monotonic=clock.monotonic,
            **options,
        )
        return Scripted(client, limiter, clock, requests, calls)


@pytest.fixture
def kit() -> Kit:
    return Kit()
