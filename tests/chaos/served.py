"""The stand-in as a process that can be killed and comes back with its records."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import httpx

from sandbox.krayin.testing import USUAL
from tests.conftest import ROOT
from tests.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

# Recognisable, to be looked for in logs.
TOKEN = "1|quince-token-never-shown"


class Served:
    """A stand-in with troubles (see `server`), its records in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self._port}"
        self.token = TOKEN

    def start(self) -> None:
        """Start, or start again after `kill`, and wait until it answers."""
        command = [
            sys.executable, "-m", "tests.chaos.server", str(self._port), TOKEN,
            str(self._folder / "krayin.jsonl"), str(self._folder / "calls"),
            str(self._folder / "troubles"),
        ]  # fmt: skip
        environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}", "PATH": ""}
        environment |= {name: os.environ[name] for name in (USUAL,) if name in os.environ}
        log = self.log.open("ab")
        self._process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while True:
            try:
                self.health()
            except httpx.HTTPError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """End it at once, in the middle of whatever it does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def calls(self) -> Counter[str]:
        """Calls received so far, over all restarts, by method."""
        return Counter((self._folder / "calls").read_text().split())

    def troubles(self) -> Counter[str]:
        """Troubles that calls met so far, over all restarts, by kind."""
        return Counter((self._folder / "troubles").read_text().splitlines())

    def mails(self) -> list[Any]:
        """Mails sent since the last start."""
        return self._ask("GET", "sandbox/mails")

    @property
    def log(self) -> Path:
        return self._folder / "krayin.log"

    def health(self) -> dict[str, Any]:
        return self._ask("GET", "sandbox/health")

    def seed(self, **rows: list[dict[str, Any]]) -> dict[str, list[int]]:
        return self._ask("POST", "sandbox/seed", rows)

    def edit(self, **rows: list[dict[str, Any]]) -> None:
        self._ask("PUT", "sandbox/records", rows)

    def records(self, *tables: str) -> dict[str, list[dict[str, Any]]]:
        return self._ask("GET", f"sandbox/records?tables={','.join(tables)}")

    def set_faults(self, rules: list[dict[str, Any]], seed: int) -> None:
        self._ask("PUT", "sandbox/faults", {"rules": rules, "seed": seed})

    def trouble(self, **wanted: Any) -> None:
        """See `server`."""
        self._ask("PUT", "chaos", wanted)

    def calm(self) -> None:
        """End all faults."""
        self._ask("DELETE", "sandbox/faults")
        self.trouble(page_before=0.0, page_after=0.0, refuse=None, seconds=0.0)

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        # A connection each: one that was kept may be closed by the server in the moment of its use.
        with httpx.Client(trust_env=False, timeout=60) as http:
            answer = http.request(method, f"{self.url}/{path}", json=body)
        answer.raise_for_status()
        return answer.json()
