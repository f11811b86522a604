"""Plots as SVG that takes its colours and font from the page it stands in."""

from __future__ import annotations

import io
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.axes import Axes

# Inches at 72 points: as wide as a phone shows without shrinking its text.
SIZE = (4.9, 2.9)
HIGHEST_BARS = 10
# A limit that many times above all calls would leave nothing of them to see.
FAR_ABOVE = 10
# No plot draws these by itself; on the page each becomes a variable that follows light and dark.
INK, MUTED, LINE, ONE, TWO, BAD = "#010203", "#010204", "#010205", "#010206", "#010207", "#010208"
VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    ONE: "var(--one)",
    TWO: "var(--two)",
    BAD: "var(--bad)",
}
STYLE: dict[Any, Any] = {
    # A dollar sign in the name of a field is a dollar sign.
    "text.parse_math": False,
    # Text stays text: it can be read aloud, searched and takes the page's font.
    "svg.fonttype": "none",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 10,
    "lines.linewidth": 1.8,
}


def line_plot(  # noqa: PLR0913 - what a line is and how it is shown
    name: str,
    moments: Sequence[Any],
    lines: Mapping[str, Sequence[float]],
    *,
    unit: Callable[[float], str],
    limits: tuple[float, float] | None = None,
    steps: Sequence[float] = (),
) -> Markup:
    """Draw one or two lines over time.

    `moments` are aware, values may be NaN. `unit` writes a value of the vertical axis, `limits` are its
    ends. With `steps` the axis is logarithmic and shows these values.
    """

    def draw(axes: Axes) -> None:
        marker = "o" if len(moments) < 40 else ""
        for (label, values), colour in zip(lines.items(), (ONE, TWO), strict=False):
            axes.plot(list(moments), list(values), color=colour, label=label, marker=marker, markersize=3.2,
                      clip_on=False)  # fmt: skip
        if len(set(moments)) == 1:
            # Around a single moment there is no interval to divide.
            axes.set_xlim(moments[0] - timedelta(days=1), moments[0] + timedelta(days=1))
        locator = AutoDateLocator(minticks=3, maxticks=6)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        formatter = ConciseDateFormatter(locator, show_offset=False)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_formatter(formatter)
        if steps:
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(FixedLocator(list(steps)))
            axes.yaxis.set_minor_locator(NullLocator())
        else:
            axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        if limits is not None:
            axes.set_ylim(*limits)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: unit(value)))
        if len(lines) > 1:
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0, handlelength=1.2)

    return _svg(name, draw)


def hours_plot(name: str, hours: Sequence[Mapping[str, Any]], allowed: int | None) -> Markup:
    """Draw calls per hour (`hour`, `calls`, `refused`), and what an hour allows unless far above them."""
    most = max(row["calls"] for row in hours)

    def draw(axes: Axes) -> None:
        places = range(len(hours))
        axes.bar(places, [row["calls"] for row in hours], color=ONE, width=0.8, label="calls")
        if any(row["refused"] for row in hours):
            refused = [row["refused"] for row in hours]
            axes.bar(places, refused, color=BAD, width=0.8, label="refused by Krayin")
        if allowed is not None and allowed <= FAR_ABOVE * most:
            axes.axhline(allowed, color=BAD, linewidth=1.2, linestyle=(0, (4, 3)), label="allowed")
        shown = [place for place in places if (len(hours) - 1 - place) % 6 == 0]
        axes.set_xticks(shown, [f"{hours[place]['hour']:%H:%M}" for place in shown])
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0, handlelength=1.2)

    return _svg(name, draw)


def bars_plot(name: str, labels: Sequence[str], values: Sequence[int]) -> Markup:
    """Draw horizontal bars, the first on top, each with its number; the smallest beyond ten are summed up."""
    if len(labels) > HIGHEST_BARS:
        rest = len(labels) - HIGHEST_BARS + 1
        labels = [*labels[: HIGHEST_BARS - 1], f"{rest} others"]
        values = [*values[: HIGHEST_BARS - 1], sum(values[HIGHEST_BARS - 1 :])]

    def draw(axes: Axes) -> None:
        places = range(len(labels))
        bars = axes.barh(places, list(values), color=ONE, height=0.62)
        axes.bar_label(bars, labels=[f"{value:,}" for value in values], padding=4, color=INK)
        axes.set_yticks(list(places), list(labels))
        axes.set_ylim(len(labels) - 0.4, -0.6)
        axes.tick_params(axis="y", labelcolor=INK)
        axes.grid(visible=False)
        axes.spines["bottom"].set_visible(False)
        axes.xaxis.set_visible(False)
        axes.set_xlim(0, max(values) * 1.14)

    return _svg(name, draw, height=0.25 + 0.27 * len(labels))


def _svg(name: str, draw: Callable[[Axes], None], *, height: float = SIZE[1]) -> Markup:
    # Ids come from the name, so that the same numbers give the same file.
    with mpl.rc_context({**STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(SIZE[0], height), layout="constrained", facecolor="none")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        axes.set_facecolor("none")
        draw(axes)
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return Markup(_for_page(name, written.getvalue()))  # noqa: S704 - labels are escaped by matplotlib


def _for_page(name: str, svg: str) -> str:
    """Make a drawing part of a page: no prologue, ids of its own, the page's colours and width."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)
    head, body = svg.split(">", 1)
    box = re.search(r'viewBox="[^"]+"', head)
    assert box is not None
    body = re.sub(r' id="([^"]+)"', rf' id="{name}-\1"', body)
    body = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", body)
    body = re.sub(r'xlink:href="#([^"]+)"', rf'href="#{name}-\1"', body)
    # The page's stylesheet names the font.
    body = re.sub(r"font-family: [^;\"]+; ?", "", body)
    for colour, variable in VARIABLES.items():
        body = body.replace(colour, variable)
    return f'<svg {box[0]} role="img" aria-labelledby="{escape(name)}-title">{body}'
