"""The ASGI application: throttle, token, account, then the handler of the route."""

from __future__ import annotations

import json
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from psycopg_pool import ConnectionPool
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from sandbox.chatwoot_api import agents, contacts, conversations, webhooks
from sandbox.chatwoot_api.calls import Call
from sandbox.chatwoot_api.errors import AnsweredError, not_found
from sandbox.chatwoot_api.limiter import Limiter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from psycopg import Connection
    from starlette.requests import Request

    from sandbox.chatwoot_api.settings import Settings

    Handler = Callable[[Call], Any]

_ACCOUNT = "/api/v1/accounts/{account_id:int}"
_ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/contacts", contacts.index),
    ("POST", "/contacts/filter", contacts.filtered),
    ("GET", "/contacts/search", contacts.search),
    ("GET", "/contacts/{id:int}", contacts.show),
    ("PUT", "/contacts/{id:int}", contacts.update),
    ("GET", "/contacts/{id:int}/labels", contacts.labels),
    ("GET", "/contacts/{id:int}/conversations", contacts.conversations),
    ("GET", "/conversations", conversations.index),
    ("POST", "/conversations/filter", conversations.filtered),
    ("GET", "/conversations/{id:int}", conversations.show),
    ("GET", "/conversations/{id:int}/messages", conversations.messages),
    ("GET", "/conversations/{id:int}/labels", conversations.labels),
    ("GET", "/conversations/{id:int}/reporting_events", conversations.reporting_events),
    ("GET", "/inboxes", agents.inboxes),
    ("GET", "/inboxes/{id:int}", agents.inbox),
    ("GET", "/agents", agents.agents),
    ("GET", "/teams", agents.teams),
    ("GET", "/labels", agents.labels),
    ("GET", "/custom_attribute_definitions", agents.attribute_definitions),
    ("GET", "/webhooks", webhooks.index),
    ("POST", "/webhooks", webhooks.create),
    ("PATCH", "/webhooks/{id:int}", webhooks.update),
)
_ADMINISTRATOR = 1
_SUSPENDED = 1
# Ids are four bytes wide.
_LARGEST_ID = 2**31 - 1


@dataclass(slots=True)
class Server:
    """What the requests share.

    Attributes:
        settings: may be changed while it runs.
        calls: method and path with query of every request let in, oldest first.
        before: called with each before it is answered, in its thread: a test's moment to change rows.
    """

    settings: Settings
    pool: ConnectionPool[Connection[Any]]
    limiter: Limiter = field(default_factory=Limiter)
    calls: list[str] = field(default_factory=list)
    before: Callable[[str], None] | None = None

    def answer(self, name: str, handler: Handler, path: Mapping[str, int], given: _Given) -> Response:
        """Answer one request."""
        wait = self.limiter.left_out(given.address, self.settings.requests_per_minute)
        if wait:
            headers = {"Retry-After": str(wait)} if self.settings.retry_after else {}
            return PlainTextResponse("Retry later\n", 429, headers)
        self.calls.append(name)
        try:
            if self.before is not None:
                self.before(name)
            with self.pool.connection() as connection:
                made = Call(connection, self.settings, path, given.query, given.content)
                if path or handler is agents.profile:
                    self._admit(made, given.token)
                return _json(handler(made))
        except AnsweredError as answered:
            return _json(answered.body, answered.status)

    def _admit(self, call: Call, token: str) -> None:
        """Find the token's user and see that they may see the account.

        Raises:
            AnsweredError: 401, there is no such token, or the account is not the user's.
        """
        found = call.documents(
            "SELECT owner_id FROM access_tokens WHERE token = %(token)s AND owner_type = 'User'", token=token
        )
        if token == self.settings.token:
            found = call.documents(
                "SELECT user_id FROM account_users WHERE role = %(role)s "
                "ORDER BY account_id, user_id LIMIT 1",
                role=_ADMINISTRATOR,
            )
        if not token or not found:
            raise AnsweredError(401, {"error": "Invalid Access Token"})
        call.user_id = int(found[0])
        if not call.path:
            return
        if max(call.path.values()) > _LARGEST_ID:
            raise not_found()
        account = call.rows(
            "SELECT account.status, member.role FROM accounts AS account LEFT JOIN account_users AS member "
            "ON member.account_id = account.id AND member.user_id = %(user_id)s "
            "WHERE account.id = %(account_id)s",
            user_id=call.user_id,
        )
        if not account:
            raise not_found()
        if account[0]["role"] is None:
            raise AnsweredError(401, {"error": "You are not authorized to access this account"})
        if account[0]["status"] == _SUSPENDED:
            raise AnsweredError(401, {"error": "Account is suspended"})


@dataclass(frozen=True, slots=True)
class _Given:
    address: str
    token: str = field(repr=False)
    query: Mapping[str, str]
    content: bytes


def build(settings: Settings) -> Starlette:
    """Return the application; its `state.server` is the Server."""
    pool: ConnectionPool[Connection[Any]] = ConnectionPool(
        settings.database_url, min_size=1, max_size=8, open=False, configure=_configure
    )
    server = Server(settings, pool)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await run_in_threadpool(pool.open)
        yield
        await run_in_threadpool(pool.close)

    def route(method: str, path: str, handler: Handler) -> Route:
        async def endpoint(request: Request) -> Response:
            given = _Given(
                request.client.host if request.client else "",
                request.headers.get("api_access_token", ""),
                request.query_params,
                await request.body(),
            )
            name = f"{method} {request.url.path}{f'?{request.url.query}' if request.url.query else ''}"
            return await run_in_threadpool(server.answer, name, handler, request.path_params, given)

        return Route(path, endpoint, methods=[method])

    def version(_: Call) -> Any:
        return {
            "version": settings.version,
            "timestamp": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S"),
            "queue_services": "ok",
            "data_services": "ok",
        }

    application = Starlette(
        routes=[
            route("GET", "/api", version),
            route("GET", "/api/v1/profile", agents.profile),
            *(route(method, f"{_ACCOUNT}{path}", handler) for method, path, handler in _ROUTES),
        ],
        lifespan=lifespan,
        exception_handlers={404: _no_route},
    )
    application.state.server = server
    application.state.started = time.time()
    return application


async def _no_route(_: Request, __: Exception) -> Response:
    return _json({"error": "Not Found"}, 404)


def _json(body: Any, status: int = 200) -> Response:
    if status != 200:
        return JSONResponse(body, status)
    return Response(json.dumps(body, default=str), media_type="application/json")


def _configure(connection: Connection[Any]) -> None:
    connection.execute("SET TimeZone = 'UTC'")
    # The page queries carry a lot and read little: compiling them costs more than running them.
    connection.execute("SET jit = off")
    connection.commit()
