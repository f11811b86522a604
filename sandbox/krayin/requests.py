"""One API call as a handler sees it: Laravel's Request."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sandbox.krayin import php

if TYPE_CHECKING:
    from sandbox.krayin.tables import Row
    from sandbox.krayin.versions import Version

LARGEST_BODY = 8 * 1024 * 1024
QUALITY = re.compile(r";\s*q=([0-9.]+)")
# TrimStrings leaves these alone.
UNTRIMMED = frozenset({"current_password", "password", "password_confirmation"})


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a multipart body."""

    name: str
    content: bytes


@dataclass(slots=True)
class Call:
    """A request after Laravel's middleware.

    Attributes:
        method: after method override; HEAD stays HEAD.
        path: without leading and trailing slash.
        host: scheme and host for links, as ``http://127.0.0.1:8000``.
        headers: names in lower case.
        query: values of the query string.
        body: values of the JSON or form body.
        params: what the route took from the path.
        user: the row of the authenticated user.
    """

    method: str
    path: str
    host: str
    headers: dict[str, str]
    query: dict[str, Any]
    body: dict[str, Any]
    files: dict[str, Upload] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    user: Row | None = None

    @property
    def user_id(self) -> int | None:
        """Id of the authenticated user."""
        return None if self.user is None else int(self.user["id"])

    @property
    def all(self) -> dict[str, Any]:
        """Every value of the request: body first, then query, then files."""
        return {**self.query, **self.body, **self.files} if self.body or self.files else dict(self.query)

    def input(self, name: str, default: Any = None) -> Any:
        """Return a value at a dotted path, the default when the key is absent."""
        found = php.dig(self.all, *name.split("."))
        return default if found is None and name not in self.all else found

    @property
    def wants_json(self) -> bool:
        """Whether errors are answered as JSON (``expectsJson``)."""
        first = _most_wanted(self.headers.get("accept", ""))
        if self.ajax and first in {"", "*/*", "*"} and "x-pjax" not in self.headers:
            return True
        return "/json" in first or "+json" in first

    @property
    def ajax(self) -> bool:
        """Whether the call says it is an XMLHttpRequest."""
        return self.headers.get("x-requested-with") == "XMLHttpRequest"

    @property
    def bearer(self) -> str | None:
        """The token of the Authorization header, or None."""
        header = self.headers.get("authorization", "")
        _, found, token = header.rpartition("Bearer ")
        return token.partition(",")[0] or None if found else None


def _most_wanted(accept: str) -> str:
    """Return the content type an Accept header prefers, in lower case."""

    def quality(part: str) -> float:
        found = QUALITY.search(part)
        return float(found[1]) if found else 1.0

    best = max(accept.lower().split(","), key=quality)
    return best.partition(";")[0].strip()


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request as it came over the socket.

    Attributes:
        host: scheme and host, as ``http://127.0.0.1:8000``.
        headers: names in lower case.
        query: the query string, undecoded.
    """

    method: str
    path: str
    host: str
    headers: dict[str, str]
    query: str
    content: bytes


def read(arrival: Arrival, version: Version) -> Call:
    """Make a Call of what came over the socket.

    The version says what Laravel's middleware trims, and whether a blank text is null.
    Broken JSON, JSON without its Content-Type and bodies of unknown types give no values.
    """
    query = php.parse_query(arrival.query)
    method, content = arrival.method, arrival.content
    kind = arrival.headers.get("content-type", "").lower()
    body: dict[str, Any] = {}
    files: dict[str, Upload] = {}
    if "/json" in kind or "+json" in kind:
        body = _json_values(content)
    elif "application/x-www-form-urlencoded" in kind and method in {"POST", "PUT", "DELETE", "PATCH"}:
        body = php.parse_query(content.decode("utf-8", "replace"))
    elif "multipart/form-data" in kind and method == "POST":
        body, files = _multipart(arrival.headers["content-type"], content)
    asked = _overridden(method, arrival.headers, query, body)
    if asked in {"GET", "HEAD"} and not ("/json" in kind or "+json" in kind):
        # A request that says it is a GET reads its query only, a JSON body apart.
        body = {}
    return Call(
        asked,
        arrival.path.strip("/"),
        arrival.host,
        arrival.headers,
        _cleaned(query, version),
        _cleaned(body, version),
        files,
    )


def _overridden(method: str, headers: dict[str, str], query: dict[str, Any], body: dict[str, Any]) -> str:
    if method != "POST":
        return method
    wanted = headers.get("x-http-method-override") or body.get("_method") or query.get("_method")
    if isinstance(wanted, str) and re.fullmatch(r"[A-Za-z]+", wanted):
        return wanted.upper()
    return method


def _json_values(content: bytes) -> dict[str, Any]:
    taken, value = php.decode_json(content)
    if not taken or value is None:
        return {}
    return dict(php.items_of(value)) if php.is_array(value) else {"0": value}


def _multipart(content_type: str, content: bytes) -> tuple[dict[str, Any], dict[str, Upload]]:
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    message = BytesParser(policy=HTTP).parsebytes(head + content)
    body: dict[str, Any] = {}
    files: dict[str, Upload] = {}
    for part in message.iter_parts() if message.is_multipart() else ():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if not isinstance(name, str) or not isinstance(payload, bytes):
            continue
        filename = part.get_filename()
        if filename is None:
            php.assign(body, name, payload.decode("utf-8", "replace"))
        else:
            files[name] = Upload(filename, payload)
    return {key: php.normal(value) for key, value in body.items()}, files


def _cleaned(values: dict[str, Any], version: Version) -> dict[str, Any]:
    return {
        key: _clean(value, version, _ends("" if key in UNTRIMMED else version.trimmed))
        for key, value in values.items()
    }


@lru_cache
def _ends(trimmed: str) -> re.Pattern[str]:
    """Return what is cut off both ends of a text; nothing when there is nothing to trim."""
    return re.compile(rf"^[\s{trimmed}]+|[\s{trimmed}]+$" if trimmed else r"(?!)")


def _clean(value: Any, version: Version, ends: re.Pattern[str]) -> Any:
    if isinstance(value, str):
        text = ends.sub("", value)
        return None if version.blank_is_null and not text else text
    if isinstance(value, list):
        return [_clean(item, version, ends) for item in value]
    if isinstance(value, dict):
        return {key: _clean(item, version, ends) for key, item in value.items()}
    return value
