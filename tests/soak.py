"""Whether tests run with large counts and new chances (`make soak`), or with small and the same ones."""

from __future__ import annotations

import os

SOAK = bool(os.environ.get("SOAK"))
