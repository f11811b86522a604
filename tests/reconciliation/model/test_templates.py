from __future__ import annotations

from datetime import UTC, datetime

import pytest
from jinja2 import UndefinedError
from reconciliation.model.templates import breakable, moment, number, page, plural, share

# En dash: nothing to show.
DASH = chr(0x2013)


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


def test_a_long_address_is_broken_at_its_signs_only():
    assert breakable("Ada <ada@x.io>") == "Ada &lt;ada@x.io&gt;"
    assert breakable("grace.hopper@navy.example.com, ada") == (
        "grace<wbr>.hopper<wbr>@navy<wbr>.example<wbr>.com, ada"
    )


def test_what_is_shown_is_escaped_and_nothing_is_left_out():
    assert "&lt;b&gt;" in page("refused.html.j2", status=404, said="<b>", home="")
    with pytest.raises(UndefinedError):
        page("refused.html.j2", status=404, home="")
