"""The chances of a chaos run: the same ones each time, or new ones with SOAK=1."""

from __future__ import annotations

import os
import random

from tests.soak import SOAK

SEED = int(os.environ.get("CHAOS_SEED") or (random.SystemRandom().randrange(10**6) if SOAK else 7))
