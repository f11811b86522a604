"""Makes the report of a finished run."""

from __future__ import annotations

import gzip
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pandas as pd
from psycopg import IsolationLevel
from psycopg.rows import dict_row
from statements import statement

from reconciliation.report import store
from reconciliation.report.findings import CHUNK, PackedFile, WrittenFindings, write_findings
from reconciliation.report.labels import SIDES, class_in_words, hint
from reconciliation.report.pages import page, share
from reconciliation.report.plots import Plot, bars_plot, hours_plot, line_plot
from reconciliation.sync_database.run_rows import Run, read_run
from reconciliation.values.duration import duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import psycopg

log = logging.getLogger(__name__)

SHOWN = 100
MINUTES = 60
# Seconds that an axis of durations may show, from a tenth of a second to a week.
STEPS = (0.1, 1, 10, 60, 600, 3600, 6 * 3600, 86_400, 7 * 86_400)
LEAST_SECONDS = 0.1
WIDE = 20


@dataclass(frozen=True, slots=True)
class Report:
    """What was made: the run, the names of its files, how many findings stand in them, bytes kept."""

    run_id: int
    files: tuple[str, ...]
    findings: int
    kept_bytes: int


def make_report(connection: psycopg.Connection, run_id: int, *, chatwoot_url: str | None = None) -> Report:
    """Make the report of a run and keep it in the sync database, in place of an earlier one of the run.

    It says how things stand now, as one moment shows them, and which comparison that rests on: the
    run's own or, for any other run, the last one before it. Memory does not grow with the number of
    findings but for their packed files.

    Args:
        connection: to the sync database, in autocommit mode, no transaction under way.
        run_id: the run, usually one that has ended.
        chatwoot_url: the address agents open, for links to contacts.

    Raises:
        LookupError: there is no such run.
    """
    now = datetime.now(UTC)
    facts = _Facts(connection, run_id, chatwoot_url)
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    try:
        with connection.transaction():
            files, findings = facts.files(now)
    finally:
        connection.isolation_level = None
    with connection.transaction():
        for file in files:
            store.keep(connection, run_id, file)
    return Report(
        run_id,
        tuple(file.name for file in files),
        findings,
        sum(len(file.content) for file in files),
    )


class _Facts:
    """Reads what a report shows, from the views, in the transaction under way."""

    def __init__(self, connection: psycopg.Connection, run_id: int, chatwoot_url: str | None) -> None:
        self.connection = connection
        self.run_id = run_id
        self.chatwoot_url = chatwoot_url.rstrip("/") if chatwoot_url else None

    def files(self, now: datetime) -> tuple[list[PackedFile], int]:
        run = read_run(self.connection, self.run_id)
        compared = self._row("sync_run/comparison", run_id=run.id)
        since = compared["started_at"] if compared else run.started_at
        written = write_findings(self._chunks(run.sync_name, since), self._chatwoot_page, show=SHOWN)
        html = self._page(run, compared, since, written, now).encode()
        kept = PackedFile(store.PAGE, "text/html; charset=utf-8", len(html), gzip.compress(html, mtime=0))
        return [kept, *written.files], written.total

    def _page(
        self,
        run: Run,
        compared: Mapping[str, Any] | None,
        since: datetime,
        written: WrittenFindings,
        now: datetime,
    ) -> str:
        scope = self._row("sync_run/scope", sync_name=run.sync_name)
        by_field = self._table("finding/by_field", sync_name=run.sync_name)
        quarantine = self._table("operation/quarantine_by_reason", sync_name=run.sync_name)
        coverage = (
            self._table("sync_run/coverage", krayin=scope["base_url"], account_id=scope["account_id"])
            if scope
            else pd.DataFrame()
        )
        return page(
            "report.html.j2",
            sync_name=run.sync_name,
            run=run,
            compared=compared,
            open_findings=int(by_field["findings"].sum()),
            repair_calls=int(by_field["repair_calls"].sum()),
            ended=self._rows("finding/ended", sync_name=run.sync_name, since=since),
            plots=[
                self._coverage_plot(run),
                _class_plot(by_field),
                _field_plot(by_field),
                self._calls_plot(scope, now),
                self._latency_plot(run, now),
                _quarantine_plot(quarantine),
            ],
            by_field=by_field.to_dict("records"),
            coverage=coverage.to_dict("records"),
            quarantine=quarantine.to_dict("records"),
            shown=written.first,
            total=written.total,
            class_in_words=class_in_words,
            sides=SIDES,
            hint=hint,
            made_at=now,
        )

    # --- plots --------------------------------------------------------------------------------

    def _coverage_plot(self, run: Run) -> Plot:
        history = self._table("sync_run/coverage_history", sync_name=run.sync_name, until=run.id)
        values = history["coverage"].astype(float)
        svg = None
        if not history.empty:
            lowest = float(values.min())
            # A sync that is all right shall not look like a mountain range.
            room = max(1 - lowest, 0.001) * 0.1
            svg = line_plot(
                "coverage",
                list(history["finished_at"]),
                {"coverage": list(values)},
                unit=share,
                limits=(max(0.0, lowest - 2 * room), 1.0),
            )
        return Plot(
            "coverage",
            "Coverage over time",
            "Contacts that are in Krayin as they should be, of those in scope, by full comparison",
            svg,
            "No full comparison has been finished yet.",
        )

    def _calls_plot(self, scope: Mapping[str, Any] | None, now: datetime) -> Plot:
        svg, caption = None, "Calls to Krayin in each hour of the last day, UTC"
        if scope is not None:
            hours = self._table("api_call/by_hour", target_id=scope["target_id"], until=now)
            budget = self._rows("rate_budget/use_of_run", krayin=scope["base_url"])
            allowed = sum(row["allowed_per_minute"] for row in budget) * MINUTES or None
            if hours["calls"].sum() > 0:
                svg = hours_plot("calls", hours, allowed)
                caption += f"; {allowed:,} an hour are allowed" if allowed else ""
        return Plot("calls", "Calls against the budget", caption, svg, "No call was made in the last day.")

    def _latency_plot(self, run: Run, now: datetime) -> Plot:
        days = self._table("sync_run/latency", sync_name=run.sync_name, until=now)
        svg = None
        if not days.empty:
            measured = days["p95_seconds"].astype(float)
            wide = days.assign(seconds=measured).pivot_table(index="day", columns="path", values="seconds")
            names = {"webhook": "from the webhook", "change": "from the change"}
            svg = line_plot(
                "latency",
                list(wide.index),
                {names[path]: list(wide[path]) for path in names if path in wide},
                unit=duration,
                **_axis_of_seconds(float(measured.min()), float(measured.max())),
            )
        return Plot(
            "latency",
            "Latency",
            "Time until Krayin had a contact's change: 95 of 100 were faster, by day",
            svg,
            "No change has been brought over in the last 30 days.",
        )

    # --- reading ------------------------------------------------------------------------------

    def _chunks(self, sync_name: str, since: datetime) -> Iterator[Sequence[Mapping[str, Any]]]:
        with self.connection.cursor("findings", row_factory=dict_row) as cursor:
            cursor.execute(statement("finding/samples"), {"sync_name": sync_name, "since": since})
            while rows := cursor.fetchmany(CHUNK):
                yield rows

    def _chatwoot_page(self, row: Mapping[str, Any]) -> str | None:
        if self.chatwoot_url is None or row["contact_id"] is None:
            return None
        return f"{self.chatwoot_url}/app/accounts/{row['account_id']}/contacts/{row['contact_id']}"

    def _rows(self, name: str, **parameters: Any) -> list[dict[str, Any]]:
        with self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement(name), parameters).fetchall()

    def _row(self, name: str, **parameters: Any) -> dict[str, Any] | None:
        rows = self._rows(name, **parameters)
        return rows[0] if rows else None

    def _table(self, name: str, **parameters: Any) -> pd.DataFrame:
        with self.connection.cursor() as cursor:
            rows = cursor.execute(statement(name), parameters).fetchall()
            assert cursor.description is not None
            return pd.DataFrame(rows, columns=[column.name for column in cursor.description], dtype=object)


def _axis_of_seconds(least: float, most: float) -> dict[str, Any]:
    """Return how an axis from seconds to hours is laid out: in even steps only while both ends are near."""
    if most < WIDE * max(least, LEAST_SECONDS):
        return {"limits": (0.0, max(most, LEAST_SECONDS) * 1.1)}
    low = max(step for step in STEPS if step <= max(least, STEPS[0]))
    high = min((step for step in STEPS if step >= most), default=STEPS[-1])
    return {"limits": (low, max(high, most)), "steps": [step for step in STEPS if low <= step <= high]}


def _class_plot(by_field: pd.DataFrame) -> Plot:
    counted = _summed(by_field, by_field["class"].map(class_in_words))
    return _bars(
        "classes", "Differences by class", "Differences there now", counted, "No difference is known."
    )


def _field_plot(by_field: pd.DataFrame) -> Plot:
    named = by_field[by_field["field"] != ""]
    counted = _summed(named, named["crm_kind"] + " " + named["field"])
    return _bars(
        "fields", "Differences by field", "Fields that differ now", counted, "No field is known to differ."
    )


def _quarantine_plot(quarantine: pd.DataFrame) -> Plot:
    counted = _summed(quarantine, quarantine["error_class"], "operations")
    return _bars(
        "quarantine",
        "Quarantine by reason",
        "What waits for a person",
        counted,
        "Nothing is quarantined.",
    )


def _summed(table: pd.DataFrame, labels: pd.Series[Any], column: str = "findings") -> pd.Series[int]:
    return table[column].astype(int).groupby(labels).sum().sort_values(ascending=False, kind="stable")


def _bars(name: str, title: str, caption: str, counted: pd.Series[int], empty: str) -> Plot:
    svg = None
    if not counted.empty:
        svg = bars_plot(name, [str(label) for label in counted.index], [int(value) for value in counted])
    return Plot(name, title, caption, svg, empty)
