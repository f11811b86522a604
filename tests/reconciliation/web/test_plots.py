from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from reconciliation.web.plots import BAD, INK, ONE, VARIABLES, bars_plot, hours_plot, line_plot

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAYS = [NOON + timedelta(days=day) for day in range(5)]


def words(svg: str) -> list[str]:
    return [text.text or "" for text in ET.fromstring(svg).iter("text")]


def two_lines(name: str = "latency") -> str:
    nan = float("nan")
    return line_plot(
        name, DAYS, {"first": [1, 2, nan, 4, 5], "second": [nan] * 4 + [9]}, unit=lambda value: f"{value:g} s"
    )


def hours(refused: int = 0) -> list[dict[str, Any]]:
    return [
        {"hour": NOON + timedelta(hours=hour - 23), "calls": hour, "refused": 0 if hour else refused}
        for hour in range(24)
    ]


def test_a_plot_is_part_of_a_page_and_asks_for_nothing() -> None:
    svg = two_lines()
    assert svg.startswith('<svg viewBox="')
    assert 'aria-labelledby="latency-title"' in svg
    assert "http" not in svg
    assert "<metadata" not in svg
    assert "font-family" not in svg


def test_colours_follow_the_page() -> None:
    svg = two_lines() + hours_plot("calls", hours(3), 60) + bars_plot("classes", ["a"], [1])
    assert re.findall(r"#[0-9a-f]{6}\b", svg) == []
    for colour in (INK, ONE, BAD):
        assert VARIABLES[colour] in svg


def test_ids_of_two_plots_on_a_page_never_meet_and_lead_somewhere() -> None:
    page = "".join((two_lines("one"), two_lines("two"), bars_plot("three", ["a"], [1])))
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    used = set(re.findall(r'href="#([^"]+)"', page)) | set(re.findall(r"url\(#([^)]+)\)", page))
    assert used
    assert used <= set(ids)


def test_the_same_numbers_give_the_same_plot() -> None:
    assert two_lines() == two_lines()


def test_what_is_said_stays_text() -> None:
    said = words(two_lines())
    assert {"first", "second"} <= set(said)
    assert any(word.endswith(" s") for word in said)
    assert {"allowed", "refused by Krayin", "12:00"} <= set(words(hours_plot("calls", hours(1), 60)))
    assert "allowed" not in words(hours_plot("calls", hours(), None))


def test_odd_names_are_names() -> None:
    svg = bars_plot("fields", ["<script>", "a & b", "$x^2$"], [3, 2, 1])
    assert "<script>" not in svg
    assert {"<script>", "a & b", "$x^2$"} <= set(words(svg))


def test_many_bars_are_ten_and_lose_none() -> None:
    values = list(range(30, 0, -1))
    said = words(bars_plot("fields", [f"field {value}" for value in values], values))
    assert "21 others" in said
    shown = [int(word) for word in said if word.isdigit()]
    assert len(shown) == 10
    assert sum(shown) == sum(values)


@pytest.mark.filterwarnings("error::UserWarning")
def test_a_single_moment_is_a_plot_too() -> None:
    assert "<svg" in line_plot("one", [NOON], {"x": [0.5]}, unit=str, limits=(0, 1))
    assert "1.0" in words(line_plot("one", DAYS, {"x": [0.2, 3, 70, 9, 8]}, unit=str, steps=[0.1, 1.0, 10]))
