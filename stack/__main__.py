"""`python -m stack`: the command line behind the Makefile."""

from __future__ import annotations

import sys
from pathlib import Path

# The packages under plugins/ go by their own names here as in Airflow.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "plugins"))

from stack.cli import main

if __name__ == "__main__":
    main()
