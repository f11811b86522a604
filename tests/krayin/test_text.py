"""Text is cleaned of what makes Krayin read a body as empty, and of nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from krayin.text import clean_json, clean_text, trim

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
