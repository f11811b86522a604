"""The command line of the stand-in."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 (typer reads it)
from typing import Annotated

import typer
import uvicorn

from sandbox.krayin import connections
from sandbox.krayin.application import Application
from sandbox.krayin.settings import INSTANCES, Settings
from sandbox.krayin.state import StateFile
from sandbox.krayin.versions import DATABASES, HANDLERS, VERSIONS

DEFAULT_TOKEN = "1|sandbox"


def serve(  # noqa: PLR0913, PLR0917 (one parameter is one option)
    port: Annotated[int, typer.Option(help="TCP port; 0 takes a free one.")] = 8088,
    token: Annotated[str, typer.Option(help="API token of the administrator.")] = DEFAULT_TOKEN,
    instance: Annotated[str, typer.Option(help=f"One of {', '.join(INSTANCES)}.")] = "unlimited",
    version: Annotated[str, typer.Option(help=f"Krayin's version: {' or '.join(VERSIONS)}.")] = "2.1",
    handler: Annotated[
        str, typer.Option(help=f"Whose exception handler answers: {' or '.join(HANDLERS)}.")
    ] = "shipped",
    database: Annotated[str, typer.Option(help=f"Database below: {' or '.join(DATABASES)}.")] = "mariadb",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    timezone: Annotated[str, typer.Option(help="APP_TIMEZONE of the installation.")] = "Asia/Kolkata",
    state: Annotated[Path | None, typer.Option(help="File that keeps the records over restarts.")] = None,
    persons_email_required: Annotated[  # noqa: FBT002
        bool, typer.Option(help="Whether the persons attribute 'emails' is required, as shipped.")
    ] = True,
    requests_per_minute: Annotated[
        int | None, typer.Option(help="Calls a minute for each user, instead of the instance's limit.")
    ] = None,
    latency: Annotated[float, typer.Option(help="Milliseconds added to every API call.")] = 0.0,
    slow_beyond: Annotated[
        int | None, typer.Option(help="With more calls at once the latency grows with their number.")
    ] = None,
    races: Annotated[
        int, typer.Option(help="So many parallel writes are checked before the first is written.")
    ] = 0,
) -> None:
    """Run a stand-in for Krayin with a fresh database."""
    chosen = {
        "instance": (instance, INSTANCES),
        "version": (version, VERSIONS),
        "handler": (handler, HANDLERS),
        "database": (database, DATABASES),
    }
    for name, (value, known) in chosen.items():
        if value not in known:
            message = f"--{name}: {value!r} is none of {', '.join(known)}"
            raise typer.BadParameter(message)
    settings = Settings(
        token=token,
        instance=instance,  # type: ignore[arg-type]
        version=version,  # type: ignore[arg-type]
        handler=handler,  # type: ignore[arg-type]
        database=database,  # type: ignore[arg-type]
        timezone=timezone,
        requests_per_minute=requests_per_minute,
        latency_ms=latency,
        slow_beyond=slow_beyond,
        persons_email_required=persons_email_required,
        races=races,
    )
    application = Application(settings, StateFile(state) if state else None)
    uvicorn.run(
        application,
        http=connections.tracked,  # type: ignore[arg-type]
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
    )


def main() -> None:
    """Read the command line and serve until stopped."""
    typer.run(serve)
