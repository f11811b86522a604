"""A stand-in that runs inside the test process, on a free port."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn

from sandbox.chatwoot_api.application import Server, build
from sandbox.chatwoot_api.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

START_SECONDS = 30.0


class RunningChatwootApi:
    """A stand-in served from a thread.

    Attributes:
        url: as ``http://127.0.0.1:PORT``, without a trailing slash.
        token: the access token of account 1's first administrator.
        server: what its requests share.
    """

    def __init__(self, url: str, server: Server) -> None:
        self.url = url
        self.server = server

    @property
    def token(self) -> str:
        """The administrator's access token."""
        return self.server.settings.token

    def calls(self, containing: str = "") -> list[str]:
        """Return the requests let in so far, "METHOD /path?query", oldest first."""
        return [call for call in self.server.calls if containing in call]

    @contextmanager
    def meanwhile(self, act: Callable[[str], None]) -> Iterator[None]:
        """Call `act` with each request before it is answered."""
        self.server.before = act
        try:
            yield
        finally:
            self.server.before = None


@contextmanager
def running_chatwoot_api(database_url: str, **options: Any) -> Iterator[RunningChatwootApi]:
    """Serve a Chatwoot database; `options` are further fields of Settings.

    Raises:
        TimeoutError: it does not come up within half a minute.
    """
    application = build(Settings(database_url, **options))
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(application, log_level="critical", access_log=False, ws="none"))
    thread = threading.Thread(
        target=lambda: server.run(sockets=[listening]), name="chatwoot-api", daemon=True
    )
    thread.start()
    deadline = time.monotonic() + START_SECONDS
    while not server.started:
        if time.monotonic() > deadline or not thread.is_alive():
            message = "the Chatwoot API stand-in did not start"
            raise TimeoutError(message)
        time.sleep(0.01)
    try:
        yield RunningChatwootApi(f"http://127.0.0.1:{listening.getsockname()[1]}", application.state.server)
    finally:
        server.should_exit = True
        server.force_exit = True
        thread.join(START_SECONDS)
        listening.close()
