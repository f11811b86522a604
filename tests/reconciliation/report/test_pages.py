from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from jinja2 import UndefinedError
from reconciliation.report.pages import duration, moment, number, page, plural, share

# En dash: nothing to show.
DASH = chr(0x2013)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0.0 s"), (1.26, "1.3 s"), (9.94, "9.9 s"), (59, "59 s"), (60, "1 min"), (61, "1 min 1 s"), (3600, "1 h"),
     (3661, "1 h 1 min"), (86_400, "1 d"), (90_000, "1 d 1 h"), (timedelta(minutes=5), "5 min"), (None, DASH)],
)  # fmt: skip
def test_a_length_of_time_in_its_two_largest_units(seconds, said):
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1, "100 %"),
        (0, "0 %"),
        (0.5, "50 %"),
        (0.9998, "99.98 %"),
        (0.999999, "99.99 %"),
        (1.2, "120 %"),
        (None, DASH),
    ],
)
def test_a_share_that_is_not_all_never_reads_as_all(value, said):
    assert share(value) == said


def test_numbers_nouns_and_moments():
    assert (number(1234567), number(None)) == ("1,234,567", DASH)
    assert (plural(1, "call"), plural(2000, "call")) == ("1 call", "2,000 calls")
    assert plural(2, "is", "are") == "2 are"
    assert moment(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "2026-01-02 03:04 UTC"
    assert moment(None) == DASH


def test_what_is_shown_is_escaped_and_nothing_is_left_out():
    assert "&lt;b&gt;" in page("refused.html.j2", status=404, said="<b>")
    with pytest.raises(UndefinedError):
        page("refused.html.j2", status=404)
