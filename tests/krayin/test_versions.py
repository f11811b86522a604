from __future__ import annotations

import pytest
from krayin.dialect import Dialect
from krayin.versions import generation_of

HERE = "https://crm.example.com/api/v1"


@pytest.mark.parametrize(
    ("dialect", "shown", "notes"),
    [
        (Dialect(blank_is_null=False, is_limited=True), "2.1", []),
        (Dialect(blank_is_null=True, is_limited=False), "2.2 or later", ["no phone number", "100 an hour"]),
        (Dialect(blank_is_null=False, is_limited=True, takes_no_email=True), "2.1", ["MySQL"]),
    ],
)
def test_what_it_answers_says_what_it_is_and_what_that_means(dialect, shown, notes):
    generation = generation_of(HERE, dialect)
    assert (generation.shown, generation.problem) == (shown, None)
    assert [said in note for said, note in zip(notes, generation.notes, strict=True)] == [True] * len(notes)


@pytest.mark.parametrize(
    ("base_url", "told"),
    [
        ("https://crm.example.com/api/admin", "2.0 is supported in part"),
        ("https://crm.example.com/elsewhere", "usually lies under /api/v1"),
    ],
)
def test_others_are_told(base_url, told):
    assert told in (generation_of(base_url, Dialect()).problem or "")
    assert "2.1.5" in (generation_of(base_url, Dialect()).problem or "")
