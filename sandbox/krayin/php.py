"""Values as PHP sees them: truth, comparison, conversion and JSON."""

from __future__ import annotations

import json
import math
import re
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

from sandbox.krayin.errors import ServerError, type_error

NUMERIC = re.compile(r"[ \t\n\r\v\f]*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
NUMERIC_WHOLE = re.compile(NUMERIC.pattern + r"[ \t\n\r\v\f]*\Z", re.ASCII)
LARGEST_INT = 2**63 - 1
DEEPEST_JSON = 512


def is_array(value: Any) -> bool:
    """Say whether PHP would hold the value as an array (a JSON list or object)."""
    return isinstance(value, list | dict)


def truthy(value: Any) -> bool:
    """Say whether PHP takes the value for true; the string "0" and empty arrays are false."""
    return bool(value) and value != "0"


def normal(value: Any) -> Any:
    """Give JSON values the shape PHP arrays have: objects with the keys 0..n-1 are lists, {} is []."""
    if isinstance(value, list):
        return [normal(item) for item in value]
    if isinstance(value, dict):
        if all(key == str(index) for index, key in enumerate(value)):
            return [normal(item) for item in value.values()]
        return {key: normal(item) for key, item in value.items()}
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > LARGEST_INT:
        return float(value)
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return 1 + max((_depth(item) for item in value), default=0)
    return 0


def decode_json(text: str | bytes) -> tuple[bool, Any]:
    """Return whether ``json_decode`` takes the text, and what it gives.

    Invalid UTF-8, lone surrogates, NaN and a depth over 512 are refused, as PHP does.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        value = json.loads(text, parse_constant=_refuse_constant)
        if "\\u" in text or not text.isascii():
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        if text.count("[") + text.count("{") > DEEPEST_JSON and _depth(value) > DEEPEST_JSON:
            return False, None
        return True, normal(value)
    except (ValueError, RecursionError, UnicodeError):
        return False, None


@lru_cache(maxsize=200_000)
def stored_json(text: str) -> Any:
    """Return what a JSON column holds; callers must not change it, it is shared.

    The database has checked the text before, so that nothing can be refused here.
    """
    return normal(json.loads(text))


def encode_json(value: Any) -> str:
    """Return the text ``json_encode`` writes: unicode and slashes escaped, no blanks."""
    return json.dumps(value, separators=(",", ":")).replace("/", "\\/")


def text_of(value: Any) -> str:
    """Return the value as PHP writes it into a string.

    Raises:
        ServerError: for arrays ("Array to string conversion").
    """
    if value is None or value is False:
        return ""
    if value is True:
        return "1"
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return float_text(value)
    if is_array(value):
        message = "Array to string conversion"
        raise ServerError(message)
    return str(value)


def float_text(value: float) -> str:
    """Return a float as PHP prints it: no fraction when whole, E notation from 1e15 on."""
    if not math.isfinite(value):
        return "NAN" if math.isnan(value) else ("INF" if value > 0 else "-INF")
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    text = repr(value)
    if "e" not in text:
        return text
    mantissa, exponent = text.split("e")
    if "." not in mantissa:
        mantissa += ".0"
    return f"{mantissa}E{int(exponent):+d}"


def is_numeric(value: Any) -> bool:
    """Say whether ``is_numeric`` holds."""
    if isinstance(value, bool):
        return False
    if isinstance(value, int | float):
        return True
    return isinstance(value, str) and NUMERIC_WHOLE.match(value) is not None


def number_of(value: Any) -> int | float:
    """Return the number MySQL and PHP casts read from the start of a value; 0 when there is none."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float):
        return value
    if not isinstance(value, str):
        return 0
    match = NUMERIC.match(value)
    if match is None:
        return 0
    text = match.group().strip()
    try:
        return int(text)
    except ValueError:
        number = float(text)
        return number if math.isfinite(number) else math.copysign(1e308, number)


def loosely_equal(left: Any, right: Any) -> bool:
    """Compare with PHP 8's ``==``."""
    if left is None or right is None:
        other = right if left is None else left
        return other == "" if isinstance(other, str) else not truthy(other)
    if isinstance(left, bool) or isinstance(right, bool):
        return truthy(left) == truthy(right)
    if is_array(left) or is_array(right):
        return _equal_arrays(left, right)
    if is_numeric(left) and is_numeric(right):
        return number_of(left) == number_of(right)
    return text_of(left) == text_of(right)


def _equal_arrays(left: Any, right: Any) -> bool:
    if not (is_array(left) and is_array(right)) or len(left) != len(right):
        return False
    pairs_left, pairs_right = dict(items_of(left)), dict(items_of(right))
    return pairs_left.keys() == pairs_right.keys() and all(
        loosely_equal(value, pairs_right[key]) for key, value in pairs_left.items()
    )


def items_of(array: Any) -> list[tuple[str, Any]]:
    """Return key and value of each entry of a PHP array, keys as strings.

    Raises:
        ServerError: when the value is no array (``foreach`` over a string).
    """
    if isinstance(array, list):
        return [(str(index), value) for index, value in enumerate(array)]
    if isinstance(array, dict):
        return list(array.items())
    message = "foreach() argument must be of type array|object"
    raise ServerError(message)


def array_from(pairs: list[tuple[str, Any]]) -> Any:
    """Return a list when the keys are 0..n-1 in order, else a dict, as JSON will show it."""
    if all(key == str(index) for index, (key, _) in enumerate(pairs)):
        return [value for _, value in pairs]
    return dict(pairs)


def dig(value: Any, *keys: str | int) -> Any:
    """Return ``$value[k1][k2] ?? null``."""
    for key in keys:
        if isinstance(value, list):
            index = int(key) if str(key).isdigit() else -1
            value = value[index] if 0 <= index < len(value) else None
        elif isinstance(value, dict):
            value = value.get(str(key))
        elif isinstance(value, str) and str(key).isdigit():
            value = value[int(key)] if int(key) < len(value) else None
        else:
            return None
    return value


def offset(value: Any, key: str) -> Any:
    """Return ``$value[$key]`` where a missing key is an error.

    Raises:
        ServerError: for a missing key or a value that has no keys.
    """
    if isinstance(value, dict) and key in value:
        return value[key]
    if isinstance(value, list) and key.isdigit() and int(key) < len(value):
        return value[int(key)]
    if is_array(value):
        shown = key if key.isdigit() else f'"{key}"'
        message = f"Undefined array key {shown}"
        raise ServerError(message)
    if isinstance(value, str):
        message = "Cannot access offset of type string on string"
        raise type_error(message)
    message = f"Trying to access array offset on value of type {type(value).__name__}"
    raise ServerError(message)


def parse_query(text: str) -> dict[str, Any]:
    """Read a query string or form body as ``parse_str`` does, brackets making arrays."""
    result: dict[str, Any] = {}
    for part in text.split("&"):
        if part:
            name, _, value = part.partition("=")
            assign(result, _decoded(name), _decoded(value))
    return {key: normal(value) for key, value in result.items()}


def _decoded(text: str) -> str:
    return unquote_to_bytes(text.replace("+", " ")).decode("utf-8", "replace")


def assign(target: dict[str, Any], name: str, value: Any) -> None:
    """Put a form field where PHP puts it: dots and blanks become underscores, ``a[b][]`` nests."""
    name = name.lstrip(" ")
    head, bracket, tail = name.partition("[")
    if not head:
        return
    head = head.replace(".", "_").replace(" ", "_")
    if not bracket or "]" not in tail:
        target[head + ("_" + tail if bracket else "")] = value
        return
    keys = [head]
    rest = bracket + tail
    while rest.startswith("[") and "]" in rest:
        key, _, rest = rest[1:].partition("]")
        keys.append(key)
    current = target
    for index, key in enumerate(keys):
        place = key if key or not index else str(_next_index(current))
        if index == len(keys) - 1:
            current[place] = value
            return
        child = current.get(place)
        if not isinstance(child, dict):
            child = {}
            current[place] = child
        current = child


def _next_index(array: dict[str, Any]) -> int:
    return max((int(key) for key in array if key.isdigit()), default=-1) + 1
