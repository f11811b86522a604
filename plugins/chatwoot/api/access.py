"""The address and the access token of Chatwoot's API as somebody typed them, made fit for calls."""

from __future__ import annotations

import functools
import re
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT = httpx.Timeout(30.0, connect=10.0)
# What stands in a browser's address bar behind the address of Chatwoot itself.
_PAGES = re.compile(r"/(?:app/(?:accounts|login)\b|api/v\d).*$")
_PRINTABLE = re.compile(r"[!-~]*")


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """How calls are made, as Airflow's HTTP connections say it in their extra.

    Attributes:
        verify: whether certificates are checked, or the file of the authorities that count.
        cert: a file with our own certificate and key, or the two files.
        proxies: a proxy for all calls, or by scheme (`https`), or None for those of the environment.
        timeout: seconds to wait for an answer, None for ours.
        trust_env: whether proxies of the environment count.
        headers: further headers.
    """

    verify: bool | str = True
    cert: str | tuple[str, str] | None = None
    proxies: str | Mapping[str, str] | None = None
    timeout: float | None = None
    trust_env: bool = True
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def client_options(self) -> dict[str, Any]:
        """Return them as keyword arguments of `httpx.Client`, headers apart."""
        context = _context(verify=self.verify, cert=self.cert, trust_env=self.trust_env)
        proxies = {"all": self.proxies} if isinstance(self.proxies, str) else self.proxies or {}
        return {
            "verify": context,
            "trust_env": self.trust_env,
            "timeout": TIMEOUT if self.timeout is None else httpx.Timeout(float(self.timeout)),
            "mounts": {
                f"{scheme}://": httpx.HTTPTransport(proxy=proxy, verify=context)
                for scheme, proxy in proxies.items()
            },
        }


@functools.cache
def _context(*, verify: bool | str, cert: str | tuple[str, str] | None, trust_env: bool) -> ssl.SSLContext:
    # Shared by all clients: reading the certificates takes longer than many a call.
    context = (
        ssl.create_default_context(cafile=verify)
        if isinstance(verify, str)
        else httpx.create_ssl_context(verify=verify, trust_env=trust_env)
    )
    if cert is not None:
        context.load_cert_chain(*([cert] if isinstance(cert, str) else cert))
    return context


@dataclass(frozen=True, slots=True)
class ApiAccess:
    """Where the API is and what to show there.

    Attributes:
        where: the address without a slash at its end, user and password, to be shown and to go by.
        token: the access token without blanks around it.
        login: user and password of the address (HTTP basic authentication of a proxy before Chatwoot).
        problem: why no call can be made, None if one can.
    """

    where: str
    token: str = field(repr=False)
    login: tuple[str, str] | None = field(repr=False, default=None)
    problem: str | None = None

    @classmethod
    def of(cls, base_url: str, token: str) -> ApiAccess:
        """Read what somebody typed; nothing of it that may be secret comes into `where` and `problem`."""
        try:
            url = httpx.URL(base_url.strip())
        except httpx.InvalidURL:
            url = httpx.URL()
        if url.scheme not in {"http", "https"} or not url.host:
            example = "the address in the connection is none; it looks like https://app.chatwoot.com"
            return cls("an unreadable address", "", problem=example)
        login = (url.username, url.password) if url.userinfo else None
        plain = httpx.URL(scheme=url.scheme, host=url.host, port=url.port, path=_PAGES.sub("", url.path))
        where = str(plain).rstrip("/")
        token = token.strip()
        if not _PRINTABLE.fullmatch(token):
            # The HTTP library would quote the whole header in its error.
            problem = (
                "the access token (the connection's password) has blanks, line breaks or letters that no "
                "token has; copy it again from Profile settings > Access token"
            )
            return cls(where, "", login, problem)
        return cls(where, token, login)

    def client(self, http: HttpOptions, transport: httpx.BaseTransport | None) -> httpx.Client:
        """Return a client that shows the token with each call."""
        return httpx.Client(
            # A header with underscores, as Chatwoot reads it; nginx drops those unless told otherwise.
            headers={**http.headers, "api_access_token": self.token, "Accept": "application/json"},
            auth=self.login,
            transport=transport,
            **http.client_options(),
        )
