"""What is wrong with a database's URL, told without a value of it."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from psycopg.pq import Conninfo

_URL = re.compile(r"postgres(ql)?://(?P<authority>[^/?]*)(?P<rest>[^?]*)(\?(?P<query>.*))?", re.DOTALL)


def objection(conninfo: str) -> str | None:
    """Return what speaks against a libpq URL; None where nothing does, or where it is no URL.

    libpq itself takes what follows the first @ or / of a password for the host, and shows it.
    """
    url = _URL.fullmatch(conninfo.strip())
    if url is None:
        return None
    authority = url["authority"]
    # A host with its port, and an @ in a parameter's value, are as they should be.
    behind = (
        url["rest"] if re.fullmatch(r"[^:]*(:[\d,]*)?", authority) else f"{url['rest']}{url['query'] or ''}"
    )
    misplaced = authority and "@" not in authority and "@" in behind
    if authority.count("@") > 1 or misplaced:
        return (
            "user and password stand in it as typed: @ : / ? must be percent-encoded there, "
            "as %40 %3A %2F %3F"
        )
    known = {option.keyword.decode() for option in Conninfo.get_defaults()} | {"ssl"}
    unknown = [name for name, _ in parse_qsl(url["query"] or "", keep_blank_values=True) if name not in known]
    if unknown:
        return (
            f"PostgreSQL's client has no parameter {', '.join(unknown)} (Rails, Prisma and others have their "
            "own): leave it out"
        )
    return None
