"""Durations in words."""

from __future__ import annotations

import pytest
from reconciliation.values.duration import spoken


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.0 minutes"),
        (90, "1.5 minutes"),
        (7_199, "120.0 minutes"),
        (7_200, "2.0 hours"),
        (172_799, "48.0 hours"),
        (172_800, "2.0 days"),
        (10_000_000, "115.7 days"),
    ],
)
def test_the_unit_fits_the_length(seconds: float, words: str) -> None:
    assert spoken(seconds) == words
