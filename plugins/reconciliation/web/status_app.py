"""The status page as an application inside Airflow's API server; each of its routes asks who is there."""

from __future__ import annotations

import gzip
from base64 import b64encode
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import psycopg
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.exceptions import HTTPException as StarletteHTTPException
from statements import statement

from reconciliation.errors import ReconciliationError
from reconciliation.model.happened import Happened
from reconciliation.model.templates import page
from reconciliation.settings.sync_files import BrokenSync
from reconciliation.store import reports
from reconciliation.store.connection import connect
from reconciliation.web.console import Id, console_routes
from reconciliation.web.facts import SyncFacts, read_facts
from reconciliation.web.health import Health, Level, health_of
from reconciliation.web.labels import hint
from reconciliation.web.page_context import RECOVER
from reconciliation.web.plots import sparkline

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from reconciliation.settings.sync_settings import SyncSettings
    from reconciliation.web.page_context import PageContext

SLOWEST: Final = "15s"
HEADERS: Final = {
    # Nothing is loaded from anywhere, no script but ours runs, nobody else may put it into a frame.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    f"script-src 'sha256-{b64encode(sha256(page('page.js').encode()).digest()).decode()}'; "
    "connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-store",
}
OLDER_SCHEMA: Final = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.InvalidSchemaName,
)
# DAGs of a sync by the end of their names, and of all syncs, with what one does there.
SYNC_DAGS: Final = (
    ("sync", "Runs with a form"),
    ("reconcile", "Comparisons with a form"),
    ("backfill", "Bring history over"),
    ("approval", "Approvals"),
    ("events", "Webhooks"),
)
ALL_DAGS: Final = (
    (RECOVER, "Explain an incident"),
    ("krayin_replay", "Replay what is quarantined"),
    ("krayin_setup", "Check connections and settings"),
    ("krayin_erasure", "Erase a contact"),
    ("krayin_maintenance", "Tidy up"),
)


@dataclass(frozen=True, slots=True)
class Shown:
    """One sync as the page shows it; `problem` is what is wrong with its file."""

    name: str
    health: Health
    facts: SyncFacts
    dags: Sequence[tuple[str, str]]
    may_start: bool
    problem: str | None = None


class UnavailableError(Exception):
    """The sync database cannot be read now; the message says what to do."""


def create_app(context: PageContext) -> FastAPI:
    """Return the application; it is mounted at `reconciliation.airflow.web.PAGES_PREFIX`."""
    pages = _Pages(context)
    signed_in = Depends(context.signed_in)

    def enter(request: Request, user: Any = signed_in) -> None:
        request.state.user = user
        request.state.readable = context.readable(user)

    # The documentation's own routes would stand outside: they are made without dependencies.
    app = FastAPI(
        title="Krayin sync", docs_url=None, redoc_url=None, openapi_url=None, dependencies=[Depends(enter)]
    )
    app.add_api_route("/", pages.status, methods=["GET"], response_class=HTMLResponse)
    app.add_api_route("/reports/{run_id}/{name}", pages.report_file, methods=["GET"], response_class=Response)
    app.include_router(console_routes(context, pages.database))
    app.add_exception_handler(StarletteHTTPException, pages.refused)
    app.add_exception_handler(UnavailableError, pages.unavailable)
    app.add_exception_handler(RequestValidationError, pages.not_understood)
    app.middleware("http")(_with_headers)
    return app


class _Pages:
    """What the routes answer."""

    def __init__(self, context: PageContext) -> None:
        self._context = context

    def status(self, request: Request) -> HTMLResponse:
        now = datetime.now(UTC)
        dags: Mapping[str, bool] = request.state.readable
        syncs = list(self._context.readable_syncs(dags).values())
        facts: dict[str, SyncFacts] = {}
        trouble = None
        try:
            with self.database() as connection:
                facts = read_facts(connection, [sync.name for sync in syncs])
        except UnavailableError as error:
            trouble = str(error)
        html = page(
            "status.html.j2",
            now=now,
            trouble=trouble,
            incidents=self._context.answerable(request.state.user, dags, facts),
            question=self._context.question(RECOVER),
            happened=Happened,
            syncs=[]
            if trouble
            else [
                _shown(
                    sync,
                    facts[sync.name],
                    dags,
                    now,
                    may_start=self._context.may_start(request.state.user, f"{sync.name}__sync"),
                )
                for sync in syncs
            ],
            names=[sync.name for sync in syncs],
            dags=[(dag, label) for dag, label in ALL_DAGS if dag in dags],
            hint=hint,
            sparkline=sparkline,
        )
        return HTMLResponse(html, HTTPStatus.SERVICE_UNAVAILABLE if trouble else HTTPStatus.OK)

    def report_file(self, request: Request, run_id: Id, name: str) -> Response:
        with self.database() as connection:
            file = reports.fetch(connection, run_id, name)
        # Who may not see a sync is not told either whether it has this report.
        if file is None or f"{file.sync_name}__sync" not in request.state.readable:
            raise HTTPException(HTTPStatus.NOT_FOUND, "There is no such report.")
        headers = {"Vary": "Accept-Encoding"}
        if name != reports.PAGE:
            headers["Content-Disposition"] = f'attachment; filename="{file.sync_name}-{run_id}-{name}"'
        content = file.content
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
        else:
            content = gzip.decompress(content)
        return Response(content, media_type=file.media_type, headers=headers)

    def unavailable(self, request: Request, error: Exception) -> Response:
        return self.refused(request, HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, str(error)))

    def not_understood(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        # What was sent may name a customer: only where it stood is told.
        where = ", ".join(sorted({str(one["loc"][-1]) for one in error.errors()}))
        message = f"The address or form has something in it that cannot be there: {where}."
        return self.refused(request, HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, message))

    def refused(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, StarletteHTTPException)
        if error.status_code == HTTPStatus.UNAUTHORIZED and "text/html" in request.headers.get("accept", ""):
            address = self._context.login(str(request.url))
            if address is not None:
                return RedirectResponse(address, HTTPStatus.SEE_OTHER)
        place = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        html = page(
            "refused.html.j2",
            status=error.status_code,
            said="There is no such page." if error.detail == HTTPStatus.NOT_FOUND.phrase else error.detail,
            home="../" * (place.count("/") - 1),
        )
        return HTMLResponse(html, error.status_code, headers=error.headers)

    @contextmanager
    def database(self) -> Iterator[psycopg.Connection]:
        """Open the sync database for one request, in one transaction.

        Raises:
            UnavailableError: it cannot be used now.
        """
        try:
            connection = connect(self._context.sync_dsn(), patience=0)
        except ReconciliationError as error:
            raise UnavailableError(str(error)) from None
        try:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            with connection, connection.transaction():
                connection.execute(statement("session/page"), {"slowest": SLOWEST})
                yield connection
        except OLDER_SCHEMA:
            message = "It has no tables of this version yet: run the DAG krayin_setup."
            raise UnavailableError(message) from None
        except psycopg.Error as error:
            message = f"It failed ({type(error).__name__}). Check that PostgreSQL is up; nothing is lost."
            raise UnavailableError(message) from None


async def _with_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _shown(
    sync: SyncSettings | BrokenSync,
    facts: SyncFacts,
    dags: Mapping[str, bool],
    now: datetime,
    *,
    may_start: bool,
) -> Shown:
    links = [(f"{sync.name}__{end}", label) for end, label in SYNC_DAGS if f"{sync.name}__{end}" in dags]
    if isinstance(sync, BrokenSync):
        broken = Health(Level.BAD, "Its file is broken", ("Nothing is read or sent until it is mended.",))
        return Shown(sync.name, broken, facts, links, may_start, str(sync.error))
    health = health_of(
        facts,
        now,
        schedule=sync.schedule,
        enabled=sync.enabled,
        paused=dags[f"{sync.name}__sync"],
    )
    return Shown(sync.name, health, facts, links, may_start)
