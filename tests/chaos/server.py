"""The stand-in for Krayin as a process, with the troubles it does not make itself.

Run as `python -m tests.chaos.server PORT TOKEN STATE_FILE CALLS_FILE TROUBLES_FILE`. `PUT /chaos` takes JSON:
`refuse` (how the rate limit refuses every call for `seconds`: `429`; `500`, the form without a hint; `announced
500`, after an answer that says that no call remains), `page_before` and `page_after` (chances of
an HTML page with status 200 instead of the call or of its answer), `seed`. Each call received and each
trouble met is a line of the files.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn

from sandbox.krayin import connections
from sandbox.krayin.application import Application
from sandbox.krayin.settings import Settings
from sandbox.krayin.state import StateFile
from sandbox.krayin.testing import usual_krayin

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Message, Receive, Send, SourceFilter

    from sandbox.krayin.faults import Fault
    from sandbox.krayin.requests import Call

LIMIT_500 = json.dumps({"message": "admin::app.common.internal-server-error"}).encode()
LIMIT_429 = json.dumps({"message": "Too Many Attempts."}).encode()
PAGE = b"<!DOCTYPE html><html><body><h1>Be right back.</h1></body></html>"
JSON = (b"content-type", b"application/json")


class Troubled:
    """Passes requests on to the stand-in, refuses them or puts a page in the place of the answer."""

    def __init__(self, application: Application, calls: Path, troubles: Path) -> None:
        self._application = application
        self._calls = os.open(calls, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._troubles = os.open(troubles, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        application.faults.choose = partial(self._chosen, application.faults.choose)
        self._announce = False
        self._refuse: str | None = None
        self._refuse_until = 0.0
        self._chances: dict[str, float] = {"page_before": 0.0, "page_after": 0.0}
        self._random = random.Random()

    async def __call__(self, scope: SourceFilter, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/chaos":
            await self._control(receive, send)
        elif scope["type"] == "http" and scope["path"].startswith("/api/"):
            os.write(self._calls, f"{scope['method']}\n".encode())
            await self._troubled(scope, receive, send)
        else:
            await self._application(scope, receive, send)

    def _met(self, trouble: str) -> None:
        os.write(self._troubles, f"{trouble}\n".encode())

    def _chosen(self, choose: Callable[[Call], list[Fault]], call: Call) -> list[Fault]:
        faults = choose(call)
        for fault in faults:
            when = " after the call" if fault.after else ""
            self._met(f"{fault.kind}{when}{f' {fault.seconds:g} s' if 'delay' in fault.kind else ''}")
        return faults

    async def _control(self, receive: Receive, send: Send) -> None:
        wanted = json.loads((await receive())["body"])
        self._random.seed(wanted.get("seed"))
        if "refuse" in wanted:
            # A Krayin that ships no limiter says so in one form only.
            is_limited = self._application.krayin.settings.limit is not None
            self._refuse = wanted["refuse"] if is_limited else wanted["refuse"] and "429"
            self._refuse_until = time.monotonic() + wanted["seconds"]
            self._announce = self._refuse == "announced 500"
        self._chances |= {name: wanted[name] for name in self._chances if name in wanted}
        await _answer(send, 200, b"{}", [JSON])

    async def _troubled(self, scope: SourceFilter, receive: Receive, send: Send) -> None:
        if time.monotonic() < self._refuse_until and self._announce:
            self._announce = False
            await self._application(scope, receive, partial(_with_nothing_left, send))
        elif time.monotonic() < self._refuse_until:
            self._met(f"refused by {self._refuse}")
            if self._refuse == "429":
                headers = [JSON, (b"retry-after", b"1"), (b"x-ratelimit-limit", b"60")]
                await _answer(send, 429, LIMIT_429, [*headers, (b"x-ratelimit-remaining", b"0")])
            else:
                await _answer(send, 500, LIMIT_500, [JSON])
        elif self._random.random() < self._chances["page_before"]:
            self._met("page")
            await _answer(send, 200, PAGE, [(b"content-type", b"text/html")])
        elif self._random.random() < self._chances["page_after"]:
            self._met("page after the call")
            await self._application(scope, receive, _swallow)
            await _answer(send, 200, PAGE, [(b"content-type", b"text/html")])
        else:
            await self._application(scope, receive, send)


async def _swallow(_: Message) -> None:
    pass


async def _with_nothing_left(send: Send, message: Message) -> None:
    if message["type"] == "http.response.start":
        headers = [
            (name, b"0" if name.lower() == b"x-ratelimit-remaining" else value)
            for name, value in message["headers"]
        ]
        message = {**message, "headers": headers}
    await send(message)


async def _answer(send: Send, status: int, body: bytes, headers: list[Any]) -> None:
    headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def main() -> None:
    port, token = int(sys.argv[1]), sys.argv[2]
    state, calls, troubles = map(Path, sys.argv[3:])
    settings = Settings(latency_ms=5, token=token, **usual_krayin())
    application = Application(settings, StateFile(state))
    uvicorn.run(
        Troubled(application, calls, troubles),
        http=connections.tracked,
        host="127.0.0.1",
        port=port,
        log_level="error",
        access_log=False,
        lifespan="off",
        ws="none",
    )


if __name__ == "__main__":
    main()
