"""`python -m stack`: the command line behind the Makefile."""

from __future__ import annotations

import sys
from pathlib import Path

# The packages under plugins/ go by their own names here as in Airflow.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "plugins"))

if __name__ == "__main__":
    try:
        # Takes a second, in which Ctrl-C deserves no traceback either.
        from stack.cli import main
    except KeyboardInterrupt:
        sys.exit(130)
    main()
