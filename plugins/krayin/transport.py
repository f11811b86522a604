"""What every connection trusts, and why one could not be made, in words that say what to check."""

from __future__ import annotations

import socket
import ssl
from functools import cache
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator


@cache
def trusted() -> ssl.SSLContext:
    """Return the context every client shares: reading the certificates takes longer than many a call."""
    return httpx.create_ssl_context()


def describe_connection_failure(error: BaseException) -> str:
    """Return what kept a connection from being made, without host names or other values."""
    chain = list(_chain(error))
    if any(isinstance(one, ssl.SSLCertVerificationError) for one in chain):
        return (
            "the server's TLS certificate is not trusted: check the host name and the certificate chain; "
            "SSL_CERT_FILE may name the certificate of an authority of your own"
        )
    if any(isinstance(one, ssl.SSLError) for one in chain):
        return "the TLS handshake failed: perhaps this port speaks plain http"
    if any(isinstance(one, socket.gaierror) for one in chain):
        return "the host name cannot be resolved: check the address for typing errors"
    if any(isinstance(one, ConnectionRefusedError) for one in chain):
        return "the connection was refused: check the port and that the server runs"
    if isinstance(error, (httpx.ConnectTimeout, httpx.PoolTimeout)):
        return "no connection within the time allowed: check the address and the firewall"
    return "the connection could not be made"


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
