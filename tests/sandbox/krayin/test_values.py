"""Values as PHP and the database see them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.krayin import php
from sandbox.krayin.clock import Clock, sql_datetime
from sandbox.krayin.collation import fold, like
from sandbox.krayin.columns import Column
from sandbox.krayin.errors import ServerError
from sandbox.krayin.versions import STORAGES


def test_query_strings_nest_and_mangle_as_php_does():
    read = php.parse_query("a.b=1&c[]=2&c[]=3&d[x][y]=4&e%3Ef=5&emails->[0]->value=6&g=%2B+")
    assert read == {
        "a_b": "1",
        "c": ["2", "3"],
        "d": {"x": {"y": "4"}},
        "e>f": "5",
        "emails->": ["6"],
        "g": "+ ",
    }


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        (None, "", True),
        (None, 0, True),
        (None, "0", False),
        ("1", 1, True),
        ("1.0", "1", True),
        ("abc", 0, False),
        ([], None, True),
        ({"a": 1}, {"a": "1"}, True),
    ],
)
def test_loose_comparison(left, right, equal):
    assert php.loosely_equal(left, right) is equal
    assert php.loosely_equal(right, left) is equal


@pytest.mark.parametrize(
    ("left", "right"),
    [("Zoë Ünïcode", "zoe unicode "), ("straße", "STRASSE"), ("😀", "👍"), ("a\u200bb", "ab")],
)
def test_the_collation_ignores_case_accents_blanks_and_emoji(left, right):
    assert fold(left) == fold(right)


def test_like_patterns_escape_with_a_backslash():
    assert like("a_c%").fullmatch("abcd")
    assert not like("a\\_c").fullmatch("abc")
    assert like("%\\u00fc%").fullmatch("xu00fcx")


@pytest.mark.parametrize(
    ("kind", "value", "stored"),
    [
        ("uint", "12abc", 12),
        ("uint", -1, 0),
        ("bool", True, 1),
        ("decimal", "1.00005", "1.0001"),
        ("decimal", 10**12, "99999999.9999"),
        ("date", "2030-01-31T18:30:00Z", "2030-01-31"),
        ("datetime", 1_778_000_000, "0000-00-00 00:00:00"),
        ("string", 1.5, "1.5"),
        ("double", "7x", 7.0),
    ],
)
def test_columns_take_what_they_can(kind, value, stored):
    assert Column("c", kind).stored(value, STORAGES["mariadb"]) == stored


@pytest.mark.parametrize("database", STORAGES)
def test_json_columns_refuse_what_is_no_json(database):
    with pytest.raises(ServerError):
        Column("c", "json").stored("no json", STORAGES[database])


@pytest.mark.parametrize(
    ("database", "stored"),
    [
        ("mariadb", r'{"value":"\u00fc\/1","label":"w","b":{"zz":1e3,"a":[]}}'),
        ("mysql", '{"b": {"a": [], "zz": 1000.0}, "label": "w", "value": "ü/1"}'),
    ],
)
def test_a_json_column_is_phps_text_or_the_databases_own(database, stored):
    text = r'{"value":"\u00fc\/1","label":"w","b":{"zz":1e3,"a":[]}}'
    assert Column("c", "json").stored(text, STORAGES[database]) == stored


@pytest.mark.parametrize(("database", "stored"), [("mariadb", None), ("mysql", "null")])
def test_a_json_column_that_needs_a_value_and_gets_none(database, stored):
    column = Column("c", "json", nullable=False)
    if stored is None:
        with pytest.raises(ServerError):
            column.stored(None, STORAGES[database])
    else:
        assert column.stored(None, STORAGES[database]) == stored


@pytest.mark.parametrize(
    ("sent", "wall"),
    [
        ("2026-05-05T10:00:00+02:00", "2026-05-05 10:00:00"),
        ("05/05/2026 10:00", "2026-05-05 10:00:00"),
        ("2026-13-45 10:00:00", "2027-02-14 10:00:00"),
        ("2026-05-05", "2026-05-05 00:00:00"),
        (1_778_000_000, "2026-05-05 22:23:20"),
    ],
)
def test_dates_are_read_as_the_servers_wall_time(sent, wall):
    assert Clock("Asia/Kolkata").local_text(sent) == wall


def test_garbage_is_no_date():
    with pytest.raises(ServerError):
        Clock("UTC").moment("garbage")
    assert sql_datetime("garbage") is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    )
)
def test_json_survives_a_round_trip(value):
    kept = php.normal(value)
    assert php.decode_json(php.encode_json(kept)) == (True, kept)


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("10:30", "2026-11-22 10:30:00"),
        ("monday", "2026-11-23 00:00:00"),
        ("sunday", "2026-11-22 00:00:00"),
        ("next sunday", "2026-11-29 00:00:00"),
        ("last friday", "2026-11-20 00:00:00"),
        ("+1 month", "2026-12-22 12:00:00"),
        ("3 months ago", "2026-08-22 12:00:00"),
        ("next year", "2027-11-22 12:00:00"),
        ("2026-05-05 10:00:00 UTC", "2026-05-05 10:00:00"),
        ("2026-05-05 10:00 Europe/Berlin", "2026-05-05 10:00:00"),
        ("Tue, 05 May 2026 10:00:00 GMT", "2026-05-05 10:00:00"),
        ("5/5/2026 5pm", "2026-05-05 17:00:00"),
        ("9999-12-31", "9999-12-31 00:00:00"),
        ("0000-00-00 00:00:00", "0000-00-00 00:00:00"),
    ],
)
def test_dates_are_read_in_the_forms_strtotime_takes(text, local):
    clock = Clock("Asia/Kolkata")
    clock.stopped_at = datetime(2026, 11, 22, 6, 30, tzinfo=UTC)
    assert clock.local_text(text) == local


def test_the_last_evening_west_of_greenwich_is_shown_in_the_next_year():
    assert Clock("America/New_York").shown("9999-12-31 23:59:59") == "+010000-01-01T04:59:59.000000Z"


@pytest.mark.parametrize(
    "text",
    [
        "25:00",
        "mond",
        "9999-12-45",
        "2026-05-05 10:00 America/Argentina",
        "garbage",
        "2026-05-05 10:00 Nowhere/Land",
        "10000-01-01",
    ],
)
def test_what_is_no_date_is_refused(text):
    with pytest.raises(ServerError):
        Clock("Asia/Kolkata").local_text(text)
