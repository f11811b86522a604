from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reconciliation.model.phones import normalise_phone, phone_key

from tests.reconciliation.samples import texts


@pytest.mark.parametrize(
    ("value", "region", "normalised"),
    [
        ("+491701234567", None, "+491701234567"),
        (" +49 170 / 123-4567 ", None, "+491701234567"),
        ("0170 1234567", "DE", "+491701234567"),
        ("0049 170 1234567", "DE", "+491701234567"),
        ("(212) 555-0123", "US", "+12125550123"),
        ("+٤٩١٧٠١٢٣٤٥٦٧", None, "+491701234567"),
        ("0170 1234567", None, None),
        ("abc", "DE", None),
        ("", "DE", None),
        ("+1", None, None),
        ("1" * 300, "DE", None),
    ],
)
def test_numbers_are_brought_to_one_form(value, region, normalised):
    assert normalise_phone(value, region) == normalised


@pytest.mark.parametrize(
    ("one", "other", "region"),
    [
        ("+491701234567", "0170 1234567", "DE"),
        ("0170-1234567", "0170 / 123 45 67", None),
        ("٠١٧٠١٢٣٤٥٦٧", "01701234567", None),
    ],
)
def test_two_spellings_of_a_number_share_a_key(one, other, region):
    assert phone_key(one, region) == phone_key(other, region) is not None


@pytest.mark.parametrize("value", ["0", "000", "-", "n/a", "ext. 12", "+12", "", "\u200b", "1234"])
def test_what_strangers_share_is_no_key(value):
    assert phone_key(value, None) is None
    assert phone_key(value, "DE") is None


@given(texts, st.sampled_from([None, "DE", "US"]))
def test_nothing_written_as_a_phone_can_stop_a_run(value, region):
    key = phone_key(value, region)
    assert key is None or (key.removeprefix("+").isdecimal() and key.isascii())
    normalised = normalise_phone(value, region)
    if normalised is not None:
        assert normalise_phone(normalised, region) == normalised
        assert normalise_phone(normalised, None) == normalised
