"""The certificates that are trusted, read once in a process."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    import ssl


@cache
def trusted() -> ssl.SSLContext:
    """Return the context every client shares: reading the certificates takes longer than many a call."""
    return httpx.create_ssl_context()
