"""The templates in `include/templates`, and how they write numbers and times."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from statements import SHIPPED

from reconciliation.model.duration import duration

if TYPE_CHECKING:
    from datetime import datetime

FOLDER = SHIPPED / "templates"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": number,
        "share": share,
        "moment": moment,
        "duration": duration,
        "plural": plural,
        "sentence": sentence,
    }
    return environment


def page(template: str, **facts: Any) -> str:
    """Return a template of `include/templates` filled in; in HTML everything but Markup is escaped."""
    return _environment().get_template(template).render(**facts)


def number(value: float | None) -> str:
    """Return a number with thousands set apart, an en dash for None."""
    return "–" if value is None else f"{value:,.0f}"  # noqa: RUF001 - a dash for nothing


def share(value: float | None) -> str:
    """Return a share of 1 in per cent; less than all never reads as all."""
    if value is None:
        return "–"  # noqa: RUF001
    percent = float(value) * 100
    shown = f"{percent:.2f}".rstrip("0").rstrip(".")
    if percent < 100 and shown == "100":
        shown = "99.99"
    return f"{shown} %"


def moment(value: datetime | None) -> str:
    """Return an aware time as UTC to the minute, an en dash for None."""
    return "–" if value is None else f"{value:%Y-%m-%d %H:%M} UTC"  # noqa: RUF001


def plural(count: float, one: str, many: str | None = None) -> str:
    """Return a number with its noun."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def sentence(text: str) -> str:
    """Return a text with a capital letter at its beginning; names in it keep theirs."""
    return text[:1].upper() + text[1:]
