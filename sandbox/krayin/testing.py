"""A stand-in that runs inside the test process, on a free port."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import httpx
import uvicorn

from sandbox.krayin import connections
from sandbox.krayin.application import Application
from sandbox.krayin.settings import Instance, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

START_SECONDS = 30.0
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Without certificates, which take longer to read than many a test: the stand-in speaks plain HTTP."""
USUAL = "TEST_KRAYIN"
"""Environment variable: the version and database that tests meet unless they say one, as `2.2-mysql`."""


def usual_krayin() -> dict[str, Any]:
    """Return the settings that `TEST_KRAYIN` asks for, by default those of 2.1 on MariaDB."""
    version, _, database = os.environ.get(USUAL, "2.1-mariadb").partition("-")
    return {"version": version, "database": database or "mariadb"}


class KrayinControl:
    """A stand-in that is served somewhere, by its own routes outside /api.

    Attributes:
        url: as ``http://127.0.0.1:PORT``, without a trailing slash.
        token: API token of the administrator (user 1).
    """

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.token = token
        self._control = httpx.Client(timeout=60, trust_env=False, verify=PLAIN)

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._control.request(method, f"{self.url}/sandbox/{path}", json=body)
        answer.raise_for_status()
        return answer.json()

    def client(self, token: str | None = None, **options: Any) -> httpx.Client:
        """Return an HTTP client for the API that sends the token and accepts JSON."""
        headers = {"Authorization": f"Bearer {token or self.token}", "Accept": "application/json"}
        return httpx.Client(
            base_url=self.url, headers=headers, trust_env=False, verify=PLAIN, timeout=60, **options
        )

    def reset(self, **changes: Any) -> None:
        """Empty everything; settings given are changed before."""
        self._ask("POST", "reset", changes)

    def configure(self, **changes: Any) -> None:
        """Change settings and keep the records: also the version, as an upgrade does, and the database."""
        self._ask("PUT", "settings", changes)

    def seed(self, **rows: list[dict[str, Any]]) -> dict[str, list[int]]:
        """Plant rows by kind (see seeding.Batch); returns kind -> ids."""
        made: dict[str, list[int]] = self._ask("POST", "seed", rows)
        return made

    def edit(self, **rows: list[dict[str, Any]]) -> None:
        """Change rows behind the API's back: table -> rows with their id and the columns to change."""
        self._ask("PUT", "records", rows)

    def backup(self) -> None:
        """Remember all records; `restore` brings them back."""
        self._ask("POST", "backup")

    def restore(self) -> None:
        """Put everything back to the last backup; ids given out since are given out again."""
        self._ask("POST", "restore")

    def set_faults(self, *rules: dict[str, Any], seed: int | None = None) -> None:
        """Replace the faults; each rule has the fields of faults.Fault."""
        self._ask("PUT", "faults", {"rules": list(rules), "seed": seed})

    def clear_faults(self) -> None:
        """Drop all faults."""
        self._ask("DELETE", "faults")

    def calls(self, *, bodies: bool = False) -> list[dict[str, Any]]:
        """Return every API call received, oldest first."""
        found: list[dict[str, Any]] = self._ask("GET", f"calls?bodies={int(bodies)}")
        return found

    def clear_calls(self) -> None:
        """Forget the calls received."""
        self._ask("DELETE", "calls")

    def mails(self) -> list[dict[str, Any]]:
        """Return the mails that would have gone out, oldest first."""
        found: list[dict[str, Any]] = self._ask("GET", "mails")
        return found

    def records(self, *tables: str) -> dict[str, list[dict[str, Any]]]:
        """Return the raw rows of all tables, or of those named, ordered by id."""
        found: dict[str, list[dict[str, Any]]] = self._ask("GET", f"records?tables={','.join(tables)}")
        return found

    def health(self) -> dict[str, Any]:
        """Return the health report, with tracebacks when the stand-in itself failed."""
        found: dict[str, Any] = self._ask("GET", "health")
        return found

    def advance(self, seconds: float) -> None:
        """Move the server's clock forward, as past a rate-limit window."""
        self._ask("PUT", "clock", {"advance_seconds": seconds})


class RunningKrayin(KrayinControl):
    """A stand-in served from a thread; use it as a context manager.

    Args:
        instance: ``limited``, ``unlimited``, ``limited-debug`` or ``unlimited-debug``.
        options: further fields of Settings, as version, handler, database, timezone, requests_per_minute or
            latency_ms; version and database are by default those of `TEST_KRAYIN`.

    Attributes:
        application: the server's insides, for tests that look under the hood.
    """

    def __init__(self, instance: Instance = "unlimited", **options: Any) -> None:
        self.application = Application(Settings(instance=instance, **{**usual_krayin(), **options}))
        super().__init__("", self.application.krayin.settings.token)
        self._socket = socket.socket()
        config = uvicorn.Config(
            self.application,
            http=connections.tracked,  # type: ignore[arg-type]
            log_level="critical",
            access_log=False,
            lifespan="off",
            ws="none",
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="krayin", daemon=True)

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])

    def start(self) -> Self:
        """Start serving and wait until it answers.

        Raises:
            TimeoutError: it does not come up within half a minute.
        """
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not self._server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                message = "the Krayin stand-in did not start"
                raise TimeoutError(message)
            time.sleep(0.01)
        return self

    def stop(self) -> None:
        """Stop serving."""
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(START_SECONDS)
        self._control.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def clock_offset(self) -> float:
        """Seconds by which the server's clock is ahead of the machine's."""
        return self.application.krayin.clock.offset_seconds


@contextmanager
def running_krayin(instance: Instance = "unlimited", **options: Any) -> Iterator[RunningKrayin]:
    """Run a stand-in for the length of a with block.

    Args:
        instance: ``limited``, ``unlimited``, ``limited-debug`` or ``unlimited-debug``.
        options: further fields of Settings: version ("2.1", "2.2"), handler ("shipped", "rest-api"), database
            ("mariadb", "mysql") and the others.
    """
    with RunningKrayin(instance, **options) as krayin:
        yield krayin
