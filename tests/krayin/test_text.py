"""Text is cleaned of what makes Krayin read a body as empty, and of nothing else."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from krayin.text import (
    CUT_MARK,
    LEAD_VALUE_MAX,
    clean_json,
    clean_text,
    cut_bytes,
    cut_characters,
    fit_lead_value,
    fold_email,
    fold_name,
    trim,
)

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@given(ANY_TEXT)
def test_cleaned_text_can_be_sent_and_stays_clean(text):
    cleaned = clean_text(text)
    assert "\0" not in cleaned
    cleaned.encode()
    assert clean_text(cleaned) == cleaned


@given(st.text(st.characters(exclude_characters="\0", codec="utf-8")))
def test_good_text_is_left_alone(text):
    assert clean_text(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a\ud83db", "a\ufffdb"), ("\ud83d\ude00", "😀"), ("\ud83d\ude00\ud83d", "😀\ufffd"), ("a\0b", "ab")],
)
def test_pairs_are_joined_and_lone_halves_replaced(text, expected):
    assert clean_text(text) == expected


def test_json_is_cleaned_at_every_depth():
    cleaned = clean_json({"a\0": ["b\ud800", {"c": "d\0", "n": 1, "t": True, "x": None}]})
    assert cleaned == {"a": ["b\ufffd", {"c": "d", "n": 1, "t": True, "x": None}]}
    json.dumps(cleaned, ensure_ascii=False).encode()


def test_trimming_takes_what_krayin_takes():
    assert trim("\u200b\ufeff  Anna \u00a0\u180e\n") == "Anna"
    assert trim("a\u200bb") == "a\u200bb"


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


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Müller GmbH", "Muller gmbh"),
        ("Ácme", "acme "),
        ("Straße", "STRASSE"),
        ("Łódź"[1:], "odz"),
        ("Pizza 🍕", "pizza 🍔"),
        ("Ac\u200dme\ufe0f", "acme"),
    ],
)
def test_names_krayin_takes_for_one(one, other):
    assert fold_name(one) == fold_name(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Acme", "Acme Inc"), ("A B", "AB"), ("😀 Co", "Co"), ("A\tB", "AB"), ("กิ", "กี"), ("सत्य", "सतय")],
)
def test_names_krayin_tells_apart(one, other):
    assert fold_name(one) != fold_name(other)


def test_addresses_of_one_mailbox_fold_alike():
    assert fold_email(" Anna@Example.COM ") == "anna@example.com"


@pytest.mark.parametrize(
    ("one", "other"),
    [("info@straße.example", "info@strasse.example"), ("ﬁ@a.example", "fi@a.example")],
)
def test_addresses_of_two_mailboxes_stay_two(one, other):
    assert fold_email(one) != fold_email(other)
