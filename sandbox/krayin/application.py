"""The ASGI application: the API and the sandbox's own controls on one port."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

from sandbox.krayin import calls, connections, control, requests
from sandbox.krayin.answers import Answer, page
from sandbox.krayin.errors import ServerError, TooLargeError
from sandbox.krayin.faults import Fault, Faults
from sandbox.krayin.kernel import Kernel
from sandbox.krayin.server import Krayin

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from sandbox.krayin.requests import Call
    from sandbox.krayin.settings import Settings
    from sandbox.krayin.state import StateFile
    from sandbox.krayin.versions import Version

GATEWAY = {
    "status_502": (502, "502 Bad Gateway"),
    "status_503": (503, "503 Service Temporarily Unavailable"),
    "status_504": (504, "504 Gateway Time-out"),
}


class Application:
    """Takes requests from the server, runs them one after the other, and applies faults around them.

    Args:
        settings: switches of the installation.
        state: keeps the records over restarts; None keeps them in memory only.
    """

    def __init__(self, settings: Settings, state: StateFile | None = None) -> None:
        self.krayin = Krayin(settings)
        self.kernel = Kernel(self.krayin)
        self.faults = Faults()
        self.log = calls.CallLog()
        self.state = state
        self.started = time.time()
        self._at_once = 0
        self._controls: ASGIApp = control.controls(self)
        self._plant()

    def _plant(self) -> None:
        if self.state is None or not self.state.load(self.krayin.database):
            self.krayin.plant()
        if self.state is not None:
            self.state.attach(self.krayin.database)

    def reset(self) -> None:
        """Make everything as freshly started, settings apart."""
        if self.state is not None:
            self.state.detach(self.krayin.database)
        with self.krayin.lock:
            self.krayin.reset()
        self.faults.clear()
        self.log.clear()
        self.kernel.crashes.clear()
        if self.state is not None:
            self.state.attach(self.krayin.database)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request (ASGI)."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        if scope["path"].startswith("/sandbox/"):
            await self._controls(scope, receive, send)
            return
        content = await _content(receive)
        entry, answer = await self._answered(scope, content)
        self.log.add(entry)
        if answer is None:
            await connections.cut(scope)
            return
        await _send(send, answer, head=scope["method"] == "HEAD", entry=entry)

    async def _answered(self, scope: Scope, content: bytes) -> tuple[calls.Received, Answer | None]:
        call = _call(scope, content, self.krayin.version)
        query = scope["query_string"].decode("latin-1")
        entry = calls.Received(time.time(), call.method, scope["path"], query, request=calls.cut(content))
        chosen = self.faults.choose(call)
        entry.faults = tuple(fault.kind for fault in chosen)
        await self._take_time()
        answer = await self._before(call, chosen)
        if answer is None and "drop_before" not in entry.faults:
            answer = await self._carried_out(call, content)
            answer = await self._after(call, chosen, answer)
        entry.user_id = call.user_id
        return entry, answer

    async def _take_time(self) -> None:
        settings = self.krayin.settings
        if settings.latency_ms:
            self._at_once += 1
            crowd = 1 if settings.slow_beyond is None else max(1, self._at_once / settings.slow_beyond)
            try:
                await asyncio.sleep(settings.latency_ms * crowd / 1000)
            finally:
                self._at_once -= 1

    async def _carried_out(self, call: Call, content: bytes) -> Answer:
        if len(content) > requests.LARGEST_BODY:
            return self.kernel.render(TooLargeError(), call)
        if self.krayin.settings.races:
            answer = await asyncio.to_thread(self._locked, call)
        else:
            answer = self._locked(call)
        if self.state is not None:
            self.state.flush()
        return answer

    def _locked(self, call: Call) -> Answer:
        with self.krayin.lock:
            return self.kernel.handle(call)

    async def _before(self, call: Call, chosen: list[Fault]) -> Answer | None:
        for fault in chosen:
            if fault.kind == "delay_before":
                await asyncio.sleep(fault.seconds)
            elif fault.kind == "error_before":
                return self.kernel.render(ServerError("fault"), call)
            elif not fault.after and (fault.kind in GATEWAY or fault.kind == "wrong_json"):
                return _replaced(fault, call)
        return None

    async def _after(self, call: Call, chosen: list[Fault], answer: Answer) -> Answer | None:
        for fault in chosen:
            if fault.kind == "delay_after":
                await asyncio.sleep(fault.seconds)
            elif fault.kind == "drop_after":
                return None
            elif fault.kind == "error_after":
                failed = self.kernel.render(ServerError("fault"), call)
                answer = Answer(
                    failed.status, failed.body, failed.content_type, {**answer.headers, **failed.headers}
                )
            elif fault.after and (fault.kind in GATEWAY or fault.kind == "wrong_json"):
                answer = _replaced(fault, call)
        return answer


def _replaced(fault: Fault, call: Call) -> Answer:
    if fault.kind == "wrong_json":
        return Answer(200, b'{"data":{"id":')
    status, title = GATEWAY[fault.kind]
    return page(title, call.host, "nginx", status)


def _call(scope: Scope, content: bytes, version: Version) -> Call:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    client = scope.get("client")
    headers["x-client"] = client[0] if client else ""
    host = f"{scope['scheme']}://{headers.get('host', 'localhost')}"
    query = scope["query_string"].decode("latin-1")
    method, path = scope["method"], scope["path"]
    if len(content) > requests.LARGEST_BODY:
        content = b""
    return requests.read(requests.Arrival(method, path, host, headers, query, content), version)


async def _content(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(parts)
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _send(send: Send, answer: Answer, *, head: bool, entry: calls.Received) -> None:
    raw = isinstance(answer.body, bytes)
    content: bytes = answer.body if raw else json.dumps(answer.body, separators=(",", ":")).encode()
    entry.status = answer.status
    remaining: Any = answer.headers.get("X-RateLimit-Remaining")
    entry.remaining = None if remaining is None else int(remaining)
    entry.response = calls.cut(content)
    headers = {
        "Content-Type": answer.content_type,
        "Cache-Control": "no-cache, private",
        "Content-Length": str(len(content)),
        **answer.headers,
    }
    await send(
        {
            "type": "http.response.start",
            "status": answer.status,
            "headers": [
                (name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()
            ],
        }
    )
    await send({"type": "http.response.body", "body": b"" if head else content})
    entry.finished = time.time()


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        else:
            await send({"type": "lifespan.shutdown.complete"})
            return
