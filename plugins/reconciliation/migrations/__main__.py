"""Command line: `python -m reconciliation.migrations <connection URL>`."""

from __future__ import annotations

import sys

from reconciliation.errors import DatabaseRevisionError
from reconciliation.migrations import upgrade

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m reconciliation.migrations postgresql://user:password@host:port/database")
    try:
        upgrade(sys.argv[1])
    except DatabaseRevisionError as error:
        sys.exit(str(error))
