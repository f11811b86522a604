"""How an answer is compared with a recorded one: exact, with placeholders for what differs by nature."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.(\d{6})Z")
TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)
# How far a time that is "now" may lie from the replay's clock; a server's installation may be a day old.
OLDEST = timedelta(days=1)
NEWEST = timedelta(minutes=10)
PLACEHOLDERS = {"time", "moment", "text", "number"}


def expanded(value: Any, facts: dict[str, str], shared: dict[str, Any]) -> Any:
    """Return a recorded value with references, long texts and the replay's own facts filled in.

    Args:
        facts: as host, today, yesterday and tokens, by placeholder name.
        shared: values that many recordings hold, by name.
    """
    if isinstance(value, str):
        return re.sub(r"\{(\w+)\}", lambda match: facts.get(match[1], match[0]), value)
    if not isinstance(value, dict):
        return [expanded(item, facts, shared) for item in value] if isinstance(value, list) else value
    if "$ref" in value:
        return shared[value["$ref"]]
    if "$text" in value:
        return "".join(part if isinstance(part, str) else part[0] * part[1] for part in value["$text"])
    if "$starts" in value:
        return {"$starts": expanded({"$text": value["$starts"]}, facts, shared)}
    return {key: expanded(item, facts, shared) for key, item in value.items()}


def differences(expected: Any, actual: Any, now: datetime, path: str = "") -> list[str]:
    """Return where an answer differs from what was recorded; empty when it does not.

    Args:
        expected: a recorded value after ``expanded``.
        now: moment of the replay, for ``{time}`` placeholders.
    """
    if isinstance(expected, dict):
        return _object(expected, actual, now, path)
    if isinstance(expected, list):
        if not isinstance(actual, list) or len(actual) != len(expected):
            return [f"{path}: {_shown(actual)} instead of {len(expected)} items"]
        return [
            found
            for index, (wanted, got) in enumerate(zip(expected, actual, strict=True))
            for found in differences(wanted, got, now, f"{path}[{index}]")
        ]
    if isinstance(expected, str) and "{" in expected:
        return [] if _fits(expected, actual, now) else [f"{path}: {_shown(actual)} instead of {expected}"]
    same = expected == actual and isinstance(expected, bool) == isinstance(actual, bool)
    return [] if same else [f"{path}: {_shown(actual)} instead of {_shown(expected)}"]


def _object(expected: dict[str, Any], actual: Any, now: datetime, path: str) -> list[str]:
    if "$page" in expected:
        found = TITLE.search(actual) if isinstance(actual, str) else None
        title = found[1] if found else None
        return (
            [] if title == expected["$page"] else [f"{path}: page {title!r} instead of {expected['$page']!r}"]
        )
    if "$starts" in expected:
        fits = isinstance(actual, str) and actual.startswith(expected["$starts"])
        return [] if fits else [f"{path}: {_shown(actual)} does not start as recorded"]
    if "$first" in expected:
        if not isinstance(actual, list) or len(actual) != expected["$of"]:
            return [f"{path}: {_shown(actual)} instead of {expected['$of']} items"]
        return differences(expected["$first"], actual[: len(expected["$first"])], now, path)
    if not isinstance(actual, dict):
        return [f"{path}: {_shown(actual)} instead of an object"]
    result = [f"{path}.{key}: missing" for key in expected if key not in actual]
    result += [f"{path}.{key}: not recorded" for key in actual if key not in expected]
    if not result and list(actual) != list(expected):
        result.append(f"{path}: keys in the order {', '.join(actual)} instead of {', '.join(expected)}")
    for key, wanted in expected.items():
        if key in actual:
            result += differences(wanted, actual[key], now, f"{path}.{key}")
    return result


def _fits(pattern: str, actual: Any, now: datetime) -> bool:
    if pattern in {"{time}", "{moment}"}:
        match = TIME.fullmatch(actual) if isinstance(actual, str) else None
        if match is None or (match[1] == "000000") != (pattern == "{time}"):
            return False
        moment = datetime.strptime(actual, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
        return now - OLDEST <= moment <= now + NEWEST
    if not isinstance(actual, str):
        return False
    text = re.escape(pattern).replace(r"\{random\}", r"\w{40}").replace(r"\{text\}", ".+")
    return re.fullmatch(text.replace(r"\{number\}", r"\d+"), actual, re.DOTALL) is not None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
