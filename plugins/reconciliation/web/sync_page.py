"""What the page of one sync shows beside its runs: how it went, as plots, and its settings as they apply."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from psycopg.rows import dict_row
from pydantic import BaseModel
from statements import statement

from reconciliation.store.run_rows import ACTIONS
from reconciliation.web.plots import coverage_plot, line_plot, seconds_plot, summed_bars, time_bars

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    import psycopg
    from markupsafe import Markup

    from reconciliation.settings.sync_settings import SyncSettings

KINDS: Final = ("person", "lead", "organization", "activity")
NEWEST: Final = 2**63 - 1
NAN: Final = float("nan")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as it applies: its place in the file, its value as text, whether that is the default."""

    name: str
    value: str
    is_default: bool


def settings_of(sync: SyncSettings) -> list[Setting]:
    """Return the settings of a sync, those that its file sets first."""
    return sorted(_settings(sync, ""), key=lambda one: one.is_default)


def _settings(model: BaseModel, path: str) -> Iterator[Setting]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from _settings(value, f"{path}{name}.")
        else:
            shown = model.model_dump(mode="json", include={name}, exclude_unset=False)[name]
            yield Setting(f"{path}{name}", _text(shown), name not in model.model_fields_set)


def _text(value: Any) -> str:
    match value:
        case None | "" | [] | {}:
            return ""
        case str():
            return value
        case list() if all(isinstance(one, str | int) for one in value):
            return ", ".join(map(str, value))
    return json.dumps(value, ensure_ascii=False)


def plots_of(
    connection: psycopg.Connection,
    sync_name: str,
    target_id: int | None,
    allowed: int | None,
    now: datetime,
) -> dict[str, Markup | None]:
    """Return the plots of a sync by name, None for those that have nothing to show yet.

    `target_id` is its Krayin, None before its first run; `allowed` are the calls a minute that it takes.
    `now` is aware.
    """

    def rows(name: str, **parameters: Any) -> list[dict[str, Any]]:
        with connection.cursor(row_factory=dict_row) as cursor:
            asked = {"sync_name": sync_name, "until": now, **parameters}
            return cursor.execute(statement(name), asked).fetchall()

    minutes = rows("api_call/by_minute", target_id=target_id)
    changes = rows("operation/latency_by_hour")
    reasons = rows("operation/quarantine_by_reason")
    return {
        "calls": _calls(minutes, allowed),
        "answers": line_plot(
            "answers", [row["minute"] for row in minutes], _percentiles(minutes), unit="{:,.0f} ms".format
        )
        if any(row["calls"] for row in minutes)
        else None,
        "changes": _changes(rows("sync_run/changes_by_hour", actions=list(ACTIONS)), now),
        "latency": seconds_plot("latency", [row["hour"] for row in changes], _percentiles(changes))
        if changes
        else None,
        "coverage": coverage_plot("coverage", rows("sync_run/coverage_history", until=NEWEST)),
        "quarantine": summed_bars(
            "quarantine", ((row["error_class"].replace("_", " "), row["operations"]) for row in reasons)
        ),
    }


def _calls(minutes: Sequence[Mapping[str, Any]], allowed: int | None) -> Markup | None:
    if not any(row["calls"] for row in minutes):
        return None
    parts = {
        "calls": [row["calls"] - row["refused"] for row in minutes],
        "refused by Krayin": [row["refused"] for row in minutes],
    }
    return time_bars("calls", [row["minute"] for row in minutes], parts, allowed)


def _percentiles(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    return {
        label: [NAN if row[column] is None else float(row[column]) for row in rows]
        for label, column in (("half were faster", "p50"), ("95 of 100 were faster", "p95"))
    }


def _changes(rows: Sequence[Mapping[str, Any]], now: datetime) -> Markup | None:
    if not rows:
        return None
    last = now.replace(minute=0, second=0, microsecond=0)
    hours = [last - timedelta(hours=back) for back in range(23, -1, -1)]
    changed = {(row["hour"], row["crm_kind"]): row["records"] for row in rows}
    parts = {kind: [changed.get((hour, kind), 0) for hour in hours] for kind in KINDS}
    return time_bars("changes", hours, parts)
