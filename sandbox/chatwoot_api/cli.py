"""The command line of the stand-in."""

from __future__ import annotations

from typing import Annotated

import typer
import uvicorn

from sandbox.chatwoot_api.application import build
from sandbox.chatwoot_api.settings import DEFAULT_TOKEN, RACK_ATTACK_LIMIT, Settings


def serve(  # noqa: PLR0913, PLR0917 - one parameter per option
    database_url: Annotated[
        str, typer.Option(envvar="CHATWOOT_DATABASE_URL", help="postgresql://… of the sandbox's Chatwoot.")
    ],
    port: Annotated[int, typer.Option(help="TCP port; 0 takes a free one.")] = 8089,
    token: Annotated[str, typer.Option(help="Access token of the administrator.")] = DEFAULT_TOKEN,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    requests_per_minute: Annotated[int, typer.Option(min=1, help="By address.")] = RACK_ATTACK_LIMIT,
    retry_after: Annotated[bool, typer.Option(help="Whether a 429 says how long to wait.")] = False,  # noqa: FBT002
) -> None:
    """Run a Chatwoot 4.15.1 API stand-in on a Chatwoot database."""
    settings = Settings(
        database_url, token=token, requests_per_minute=requests_per_minute, retry_after=retry_after
    )
    uvicorn.run(build(settings), host=host, port=port, log_level="warning", access_log=False)


def main() -> None:
    """Read the command line and serve until stopped."""
    typer.run(serve)
