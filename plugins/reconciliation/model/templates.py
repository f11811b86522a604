"""The templates in `include/templates`, and how they write numbers and times."""

from __future__ import annotations

import re
from datetime import UTC
from functools import cache
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape
from statements import SHIPPED

from reconciliation.model.duration import duration

if TYPE_CHECKING:
    from datetime import datetime

FOLDER = SHIPPED / "templates"
_LONG = re.compile(r"(\S{20,})")
_SIGN = re.compile(r"(?<=\w)[@._/-](?=\w)")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d) UTC")


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
        "moment": time_tag,
        "timed": timed,
        "duration": duration,
        "breakable": breakable,
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


def time_tag(value: datetime | None) -> Markup:
    """Return a time as `moment` writes it, for pages that show it where the reader is."""
    if value is None:
        return escape(moment(None))
    return Markup('<time datetime="{}">{}</time>').format(
        f"{value.astimezone(UTC):%Y-%m-%dT%H:%MZ}", moment(value)
    )


def timed(text: str) -> Markup:
    """Return a sentence with the times in it as `time_tag` writes them."""
    return Markup(_MOMENT.sub(r'<time datetime="\1T\2Z">\1 \2 UTC</time>', str(escape(text))))  # noqa: S704 - escaped


def breakable(text: str) -> Markup:
    """Return a text whose long addresses go on in the next line at a sign rather than within a word."""
    parts = _LONG.split(str(escape(text)))
    parts[1::2] = [_SIGN.sub(r"<wbr>\g<0>", long) for long in parts[1::2]]
    return Markup("".join(parts))  # noqa: S704 - escaped


def plural(count: float, one: str, many: str | None = None) -> str:
    """Return a number with its noun."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def sentence(text: str) -> str:
    """Return a text with a capital letter at its beginning; names in it keep theirs."""
    return text[:1].upper() + text[1:]
