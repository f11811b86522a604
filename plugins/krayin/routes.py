"""Finds the base address of Krayin's REST API from whatever address an administrator gave."""

from __future__ import annotations

import hashlib
import re
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

import httpx

from krayin.classification import redirect_target
from krayin.endpoints import WHOAMI
from krayin.errors import ConfigurationError, NotSent, ServerFailed
from krayin.transport import describe_connection_failure, trusted

API_PATHS: Final = ("/api/v1", "/api/admin")
"""Where REST API packages of Krayin put their routes; 2.1.5 with rest-api 2.1.1 serves the first."""

_UI_PATHS: Final = ("/admin/login", "/admin/dashboard", "/admin", "/api")
"""Endings of addresses that people copy out of their browser, which the API lies beside."""


_PAGE_START = 20_000
_PHP_MESSAGE = re.compile(r"\b(Deprecated|Notice|Warning|Fatal error)(</b>)?: .{1,2000}? on line ", re.DOTALL)


_TIMEOUT: Final = httpx.Timeout(15.0, connect=5.0)


def normalise_base_url(address: str) -> str:
    """Return `address` with a scheme and a lower-case host, without query, fragment and trailing slash.

    Without a scheme it is https, except for this machine and bare service names, which are http.

    Raises:
        ConfigurationError: it is no http address, or holds a user or password.
    """
    text = address.strip()
    if "://" not in text:
        text = f"{'http' if _is_near(text) else 'https'}://{text}"
    malformed = "the API URL must look like https://crm.example.com/api/v1"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError(malformed) from None
    if parts.scheme.lower() not in ("http", "https") or not host:
        raise ConfigurationError(malformed)
    if parts.username is not None or parts.password is not None:
        message = "the API URL must not hold a user or password: Krayin takes a token only"
        raise ConfigurationError(message)
    shown_host = f"[{host}]" if ":" in host else host
    shown_port = f":{port}" if port is not None else ""
    path = "/".join(part for part in parts.path.split("/") if part)
    return f"{parts.scheme.lower()}://{shown_host}{shown_port}" + (f"/{path}" if path else "")


def candidate_base_urls(address: str) -> tuple[str, ...]:
    """Return the base addresses to try for `address`, the likeliest first.

    Raises:
        ConfigurationError: it is no http address, or holds a user or password.
    """
    given = normalise_base_url(address)
    if given.endswith(API_PATHS):
        root = given.removesuffix(next(path for path in API_PATHS if given.endswith(path)))
        return tuple(dict.fromkeys((given, *(root + path for path in API_PATHS))))
    root = given.removesuffix(next((path for path in _UI_PATHS if given.endswith(path)), ""))
    return tuple(dict.fromkeys((*(root + path for path in API_PATHS), given)))


def find_api(address: str, *, transport: httpx.BaseTransport | None = None) -> str:
    """Return the base address below which Krayin's REST API answers.

    Asks every candidate who we are, without a token: Krayin turns that away before its rate
    limiter, in a way of its own. So this costs nothing of the budget and gives no token to a
    wrong address.

    Raises:
        ConfigurationError: none of the candidates is Krayin's API; the message names what each said.
        NotSent: no connection could be made.
        ServerFailed: a gateway or maintenance page answered; try again later.
    """
    attempts: list[str] = []
    headers = {"Accept": "application/json", "User-Agent": "chatwoot-krayin-sync"}
    with httpx.Client(headers=headers, timeout=_TIMEOUT, transport=transport, verify=trusted()) as http:
        for base_url in candidate_base_urls(address):
            response = _ask(http, base_url)
            reason = _objection(response)
            if reason is None:
                return base_url
            attempts.append(f"{base_url} ({reason})")
    message = "no Krayin REST API answers at this address. Tried: " + "; ".join(attempts)
    raise ConfigurationError(message, **WHOAMI.where())


def _ask(http: httpx.Client, base_url: str) -> httpx.Response:
    try:
        response = http.get(f"{base_url}/{WHOAMI.path()}")
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as failure:
        message = f"{base_url}: {describe_connection_failure(failure)}"
        raise NotSent(message, **WHOAMI.where()) from None
    except (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL):
        message = f"{base_url} is no address a request can be sent to"
        raise ConfigurationError(message, **WHOAMI.where()) from None
    except httpx.HTTPError:
        message = f"{base_url}: the server accepts connections but does not answer properly"
        raise ServerFailed(message, **WHOAMI.where()) from None
    if response.status_code in (502, 503, 504):
        message = f"{base_url}: HTTP {response.status_code} from a gateway or a maintenance page"
        raise ServerFailed(message, **WHOAMI.where(response.status_code))
    return response


def _objection(response: httpx.Response) -> str | None:
    """Return what speaks against this being Krayin's answer to a call without a token, None if nothing."""
    try:
        body = response.json()
    except ValueError:
        body = None
    message = body.get("message") if isinstance(body, dict) else None
    status = response.status_code
    # With APP_DEBUG=false nothing but a text, which Krayin 2.2 translates.
    turned_away = status == 500 and isinstance(message, str) and set(body) == {"message"}
    if turned_away or (status == 401 and isinstance(message, str)):
        return None
    if 300 <= status < 400:
        return f"HTTP {status}, a redirect to {redirect_target(response.headers.get('Location', ''))}"
    if body is None:
        return f"HTTP {status} {_page(response)}"
    if status == 404:
        return "HTTP 404, there is no such route"
    return f"HTTP {status} with an answer that is not Krayin's"


def _page(response: httpx.Response) -> str:
    """Return what a page instead of JSON most likely is."""
    text = response.text[:_PAGE_START]
    if "cf-mitigated" in response.headers or "/cdn-cgi/challenge-platform/" in text:
        return "with a page of Cloudflare that checks browsers: let this machine's address pass there"
    if response.headers.get("WWW-Authenticate", "").lower().startswith("basic"):
        return (
            "because the web server before Krayin asks for a user and password (basic authentication): let "
            "this machine's address pass there, a token cannot be sent beside them"
        )
    if _PHP_MESSAGE.search(text):
        return "with PHP's own messages before the JSON: set display_errors=Off in that server's php.ini"
    return "with a page instead of JSON, so another web site or a wrong path"


def _is_near(address: str) -> bool:
    try:
        host = urlsplit(f"//{address}").hostname or ""
        return ip_address(host).is_loopback
    except ValueError:
        return "." not in address.partition("/")[0]


def access_key(address: str, token: str) -> str:
    """Return `address` with a digest of `token`."""
    return f"{address}#{hashlib.sha256(token.encode()).hexdigest()[:16]}"
