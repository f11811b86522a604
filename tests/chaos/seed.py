"""How long chaos lasts and by which chances: the same ones each time, or new ones with SOAK=1."""

from __future__ import annotations

import os
import random

SOAK = bool(os.environ.get("SOAK"))
SEED = int(os.environ.get("CHAOS_SEED") or (random.SystemRandom().randrange(10**6) if SOAK else 7))
