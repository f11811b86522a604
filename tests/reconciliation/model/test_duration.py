"""Durations in words."""

from __future__ import annotations

from datetime import timedelta

import pytest
from reconciliation.model.duration import duration

DASH = chr(0x2013)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0.0 s"), (1.26, "1.3 s"), (9.94, "9.9 s"), (30, "30 s"), (59, "59 s"), (60, "1 min"), (61, "1 min 1 s"),
     (3600, "1 h"), (3661, "1 h 1 min"), (86_400, "1 d"), (90_000, "1 d 1 h"), (10_000_000, "115 d 17 h"),
     (timedelta(minutes=5), "5 min"), (None, DASH)],
)  # fmt: skip
def test_a_length_of_time_in_its_two_largest_units(seconds: float | timedelta | None, said: str) -> None:
    assert duration(seconds) == said
