"""Ports for servers of tests and benchmarks."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket

# Below those that the system gives to connections: one of these may be taken before its server starts.
FIRST, NUMBER = 10_000, 20_000
# Each process begins elsewhere, and gives no port twice.
_numbers = itertools.count(os.getpid() * 137)


def free_ports(count: int) -> list[int]:
    """Return TCP ports that are free on 127.0.0.1 right now, all different."""
    ports: list[int] = []
    while len(ports) < count:
        port = FIRST + next(_numbers) % NUMBER
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            ports.append(port)
    return ports


def free_port() -> int:
    """Return a TCP port that is free on 127.0.0.1 right now."""
    return free_ports(1)[0]
