from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from krayin.text import clean_text, trim
from reconciliation.model.stored_text import stored_text, visible_text


@given(
    st.text(
        alphabet=st.one_of(
            st.sampled_from(" \t\r\n\0\u200b\ufeff\xa0\u3000a\u0301\ud83d\ude00"), st.characters()
        )
    )
)
def test_it_is_what_krayin_makes_of_the_text(text):
    assert stored_text(text) == trim(clean_text(text))
    assert stored_text(stored_text(text)) == stored_text(text)


@pytest.mark.parametrize("text", [None, "", " ", "\u200b\ufeff", "\0"])
def test_nothing_stays_nothing(text):
    assert stored_text(text) == ""


def test_a_long_run_of_blanks_inside_is_kept_and_read_through_once():
    # A pattern that looks for blanks before the end reads such a run once for each of its blanks.
    text = "x" + " " * 2_000_000 + "y"
    assert stored_text(text) == text
    assert stored_text("é" + text) == "é" + text


@given(st.text(st.characters(max_codepoint=127)))
def test_plain_text_takes_no_other_way_than_all_text(text):
    assert stored_text(text) == trim(clean_text(text))


@pytest.mark.parametrize(
    "text", ["\u3164", "\u200e\u200f", "\u2800 \u2800", "\u2060", "\u034f", "\x07", "\ufe0f", "\u180e", None]
)
def test_what_shows_nothing_is_nothing(text):
    assert visible_text(text) == ""


@given(st.text(), st.sampled_from("aé你😀ع1.♥"))
def test_what_shows_anything_is_left_alone(text, seen):
    assert visible_text(text + seen) == stored_text(text + seen)
