"""Search values find what they name and nothing else."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from krayin.client import (
    is_searchable,
    json_column_patterns,
    like_escaped,
    lookup_query,
    person_searches,
    spellings,
)


@pytest.mark.parametrize("value", ["", " ", "a:b", "a;b", "tel:+491"])
def test_values_krayin_would_answer_with_its_first_rows_are_not_searched(value):
    assert not is_searchable(value)


def test_like_wildcards_are_taken_literally():
    assert like_escaped(r"50%_a\b") == r"50\%\_a\\b"


@pytest.mark.parametrize(
    ("value", "patterns"),
    [
        ("a@b.c", ('"a@b.c"',)),
        ("first_last@b.c", (r'"first\_last@b.c"',)),
        ("üml@b.c", (r'"\\u00fcml@b.c"', '"üml@b.c"')),
        ("a/b@c.d", (r'"a\\/b@c.d"', '"a/b@c.d"')),
        ('"q"@c.d', (r'"\\"q\\"@c.d"',)),
        ("😀@c.d", (r'"\\ud83d\\ude00@c.d"', '"😀@c.d"')),
    ],
)
def test_a_pattern_matches_the_whole_value_as_it_is_stored(value, patterns):
    assert json_column_patterns(value) == patterns


def test_a_lookup_is_encoded_once_more_because_krayin_decodes_once_more():
    assert unquote(lookup_query("A+B 100%, Inc.")) == r"A+B 100\%, Inc."
    assert "+" not in lookup_query("A+B")


def test_each_address_is_spelled_as_given_and_small():
    assert spellings(["Anna@B.c", "anna@b.c", " x@y ", ""]) == ("Anna@B.c", "anna@b.c", "x@y")


def test_one_search_takes_one_email_and_one_phone():
    assert person_searches(["a@b", "c@d", "e:f@g"], ["+491", "tel:5"]) == [
        [
            ("search", 'emails:"a@b";contact_numbers:"+491"'),
            ("searchFields", "emails:like;contact_numbers:like"),
            ("limit", "50"),
        ],
        [("search", 'emails:"c@d"'), ("searchFields", "emails:like"), ("limit", "50")],
    ]
