"""The sandbox's own routes, outside /api: reset, seed, faults, clock, and what happened."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from sandbox.krayin import seeding
from sandbox.krayin.errors import KrayinError
from sandbox.krayin.faults import FaultPlan
from sandbox.krayin.settings import Instance  # noqa: TC001 (pydantic reads it)
from sandbox.krayin.versions import DatabaseName, HandlerName, VersionName  # noqa: TC001 (pydantic reads it)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from sandbox.krayin.application import Application
    from sandbox.krayin.tables import Backup

    Endpoint = Callable[[Request], Awaitable[JSONResponse]]


class Changes(BaseModel):
    """Settings that may be changed while the server runs."""

    model_config = ConfigDict(extra="forbid")

    instance: Instance | None = None
    version: VersionName | None = None
    handler: HandlerName | None = None
    database: DatabaseName | None = None
    timezone: str | None = None
    requests_per_minute: int | None = None
    latency_ms: float | None = None
    slow_beyond: int | None = None
    persons_email_required: bool | None = None
    races: int | None = None
    token: str | None = None


class ClockChange(BaseModel):
    """Where the server's clock goes: to an offset from the machine's, further by some seconds, or nowhere."""

    model_config = ConfigDict(extra="forbid")

    stopped: bool | None = None

    offset_seconds: float | None = None
    advance_seconds: float = 0.0


def controls(application: Application) -> Starlette:
    """Return the routes under /sandbox/ of an application."""
    endpoints = _Endpoints(application)
    table: tuple[tuple[str, str, Endpoint], ...] = (
        ("health", "GET", endpoints.health),
        ("reset", "POST", endpoints.reset),
        ("settings", "GET", endpoints.settings),
        ("settings", "PUT", endpoints.change_settings),
        ("seed", "POST", endpoints.seed),
        ("faults", "GET", endpoints.show_faults),
        ("faults", "PUT", endpoints.set_faults),
        ("faults", "DELETE", endpoints.clear_faults),
        ("clock", "PUT", endpoints.set_clock),
        ("calls", "GET", endpoints.calls),
        ("calls", "DELETE", endpoints.clear_calls),
        ("mails", "GET", endpoints.mails),
        ("records", "GET", endpoints.records),
        ("records", "PUT", endpoints.edit_records),
        ("backup", "POST", endpoints.backup),
        ("restore", "POST", endpoints.restore),
    )
    return Starlette(
        routes=[Route(f"/sandbox/{path}", endpoint, methods=[method]) for path, method, endpoint in table],
        exception_handlers={ValidationError: _refused, KrayinError: _refused},
    )


async def _refused(_: Request, error: Exception) -> JSONResponse:
    if isinstance(error, ValidationError):
        return JSONResponse(json.loads(error.json(include_url=False)), 422)
    return JSONResponse({"message": str(error)}, 422)


async def _body(request: Request) -> Any:
    content = await request.body()
    return json.loads(content) if content else {}


class _Endpoints:
    """Handlers of the sandbox's routes."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._backup: Backup | None = None

    async def health(self, _: Request) -> JSONResponse:
        application = self._application
        crashes = application.kernel.crashes
        return JSONResponse(
            {
                "status": "crashed" if crashes else "ok",
                "crashes": crashes[-5:],
                "calls": application.log.total,
                "uptime_seconds": time.time() - application.started,
                "rows": {name: len(table.rows) for name, table in application.krayin.database.tables.items()},
            }
        )

    async def reset(self, request: Request) -> JSONResponse:
        self._apply(Changes.model_validate(await _body(request)))
        self._application.reset()
        return JSONResponse({"reset": True, **self._shown()})

    async def settings(self, _: Request) -> JSONResponse:
        return JSONResponse(self._shown())

    async def change_settings(self, request: Request) -> JSONResponse:
        changes = Changes.model_validate(await _body(request))
        self._apply(changes)
        krayin = self._application.krayin
        with krayin.lock:
            if changes.persons_email_required is not None:
                krayin.database["attributes"].update(29, {"is_required": changes.persons_email_required})
            if changes.database is not None:
                krayin.database.move(krayin.settings.storage)
            if changes.timezone is not None:
                krayin.clock.set_zone(changes.timezone)
        return JSONResponse(self._shown())

    def _apply(self, changes: Changes) -> None:
        settings = self._application.krayin.settings
        for name in changes.model_fields_set:
            setattr(settings, name, getattr(changes, name))

    def _shown(self) -> dict[str, Any]:
        settings = self._application.krayin.settings
        return {
            "instance": settings.instance,
            "version": settings.version,
            "handler": settings.handler,
            "database": settings.database,
            "timezone": settings.timezone,
            "requests_per_minute": settings.limit,
            "latency_ms": settings.latency_ms,
            "slow_beyond": settings.slow_beyond,
            "persons_email_required": settings.persons_email_required,
            "races": settings.races,
            "clock_offset_seconds": self._application.krayin.clock.offset_seconds,
        }

    async def seed(self, request: Request) -> JSONResponse:
        batch = seeding.Batch.model_validate(await _body(request))
        krayin = self._application.krayin
        with krayin.lock:
            made = seeding.plant(krayin, batch)
        if self._application.state is not None:
            self._application.state.flush()
        return JSONResponse(made)

    async def show_faults(self, _: Request) -> JSONResponse:
        faults = self._application.faults
        return JSONResponse({**faults.plan.model_dump(), "met": faults.met})

    async def set_faults(self, request: Request) -> JSONResponse:
        body = await _body(request)
        plan = FaultPlan.model_validate({"rules": body} if isinstance(body, list) else body)
        self._application.faults.switch(plan)
        return JSONResponse(plan.model_dump())

    async def clear_faults(self, _: Request) -> JSONResponse:
        self._application.faults.clear()
        return JSONResponse({"rules": []})

    async def set_clock(self, request: Request) -> JSONResponse:
        change = ClockChange.model_validate(await _body(request))
        clock = self._application.krayin.clock
        if change.stopped is not None:
            clock.stop(stopped=change.stopped)
        if change.offset_seconds is not None:
            clock.offset_seconds = change.offset_seconds
        clock.offset_seconds += change.advance_seconds
        return JSONResponse({"offset_seconds": clock.offset_seconds, "now": clock.now().isoformat()})

    async def calls(self, request: Request) -> JSONResponse:
        bodies = request.query_params.get("bodies") in {"1", "true"}
        return JSONResponse(self._application.log.shown(bodies=bodies))

    async def clear_calls(self, _: Request) -> JSONResponse:
        self._application.log.clear()
        return JSONResponse([])

    async def mails(self, _: Request) -> JSONResponse:
        return JSONResponse(self._application.krayin.mails)

    async def edit_records(self, request: Request) -> JSONResponse:
        krayin = self._application.krayin
        with krayin.lock:
            edited = seeding.edit(krayin, await _body(request))
        if self._application.state is not None:
            self._application.state.flush()
        return JSONResponse({"edited": edited})

    async def backup(self, _: Request) -> JSONResponse:
        krayin = self._application.krayin
        with krayin.lock:
            self._backup = krayin.database.backup()
        return JSONResponse({"rows": {name: len(rows) for name, (_, rows) in self._backup.items()}})

    async def restore(self, _: Request) -> JSONResponse:
        application = self._application
        if self._backup is None:
            return JSONResponse({"message": "there is no backup: POST /sandbox/backup makes one"}, 409)
        with application.krayin.lock:
            application.krayin.database.bring_back(self._backup)
            if application.state is not None:
                application.state.attach(application.krayin.database)
        return JSONResponse({"restored": True})

    async def records(self, request: Request) -> JSONResponse:
        dump = self._application.krayin.database.dump()
        wanted = request.query_params.get("tables")
        if wanted:
            dump = {name: dump[name] for name in wanted.split(",") if name in dump}
        hidden = [{**row, "token": "hidden"} for row in dump.pop("personal_access_tokens", [])]
        return JSONResponse({**dump, "personal_access_tokens": hidden} if hidden else dump)
