"""Command line: `python -m reconciliation.migrations <connection URL>`."""

from __future__ import annotations

import sys

from reconciliation.migrations import upgrade

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m reconciliation.migrations postgresql://user:password@host:port/database")
    upgrade(sys.argv[1])
