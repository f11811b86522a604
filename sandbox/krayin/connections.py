"""Open connections by client address, so that one can be cut without an answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.http.auto import AutoHTTPProtocol

if TYPE_CHECKING:
    from starlette.types import Scope


@dataclass(slots=True)
class _Connection:
    transport: asyncio.Transport
    closed: asyncio.Event = field(default_factory=asyncio.Event)


_open: dict[tuple[str, int], _Connection] = {}


def tracked(**options: Any) -> asyncio.Protocol:
    """Return an HTTP protocol of the server that notes its connection while it is open."""
    protocol: Any = AutoHTTPProtocol(**options)
    opened, lost = protocol.connection_made, protocol.connection_lost
    address: list[tuple[str, int]] = []

    def connection_made(transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        address.append((peer[0], peer[1]))
        _open[address[0]] = _Connection(cast("asyncio.Transport", transport))
        opened(transport)

    def connection_lost(error: Exception | None) -> None:
        lost(error)
        connection = _open.pop(address[0], None)
        if connection is not None:
            connection.closed.set()

    protocol.connection_made = connection_made
    protocol.connection_lost = connection_lost
    return cast("asyncio.Protocol", protocol)


async def cut(scope: Scope) -> None:
    """Close the connection of a request at once and wait until the server knows."""
    client = scope.get("client")
    connection = _open.get((client[0], client[1])) if client else None
    if connection is not None:
        connection.transport.abort()
        await connection.closed.wait()
