"""One checker for all worlds: what may not be done to Krayin, whatever a sync was shown."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.chaos.state import state_of

if TYPE_CHECKING:
    from sandbox.krayin.testing import RunningKrayin

State = dict[str, Counter[str]]
OURS = re.compile(r"person[0-9]+@example\.com")


def state(krayin: RunningKrayin) -> State:
    """Return Krayin's records as text without ids and times of writing, with how often each is there."""
    return {
        kind: Counter(_timeless(text) for text in rows.elements()) for kind, rows in state_of(krayin).items()
    }


def _timeless(text: str) -> str:
    row = json.loads(text)
    if "closed_at" in row:
        row["closed_at"] = row["closed_at"] is not None
    return json.dumps(row, sort_keys=True, ensure_ascii=False)


def with_others_of(there: State, calm: State) -> State:
    """Return the calm state with the persons of others that are there in the place of its own."""
    ours = {text: number for text, number in calm["persons"].items() if OURS.search(text)}
    theirs = {text: number for text, number in there["persons"].items() if not OURS.search(text)}
    return {**calm, "persons": Counter({**ours, **theirs})}


def harm(before: State, calm: State, now: State) -> list[str]:
    """Return what was done that a truthful look would not have.

    `before` is what was there when the lie began, `calm` what is there in the end where nobody lied. Each
    record may be as it was or as it is to be, and is there as often as in one of them.
    """
    found: list[str] = []
    for kind, rows in now.items():
        found += [f"made or overwritten, {kind}: {text}" for text in rows - (before[kind] | calm[kind])]
        found += [f"removed or closed, {kind}: {text}" for text in (before[kind] & calm[kind]) - rows]
        there, known, wanted = (_named(kind, one[kind]) for one in (now, before, calm))
        for name in there | known | wanted:
            fewest, most = sorted((known[name], wanted[name]))
            if not fewest <= there[name] <= most:
                found.append(f"{there[name]} times, not {fewest} to {most}: {kind} {name}")
    return found


def _named(kind: str, rows: Counter[str]) -> Counter[str]:
    """Count the records by what tells whose they are, whatever else became of them."""
    return Counter(_name(kind, json.loads(text)) for text in rows.elements())


def _name(kind: str, row: dict[str, Any]) -> str:
    column = {"persons": "emails", "leads": "person", "activities": "additional"}.get(kind, "name")
    return str(row[column])
