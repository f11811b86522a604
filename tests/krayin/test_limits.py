"""Values are made to fit with a visible mark, never more than needed."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from krayin.limits import CUT_MARK, LEAD_VALUE_MAX, cut_bytes, cut_characters, fit_lead_value


@given(st.text(), st.integers(min_value=0, max_value=40))
def test_cut_characters_fits_and_is_idempotent(text, limit):
    cut = cut_characters(text, limit)
    assert len(cut) <= limit
    assert cut_characters(cut, limit) == cut
    assert cut == text or len(text) > limit


@given(st.text(), st.integers(min_value=0, max_value=60))
def test_cut_bytes_fits_and_is_idempotent(text, limit):
    cut = cut_bytes(text, limit)
    assert len(cut.encode()) <= limit
    assert cut_bytes(cut, limit) == cut
    assert cut == text or len(text.encode()) > limit


def test_a_cut_is_visible_and_whole():
    assert cut_characters("x" * 300) == "x" * (255 - len(CUT_MARK)) + CUT_MARK
    assert cut_characters("x" * 255) == "x" * 255
    emoji = cut_bytes("😀" * 20_000)
    assert emoji.endswith("😀" + CUT_MARK)
    assert 65_535 - 4 < len(emoji.encode()) <= 65_535


@pytest.mark.parametrize(
    ("value", "expected"),
    [("12.34567", "12.3457"), ("0", "0"), ("-5", "0"), ("1e12", str(LEAD_VALUE_MAX)), ("0.00005", "0.0001")],
)
def test_lead_values_fit(value, expected):
    assert fit_lead_value(Decimal(value)) == Decimal(expected)


@pytest.mark.parametrize("value", ["NaN", "Infinity"])
def test_a_lead_value_must_be_a_number(value):
    with pytest.raises(ValueError, match="finite"):
        fit_lead_value(Decimal(value))
