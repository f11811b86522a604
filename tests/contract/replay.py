"""Plays recorded calls of a real Krayin against a server and reports where its answers differ.

``python -m tests.contract.replay --version 2.2 --url http://127.0.0.1:8088 --token T`` takes any stand-in;
without ``--url`` it starts one. A real Krayin has no /sandbox routes: with ``--plain`` only sequences that
need none are played, each of which wants a fresh database.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from sandbox.krayin.testing import running_krayin
from tests.contract.comparison import differences, expanded

RECORDED = Path(__file__).parent / "recorded"
ZONE = ZoneInfo("Asia/Kolkata")
TOKENS = {
    "bad": "1|bad",
    "garbage": "garbage",
    "second": "20|second-token",
    "another": "21|another-token",
    "abilities": "30|abilities-token",
    "expired": "31|expired-token",
    "later": "32|later-token",
    "user10": "50|user-ten-token",
    "user11": "51|user-eleven-token",
    "user12": "52|user-twelve-token",
}
USUAL = {"instance": "unlimited", "handler": "shipped"}
COMPARED = ("Content-Type", "Location", "Allow", "Retry-After", "X-RateLimit-Reset", "Content-Disposition")


@dataclass(frozen=True)
class Pair:
    """One recorded call and how the server answered it.

    Attributes:
        differences: where the answer is not as recorded; empty when it matches.
    """

    name: str
    differences: list[str]


@dataclass
class Replay:
    """Plays sequences against one server.

    Args:
        url: of the server, without a trailing slash.
        token: of the administrator.
        plain: the server has no /sandbox routes.
    """

    url: str
    token: str
    plain: bool = False
    _kept: dict[str, str] = field(default_factory=dict)

    def sequence(self, path: Path) -> list[Pair]:
        """Play one file from a fresh database on; returns its recorded pairs."""
        # Dates that were to come when these calls were recorded must be to come whenever they are played.
        text = re.sub(r"\b20(29|3\d)-", r"21\1-", path.read_text(encoding="utf-8"))
        steps = [json.loads(line) for line in text.splitlines()]
        shared = json.loads((RECORDED / "shared.json").read_text(encoding="utf-8"))
        self._kept = {}
        with httpx.Client(base_url=self.url, trust_env=False, timeout=60) as client:
            if not self.plain:
                _control(client, "POST", "reset", {**installation(path), **USUAL})
                # Lists by time: rows that were made within one second there must be so here.
                _control(client, "PUT", "clock", {"stopped": True})
            present = USUAL
            pairs: list[Pair] = []
            for step in steps:
                wanted = {name: step.get(name, usual) for name, usual in USUAL.items()}
                if wanted != present and "method" in step and not self.plain:
                    _control(client, "PUT", "settings", wanted)
                    present = wanted
                found = self._step(client, step, shared)
                if found is not None:
                    pairs.append(found)
        return pairs

    def _facts(self) -> dict[str, str]:
        today = datetime.now(ZONE).date()
        secrets = {name: token.rpartition("|")[2] for name, token in TOKENS.items()}
        return {
            **secrets,
            "host": self.url,
            "token": self.token,
            "today": today.isoformat(),
            "yesterday": (today - timedelta(days=1)).isoformat(),
        }

    def _step(self, client: httpx.Client, step: dict[str, Any], shared: dict[str, Any]) -> Pair | None:
        facts = self._facts()
        if step.get("do") == "seed":
            _control(client, "POST", "seed", expanded(step["rows"], facts, shared))
            return None
        if step.get("do") == "edit":
            _control(client, "PUT", "records", step["rows"])
            return None
        if step.get("do") == "advance":
            _control(client, "PUT", "clock", {"advance_seconds": step["seconds"]})
            return None
        for _ in range(step.get("times", 1) - 1):
            self._send(client, step, facts, shared)
        answer = self._send(client, step, facts, shared)
        if step.get("do") == "call":
            return None
        for name, key in step.get("keep", {}).items():
            self._kept[name] = answer.json()[key]
        return Pair(step["name"], _compared(expanded(step["expect"], facts, shared), answer))

    def _send(
        self, client: httpx.Client, step: dict[str, Any], facts: dict[str, str], shared: dict[str, Any]
    ) -> httpx.Response:
        headers = {"Accept": "application/json", **step.get("headers", {})}
        who = step.get("as", "admin")
        token = {**TOKENS, "admin": self.token, "bare": self.token.rpartition("|")[2], **self._kept}.get(who)
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        body = expanded(step.get("body"), facts, shared)
        content = None
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
            content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        path = expanded(step["path"], facts, shared)
        return client.request(step["method"], path, headers=headers, content=content)


def _control(client: httpx.Client, method: str, path: str, body: Any) -> None:
    client.request(method, f"/sandbox/{path}", json=body).raise_for_status()


def _compared(expected: dict[str, Any], answer: httpx.Response) -> list[str]:
    """Return how an answer differs in status, headers that matter and body."""
    found: list[str] = []
    if answer.status_code != expected["status"]:
        found.append(f"status {answer.status_code} instead of {expected['status']}")
    now = datetime.now(UTC) + timedelta(seconds=200)
    rate = expected.get("rate")
    got = [answer.headers.get(f"X-RateLimit-{name}") for name in ("Limit", "Remaining")]
    throttled = "Retry-After" in expected.get("headers", {})
    if throttled and rate is None:
        got = [None, None]
    if got != ([str(number) for number in rate] if rate else [None, None]):
        found.append(f"rate limit {got} instead of {rate}")
    headers = {"Content-Type": "application/json", **expected.get("headers", {})}
    for name in COMPARED:
        wanted, actual = headers.get(name), answer.headers.get(name)
        if wanted is None or actual is None:
            if wanted != actual:
                found.append(f"header {name}: {actual!r} instead of {wanted!r}")
        else:
            found += differences(wanted, actual, now, f"header {name}")
    return found + differences(expected["body"], _content(answer), now, "body")


def _content(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return answer.text


def installation(path: Path) -> dict[str, str]:
    """Return the version and the database of the Krayin that a sequence was recorded on."""
    version, database = path.parent.name.split("-")
    return {"version": version, "database": database}


def sequences(**wanted: str | None) -> list[Path]:
    """Return the recorded sequences in order, of a version, of a database, or all."""
    return [
        path
        for path in sorted(RECORDED.glob("*/*.jsonl"))
        if all(value in {None, installation(path)[name]} for name, value in wanted.items())
    ]


def main() -> int:
    """Play all sequences and print what differs; returns 1 when anything does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="server to play against; a stand-in is started without it")
    parser.add_argument("--token", default="1|sandbox")
    parser.add_argument("--version", help="2.1 or 2.2; both without it")
    parser.add_argument("--database", help="mariadb or mysql; both without it")
    parser.add_argument("--plain", action="store_true", help="the server has no /sandbox routes")
    parser.add_argument("only", nargs="*", help="sequences whose names contain one of these")
    chosen = parser.parse_args()
    if chosen.url:
        return report(Replay(chosen.url.rstrip("/"), chosen.token, chosen.plain), chosen)
    with running_krayin() as krayin:
        return report(Replay(krayin.url, krayin.token), chosen)


def report(replay: Replay, chosen: argparse.Namespace) -> int:
    """Play the chosen sequences and print each pair that differs."""
    total = matching = 0
    for path in sequences(version=chosen.version, database=chosen.database):
        text = path.read_text(encoding="utf-8")
        needs = any(f'"do":"{name}"' in text for name in ("seed", "edit", "advance"))
        if (chosen.only and not any(name in path.stem for name in chosen.only)) or (replay.plain and needs):
            continue
        for pair in replay.sequence(path):
            total += 1
            matching += not pair.differences
            if pair.differences:
                sys.stdout.write(f"{path.stem}: {pair.name}\n")
                sys.stdout.writelines(f"    {line}\n" for line in pair.differences[:6])
    sys.stdout.write(f"{matching} of {total} pairs match\n")
    return int(matching < total)


if __name__ == "__main__":
    raise SystemExit(main())
