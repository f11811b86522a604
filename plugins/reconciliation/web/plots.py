"""Plots as SVG that takes its colours and font from the page it stands in."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from reconciliation.model.duration import duration
from reconciliation.model.templates import share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

# As wide as a phone shows without shrinking its text; heights and places are in the same units.
WIDTH, HEIGHT = 352.0, 208.0
TOP, BOTTOM = 22.0, 20.0
LETTER = 6.2
"""About what one letter takes."""
HIGHEST_BARS = 10
# A limit that many times above all values would leave nothing of them to see.
FAR_ABOVE = 10
FEW = 40
COLOURS = ("one", "two", "three", "four")
"""Names of the page's variables, which follow light and dark; what is bad has a colour of its own."""
STEPS = [
    *(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720)),
    *(timedelta(days=days) for days in (1, 2, 7, 14, 30, 60, 90, 180, 360)),
]
# Seconds that an axis of durations may show, from a tenth of a second to a week.
SECONDS = (0.1, 1, 10, 60, 600, 3600, 6 * 3600, 86_400, 7 * 86_400)
LEAST_SECONDS = 0.1
WIDE = 20
EPOCH = datetime(2024, 1, 1, tzinfo=UTC)  # A Monday.


@dataclass(slots=True)
class _Drawing:
    """The parts of one plot; `left` is where its area begins."""

    name: str
    height: float = HEIGHT
    left: float = 0.0
    parts: list[Markup] = field(default_factory=list)

    def add(self, form: Markup, *values: object) -> None:
        self.parts.append(form.format(*values))

    def text(self, x: float, y: float, said: str, anchor: str = "start", colour: str = "muted") -> None:
        form = Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}" style="fill: var(--{})">{}</text>')
        self.add(form, x, y, anchor, colour, said)

    def bar(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        form = Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" style="fill: var(--{})"/>')
        self.add(form, x, y, width, height, colour)

    def line(self, points: Iterable[tuple[float, float]], colour: str) -> None:
        form = Markup('<polyline points="{}" style="fill: none; stroke: var(--{}); stroke-width: 1.8"/>')
        self.add(form, " ".join(f"{x:.1f},{y:.1f}" for x, y in points), colour)

    def level(self, y: float, colour: str = "line", dashes: str = "none") -> None:
        form = Markup('<path d="M{:.1f} {:.1f}H{:.1f}" style="stroke: var(--{}); stroke-dasharray: {}"/>')
        self.add(form, self.left, y, WIDTH, colour, dashes)

    def dot(self, x: float, y: float, colour: str) -> None:
        self.add(Markup('<circle cx="{:.1f}" cy="{:.1f}" r="2" style="fill: var(--{})"/>'), x, y, colour)

    def legend(self, labels: Iterable[tuple[str, str]]) -> None:
        x = self.left
        for label, colour in labels:
            self.bar(x, 4, 8, 8, colour)
            self.text(x + 12, 12, label, colour="ink")
            x += 24 + LETTER * len(label)

    def svg(self) -> Markup:
        return Markup(
            '<svg viewBox="0 0 {:.0f} {:.0f}" role="img" aria-labelledby="{}-title" font-size="10">{}</svg>'
        ).format(WIDTH, self.height, self.name, Markup().join(self.parts))


def line_plot(  # noqa: PLR0913 - what a line is and how it is shown
    name: str,
    moments: Sequence[datetime],
    lines: Mapping[str, Sequence[float]],
    *,
    unit: Callable[[float], str],
    limits: tuple[float, float] | None = None,
    steps: Sequence[float] = (),
) -> Markup:
    """Draw one or two lines over time.

    `moments` are aware and in order, values may be NaN. `unit` writes a value of the vertical axis, `limits`
    are its ends. With `steps` the axis is logarithmic and shows these values.
    """
    known = [value for values in lines.values() for value in values if not math.isnan(value)]
    low, high = limits or (0.0, max(known, default=0.0) or 1.0)
    ticks = [one for one in steps or _ticks(low, high) if low <= one <= high]
    scale: Callable[[float], float] = math.log10 if steps else float

    def part(value: float) -> float:
        return (scale(value) - scale(low)) / (scale(high) - scale(low))

    drawing = _axes(name, [(part(one), unit(one)) for one in ticks])
    at = _times(drawing, moments)
    for (_, values), colour in zip(lines.items(), COLOURS, strict=False):
        places = [
            None if math.isnan(value) else (at(moment), _height(drawing, part(value)))
            for moment, value in zip(moments, values, strict=True)
        ]
        for one, another in pairwise(places):
            if one and another:
                drawing.line((one, another), colour)
        for before, one, after in zip([None, *places], places, [*places[1:], None], strict=False):
            # A value between gaps has no line.
            if one and (len(moments) < FEW or not (before or after)):
                drawing.dot(*one, colour)
    if len(lines) > 1:
        drawing.legend(zip(lines, COLOURS, strict=False))
    return drawing.svg()


def time_bars(
    name: str, moments: Sequence[datetime], parts: Mapping[str, Sequence[int]], allowed: int | None = None
) -> Markup:
    """Draw bars over time, each of its `parts` upon the other, and what is allowed unless far above them.

    `moments` are the beginnings of even intervals, aware. The part `refused` is told apart by its colour.
    """
    sums = [sum(values) for values in zip(*parts.values(), strict=True)]
    if allowed is not None and allowed > FAR_ABOVE * max(sums):
        allowed = None
    most: float = max(1, *sums, allowed or 0)
    ticks = [one for one in _ticks(0, most) if one == int(one)]
    drawing = _axes(name, [(one / most, f"{one:,.0f}") for one in ticks])
    width = (WIDTH - drawing.left) / len(moments)
    bottoms = [0.0] * len(moments)
    colours = [
        "bad" if label.startswith("refused") else next_ for label, next_ in zip(parts, COLOURS, strict=False)
    ]
    for values, colour in zip(parts.values(), colours, strict=True):
        for place, value in enumerate(values):
            if value:
                low, bottoms[place] = bottoms[place], bottoms[place] + value / most
                top = _height(drawing, bottoms[place])
                x = drawing.left + (place + 0.1) * width
                drawing.bar(x, top, width * 0.8, _height(drawing, low) - top, colour)
    labels = [
        (label, colour) for (label, values), colour in zip(parts.items(), colours, strict=True) if any(values)
    ]
    if allowed is not None:
        drawing.level(_height(drawing, allowed / most), "bad", "4 3")
        labels.append(("allowed", "bad"))
    drawing.legend(labels)
    span = moments[-1] - moments[0]
    for moment, said in _time_ticks(moments[0], moments[-1]):
        part = (moment - moments[0]) / span if span else 1
        _time(drawing, drawing.left + (part * (len(moments) - 1) + 0.5) * width, said)
    return drawing.svg()


def coverage_plot(name: str, history: Sequence[Mapping[str, Any]]) -> Markup | None:
    """Draw the `coverage` that comparisons saw (`finished_at`), the oldest first."""
    values = [float(row["coverage"]) for row in history]
    if not values:
        return None
    lowest = min(values)
    # A sync that is all right shall not look like a mountain range.
    room = max(1 - lowest, 0.001) * 0.1
    moments = [row["finished_at"] for row in history]
    limits = (max(0.0, lowest - 2 * room), 1.0)
    return line_plot(name, moments, {"coverage": values}, unit=share, limits=limits)


def seconds_plot(name: str, moments: Sequence[datetime], lines: Mapping[str, Sequence[float]]) -> Markup:
    """Draw durations, from seconds to hours: in even steps only while the ends are near."""
    known = [value for values in lines.values() for value in values if not math.isnan(value)]
    least, most = max(min(known), LEAST_SECONDS), max(*known, LEAST_SECONDS)
    if most < WIDE * least:
        return line_plot(name, moments, lines, unit=duration, limits=(0.0, most * 1.1))
    low = max(step for step in SECONDS if step <= least)
    high = max(most, min((step for step in SECONDS if step >= most), default=most))
    lines = {label: [max(value, low) for value in values] for label, values in lines.items()}
    return line_plot(name, moments, lines, unit=duration, limits=(low, high), steps=SECONDS)


def summed_bars(name: str, counted: Iterable[tuple[str, int]]) -> Markup | None:
    """Draw numbers summed up by their labels, the largest first."""
    sums: Counter[str] = Counter()
    for label, number in counted:
        sums[label] += number
    return bars_plot(name, *zip(*sums.most_common(), strict=True)) if sums else None


def bars_plot(name: str, labels: Sequence[str], values: Sequence[int]) -> Markup:
    """Draw horizontal bars, the first on top, each with its number; the smallest beyond ten are summed up."""
    if len(labels) > HIGHEST_BARS:
        rest = len(labels) - HIGHEST_BARS + 1
        labels = [*labels[: HIGHEST_BARS - 1], f"{rest} others"]
        values = [*values[: HIGHEST_BARS - 1], sum(values[HIGHEST_BARS - 1 :])]
    left = LETTER * max(map(len, labels)) + 6
    drawing = _Drawing(name, 20.0 * len(labels) + 4, left)
    room = WIDTH - left - LETTER * max(len(f"{value:,}") for value in values) - 8
    for place, (label, value) in enumerate(zip(labels, values, strict=True)):
        width = room * value / max(values)
        drawing.text(left - 6, 20 * place + 14, label, "end", "ink")
        drawing.bar(left, 20 * place + 4, width, 13, "one")
        drawing.text(left + width + 4, 20 * place + 14, f"{value:,}", colour="ink")
    return drawing.svg()


def sparkline(name: str, values: Sequence[int]) -> Markup:
    """Draw how a number went, without axes; what it is must stand beside it."""
    drawing = _Drawing(name, 24)
    width = WIDTH / len(values)
    for place, value in enumerate(values):
        height = 22 * value / max(1, *values)
        drawing.bar(
            place * width, 24 - max(height, 1), width * 0.8, max(height, 1), "one" if value else "line"
        )
    return drawing.svg()


def _axes(name: str, ticks: Sequence[tuple[float, str]]) -> _Drawing:
    """Return a drawing with the levels of a vertical axis, given as shares of its height."""
    drawing = _Drawing(name, left=LETTER * max((len(said) for _, said in ticks), default=0) + 6)
    for part, said in ticks:
        y = _height(drawing, part)
        drawing.level(y)
        drawing.text(drawing.left - 6, y + 3.5, said, "end")
    return drawing


def _height(drawing: _Drawing, part: float) -> float:
    return TOP + (1 - part) * (drawing.height - TOP - BOTTOM)


def _times(drawing: _Drawing, moments: Sequence[datetime]) -> Callable[[datetime], float]:
    """Draw a horizontal axis of time, and return where on it a moment is."""
    first, last = moments[0], moments[-1]
    if first == last:
        first, last = first - timedelta(days=1), last + timedelta(days=1)

    def at(moment: datetime) -> float:
        return drawing.left + 3 + (moment - first) / (last - first) * (WIDTH - drawing.left - 6)

    for moment, said in _time_ticks(first, last):
        _time(drawing, at(moment), said)
    return at


def _time(drawing: _Drawing, x: float, said: str) -> None:
    half = LETTER * len(said) / 2
    drawing.text(min(max(x, half), WIDTH - half), drawing.height - 5, said, "middle")


def _ticks(low: float, high: float) -> list[float]:
    """Return round values from `low` to `high`, at most six."""
    raw = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(one * power for one in (1, 2, 5, 10) if one * power >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 12) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _time_ticks(first: datetime, last: datetime) -> list[tuple[datetime, str]]:
    """Return round moments between two, in UTC and at most six, and how they are written."""
    step = next((one for one in STEPS if (last - first) / one <= 5), STEPS[-1])
    number = math.ceil((first - EPOCH) / step)
    ticks = []
    while (moment := EPOCH + number * step) <= last:
        is_day = step >= timedelta(days=1) or moment.hour == moment.minute == 0
        ticks.append((moment, f"{moment:%b} {moment.day}" if is_day else f"{moment:%H:%M}"))
        number += 1
    return ticks
