"""The part of Laravel's validator that Krayin's requests use."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sandbox.krayin import php
from sandbox.krayin.collation import fold
from sandbox.krayin.errors import ServerError, ValidationError, type_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.krayin.clock import Clock

MISSING = object()
DECIMAL = re.compile(r"[0-9]*(\.[0-9]{1,4})?\n?\Z")
CODE = re.compile(r"[a-zA-Z]+[a-zA-Z0-9_]+\n?\Z")
INTEGER = re.compile(r"\s*[+-]?(0|[1-9]\d*)\s*\Z", re.ASCII)
# Rules that also run for absent or blank values.
IMPLICIT = frozenset({"required", "required_if", "required_unless", "required_with", "accepted", "filled"})


class Unique:
    """A rule that asks whether a value is still free.

    Args:
        is_free: takes the value, says whether it may be used.
    """

    def __init__(
        self, is_free: Callable[[Any], bool], message: str = "The value has already been taken."
    ) -> None:
        self.is_free = is_free
        self.message = message

    def failure(self, _: str, value: Any) -> str | None:
        """Return the message when the value is taken."""
        return None if self.is_free(value) else self.message


class Exists:
    """A rule that asks whether a value names something that is there.

    Args:
        is_there: takes the value, says whether it names something.
        message: replaces the usual one.
    """

    def __init__(self, is_there: Callable[[Any], bool], message: str | None = None) -> None:
        self.is_there = is_there
        self.message = message

    def failure(self, name: str, value: Any) -> str | None:
        """Return the message when there is no such thing."""
        if self.is_there(value):
            return None
        return self.message or f"The selected {shown(name)} is invalid."


class RequiredWith:
    """The rule ``required_with`` between the fields of one element of a list.

    Args:
        sibling: last part of the other field's name.
    """

    def __init__(self, sibling: str, message: str) -> None:
        self.sibling = sibling
        self.message = message

    def failure_in(self, data: dict[str, Any], name: str) -> str | None:
        """Return the message when the sibling is filled and the field is not."""
        other = f"{name.rpartition('.')[0]}.{self.sibling}"
        return self.message if _filled(lookup(data, other)) and not _filled(lookup(data, name)) else None


class Decimal:
    """Krayin's own rule: digits with up to four decimals, no sign."""

    def failure(self, name: str, value: Any) -> str | None:
        """Return the message, which names the field with its underscores."""
        if php.is_array(value):
            message = "preg_match(): Argument #2 ($subject) must be of type string, array given"
            raise type_error(message)
        return None if DECIMAL.match(php.text_of(value)) else f"The {name} must be a decimal."


class Code:
    """Krayin's own rule for attribute codes: letters first, then letters, digits and underscores."""

    def failure(self, _: str, value: Any) -> str | None:
        """Return the message when the value is no code."""
        if php.is_array(value):
            message = "preg_match(): Argument #2 ($subject) must be of type string, array given"
            raise type_error(message)
        return None if CODE.match(php.text_of(value)) else "The field must be a valid code."


Rule = str | Unique | Exists | RequiredWith | Decimal | Code
Rules = dict[str, list[Rule]]


def shown(name: str) -> str:
    """Return a field's name as messages show it: snake case with blanks for underscores.

    Elements of lists (``a.0.b_c``) are shown as they are.
    """
    if isinstance(name, _Element):
        return name
    if not (name.isascii() and name.isalpha() and name.islower()):
        name = re.sub(r"(.)(?=[A-Z])", r"\1_", re.sub(r"\s+", "", name[:1].upper() + name[1:])).lower()
    return name.replace("_", " ")


class _Element(str):
    """A field's name that came of a wildcard."""

    __slots__ = ()


def validate(clock: Clock, data: dict[str, Any], rules: Rules) -> None:
    """Check a request's values.

    Args:
        clock: for dates without a zone.
        data: all values of the request.
        rules: field (``a.*.b`` for every element) -> rules, in the order errors are reported.

    Raises:
        ValidationError: with every message, wildcards expanded after the plain fields.
    """
    explicit = {name: own for name, own in rules.items() if "*" not in name}
    expanded: Rules = {}
    for name, own in rules.items():
        if "*" in name:
            for found in _expand(data, name.split(".")):
                expanded.setdefault(_Element(found), []).extend(own)
    errors: dict[str, list[str]] = {}
    for name, own in {**explicit, **expanded}.items():
        messages = _check(clock, data, name, own)
        if messages:
            errors[name] = messages
    if errors:
        raise ValidationError(errors)


def _expand(value: Any, parts: list[str], path: tuple[str, ...] = ()) -> list[str]:
    if not parts:
        return [".".join(path)]
    head, *rest = parts
    if head != "*":
        inner = php.dig(value, head) if php.is_array(value) else None
        return _expand(inner, rest, (*path, head))
    if not php.is_array(value):
        return []
    return [name for key, inner in php.items_of(value) for name in _expand(inner, rest, (*path, key))]


def lookup(data: Any, name: str) -> Any:
    """Return the value at a dotted path, or MISSING."""
    for part in name.split("."):
        if isinstance(data, dict) and part in data:
            data = data[part]
        elif isinstance(data, list) and part.isdigit() and int(part) < len(data):
            data = data[int(part)]
        else:
            return MISSING
    return data


def _filled(value: Any) -> bool:
    if value is MISSING or value is None:
        return False
    if isinstance(value, str):
        return value.strip(" \t\n\r\0\x0b") != ""
    return not (php.is_array(value) and not value)


def _check(clock: Clock, data: dict[str, Any], name: str, rules: list[Rule]) -> list[str]:
    value = lookup(data, name)
    messages: list[str] = []
    if value is MISSING and "sometimes" in rules:
        return messages
    for rule in rules:
        if isinstance(rule, RequiredWith):
            missed = rule.failure_in(data, name)
            if missed is not None:
                return [*messages, missed]
            continue
        keyword = rule.partition(":")[0] if isinstance(rule, str) else ""
        if keyword in {"nullable", "sometimes", "bail", ""} and isinstance(rule, str):
            continue
        blank = value is MISSING or (isinstance(value, str) and not _filled(value))
        if blank and keyword not in IMPLICIT:
            continue
        if value is None and "nullable" in rules and keyword not in IMPLICIT:
            continue
        message = _apply(clock, data, name, rule) if isinstance(rule, str) else rule.failure(name, value)
        if message is not None:
            messages.append(message)
            if keyword in IMPLICIT:
                break
    return messages


def _apply(clock: Clock, data: dict[str, Any], name: str, rule: str) -> str | None:
    keyword, _, argument = rule.partition(":")
    value = lookup(data, name)
    if keyword in _DEPENDENT:
        message: str | None = _DEPENDENT[keyword](data, name, value, argument)
        return message
    if keyword == "after":
        late = _is_after(clock, value, argument)
        return None if late else f"The {shown(name)} must be a date after {argument}."
    if keyword not in _SIMPLE:
        message = f"Method Illuminate\\Validation\\Validator::validate{keyword.title()} does not exist."
        raise ServerError(message, "BadMethodCallException")
    passes, text = _SIMPLE[keyword]
    return None if passes(value, argument) else str(text).format(name=shown(name), argument=argument)


def _required_if(data: dict[str, Any], name: str, value: Any, argument: str) -> str | None:
    other, *wanted = argument.split(",")
    actual = lookup(data, other)
    if actual is MISSING or php.is_array(actual) or php.text_of(actual) not in wanted or _filled(value):
        return None
    return f"The {shown(name)} field is required when {shown(other)} is {php.text_of(actual)}."


def _required_unless(data: dict[str, Any], name: str, value: Any, argument: str) -> str | None:
    other, *allowed = argument.split(",")
    actual = lookup(data, other)
    known = actual is not MISSING and not php.is_array(actual) and php.text_of(actual) in allowed
    if known or _filled(value):
        return None
    return f"The {shown(name)} field is required unless {shown(other)} is in {', '.join(allowed)}."


def _required_with(data: dict[str, Any], name: str, value: Any, argument: str) -> str | None:
    if not _filled(lookup(data, argument)) or _filled(value):
        return None
    return f"The {shown(name)} field is required when {shown(argument)} is present."


def _same(data: dict[str, Any], name: str, value: Any, argument: str) -> str | None:
    return None if value == lookup(data, argument) else f"The {shown(name)} and {shown(argument)} must match."


def _confirmed(data: dict[str, Any], name: str, value: Any, _: str) -> str | None:
    same = value == lookup(data, f"{name}_confirmation")
    return None if same else f"The {shown(name)} confirmation does not match."


_DEPENDENT: dict[str, Any] = {
    "confirmed": _confirmed,
    "required_if": _required_if,
    "required_unless": _required_unless,
    "required_with": _required_with,
    "same": _same,
}


def _is_after(clock: Clock, value: Any, limit: str) -> bool:
    if php.is_array(value) or value is None or isinstance(value, bool):
        return False
    try:
        return clock.moment(value) > clock.moment(limit)
    except ServerError:
        return False


def _has_format(value: Any, argument: str) -> bool:
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return False
    pattern = argument.replace("Y", "%Y").replace("m", "%m").replace("d", "%d")
    text = php.text_of(value)
    try:
        return datetime.strptime(text, pattern).strftime(pattern) == text  # noqa: DTZ007
    except ValueError:
        return False


QUOTED = re.compile(r'"(?:[^"\\\r\n]|\\.)*"\Z')
ATOM = re.compile(r"[^\s\x00-\x20()<>\[\]:;@\\,.\"]+(?:\.[^\s\x00-\x20()<>\[\]:;@\\,.\"]+)*\Z")
LABEL = re.compile(
    r"[^\s\x00-\x20()<>\[\]:;@\\,.\"/-](?:[^\s\x00-\x20()<>\[\]:;@\\,.\"/]*[^\s\x00-\x20()<>\[\]:;@\\,.\"/-])?\Z"
)
LITERAL = re.compile(r"\[[^\[\]\\\r\n]+\]\Z")
LONGEST_LABEL = 63


def is_email(value: Any, _: str = "") -> bool:
    """Say whether a value passes the RFC check: no dot is needed in the domain, non-ASCII is fine."""
    if not isinstance(value, str) or "@" not in value:
        return False
    local, _, domain = value.rpartition("@")
    if not (QUOTED.match(local) or ATOM.match(local)):
        return False
    if LITERAL.match(domain):
        return True
    return all(LABEL.match(label) and len(label) <= LONGEST_LABEL for label in domain.split("."))


def is_integer(value: Any, _: str = "") -> bool:
    """Say whether ``filter_var(FILTER_VALIDATE_INT)`` takes the value."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return True
    if isinstance(value, float):
        value = php.text_of(value)
    return (
        isinstance(value, str)
        and INTEGER.match(value) is not None
        and -php.LARGEST_INT <= int(value) <= php.LARGEST_INT
    )


def _size(value: Any) -> int:
    return len(value) if php.is_array(value) else len(php.text_of(value))


_SIMPLE: dict[str, Any] = {
    "required": (lambda value, _: _filled(value), "The {name} field is required."),
    "email": (is_email, "The {name} must be a valid email address."),
    "integer": (is_integer, "The {name} must be an integer."),
    "numeric": (lambda value, _: php.is_numeric(value), "The {name} must be a number."),
    "array": (lambda value, _: php.is_array(value), "The {name} must be an array."),
    "string": (lambda value, _: isinstance(value, str), "The {name} must be a string."),
    "boolean": (
        lambda value, _: value in (True, False, 0, 1, "0", "1") and not isinstance(value, float),
        "The {name} field must be true or false.",
    ),
    "url": (
        lambda value, _: isinstance(value, str) and re.match(r"https?://[^\s/]+", value) is not None,
        "The {name} must be a valid URL.",
    ),
    "in": (
        lambda value, argument: not php.is_array(value) and php.text_of(value) in argument.split(","),
        "The selected {name} is invalid.",
    ),
    "min": (
        lambda value, argument: _size(value) >= int(argument),
        "The {name} must be at least {argument} characters.",
    ),
    "date_format": (_has_format, "The {name} does not match the format {argument}."),
    "mimes": (
        lambda value, _: hasattr(value, "content"),
        "The {name} must be a file of type: bmp, jpeg, jpg, png, webp.",
    ),
}


def same_text(left: Any, right: Any) -> bool:
    """Say whether the column collation calls two values equal."""
    return fold(php.text_of(left)) == fold(php.text_of(right))
