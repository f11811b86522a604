from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest
from reconciliation.web.plots import bars_plot, line_plot, seconds_plot, sparkline, summed_bars, time_bars

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAYS = [NOON + timedelta(days=day) for day in range(5)]


def words(svg: str) -> list[str]:
    return [text.text or "" for text in ET.fromstring(svg).iter("text")]


def two_lines(name: str = "latency") -> str:
    nan = float("nan")
    return line_plot(
        name, DAYS, {"first": [1, 2, nan, 4, 5], "second": [nan] * 4 + [9]}, unit=lambda value: f"{value:g} s"
    )


def hours(refused: int = 0, allowed: int | None = None) -> str:
    moments = [NOON + timedelta(hours=hour - 23) for hour in range(24)]
    parts = {"calls": list(range(24)), "refused by Krayin": [refused, *[0] * 23]}
    return time_bars("calls", moments, parts, allowed)


def shapes(svg: str, kind: str) -> list[dict[str, str]]:
    return [one.attrib for one in ET.fromstring(svg).iter(kind)]


def test_a_plot_is_part_of_a_page_and_asks_for_nothing() -> None:
    svg = two_lines()
    assert svg.startswith('<svg viewBox="')
    assert 'aria-labelledby="latency-title"' in svg
    assert "http" not in svg
    assert "<metadata" not in svg
    assert "font-family" not in svg


def test_colours_follow_the_page() -> None:
    svg = two_lines() + hours(3, 60) + bars_plot("classes", ["a"], [1]) + sparkline("pulse", [0, 1])
    assert re.findall(r"#[0-9a-f]{3,6}\b", svg) == []
    for colour in ("ink", "muted", "line", "one", "two", "bad"):
        assert f"var(--{colour})" in svg


def test_what_is_drawn_stays_in_the_picture() -> None:
    many = [float(number % 7) for number in range(60)]
    minutes = [NOON + timedelta(minutes=number) for number in range(60)]
    for svg in (
        hours(3, 60),
        two_lines(),
        line_plot("answers", minutes, {"p50": many, "p95": many[::-1]}, unit="{:,.0f} ms".format),
        bars_plot("fields", ["a long label of a field", "b"], [1_000_000, 1]),
        sparkline("pulse", [5, 0, 1]),
    ):
        _, _, width, height = map(float, ET.fromstring(svg).attrib["viewBox"].split())
        for bar in shapes(svg, "rect"):
            x, y, wide, high = (float(bar[name]) for name in ("x", "y", "width", "height"))
            assert (x >= 0, y >= 0, x + wide <= width + 0.1, y + high <= height + 0.1) == (True,) * 4
        for line in shapes(svg, "polyline"):
            for x, y in (map(float, point.split(",")) for point in line["points"].split()):
                assert (0 <= x <= width, 0 <= y <= height) == (True, True)


def test_a_bar_is_as_high_as_its_number() -> None:
    *_, legend_free = hours().partition("calls</text>")
    heights = [float(bar["height"]) for bar in shapes(hours(), "rect")][:-1]
    assert legend_free
    assert [round(height / heights[0]) for height in heights] == list(range(1, 24))


def test_gaps_are_no_line() -> None:
    drawn = [line["style"] for line in shapes(two_lines(), "polyline")]
    assert len([style for style in drawn if "--one" in style]) == 2, "from 1 to 2 and from 4 to 5"
    assert not [style for style in drawn if "--two" in style]
    nan = float("nan")
    minutes = [NOON + timedelta(minutes=number) for number in range(60)]
    alone = line_plot("one", minutes, {"x": [nan, 5, *[nan] * 8, *range(50)]}, unit=str)
    assert len(shapes(alone, "circle")) == 1, "and what stands alone is a dot"


def test_the_same_numbers_give_the_same_plot() -> None:
    assert two_lines() == two_lines()


def test_what_is_said_stays_text() -> None:
    said = words(two_lines())
    assert {"first", "second"} <= set(said)
    assert any(word.endswith(" s") for word in said)
    assert {"allowed", "refused by Krayin", "12:00"} <= set(words(hours(1, 60)))
    assert not {"allowed", "refused by Krayin"} & set(words(hours()))
    assert "allowed" not in words(hours(0, 24_000)), "nothing would be left of the calls"


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


def test_numbers_of_one_label_are_summed_up() -> None:
    assert words(summed_bars("fields", [("a", 1), ("b", 2), ("a", 4)]) or "") == ["a", "5", "b", "2"]
    assert summed_bars("fields", []) is None


def test_a_single_moment_is_a_plot_too() -> None:
    assert "<svg" in line_plot("one", [NOON], {"x": [0.5]}, unit=str, limits=(0, 1))
    assert "<svg" in time_bars("one", [NOON], {"x": [1]})
    assert "1.0" in words(
        line_plot("one", DAYS, {"x": [0.2, 3, 7, 9, 8]}, unit=str, limits=(0.1, 10), steps=[0.1, 1.0, 10])
    )


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        ([2, 4], ["0.0 s", "1.0 s", "2.0 s", "3.0 s", "4.0 s"]),
        ([0, 3000], ["0.1 s", "1.0 s", "10 s", "1 min", "10 min", "1 h"]),
    ],
)
def test_durations_near_and_far_apart(seconds: list[float], said: list[str]) -> None:
    shown = words(seconds_plot("latency", DAYS[:2], {"x": seconds}))
    assert [word for word in shown if not word.startswith("Nov") and ":" not in word] == said


@pytest.mark.parametrize(
    "span",
    [timedelta(minutes=1), timedelta(hours=1), timedelta(days=1), timedelta(days=30), timedelta(days=900)],
)
def test_an_axis_of_time_has_some_moments_and_not_too_many(span: timedelta) -> None:
    shown = words(line_plot("one", [NOON - span, NOON], {"x": [1, 2]}, unit="{:g} u".format))
    assert 2 <= len([word for word in shown if not word.endswith(" u")]) <= 6
