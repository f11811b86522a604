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

from reconciliation.drift.finding import LABELS
from reconciliation.model.templates import page
from reconciliation.store import reports
from reconciliation.store.run_rows import Run, read_run
from reconciliation.web.findings import CHUNK, SCHEMA, WITH_VALUES, WrittenFindings, write_findings
from reconciliation.web.labels import field_name, hint
from reconciliation.web.plots import coverage_plot, seconds_plot, summed_bars, time_bars
from reconciliation.web.records import described

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import psycopg
    from markupsafe import Markup

log = logging.getLogger(__name__)

SHOWN = 100
MINUTES = 60


@dataclass(frozen=True, slots=True)
class Report:
    """What was made: the run, the names of its files, how many findings stand in them, bytes kept."""

    run_id: int
    files: tuple[str, ...]
    findings: int
    kept_bytes: int


def make_report(
    connection: psycopg.Connection, run_id: int, *, chatwoot_url: str | None = None, due: Sequence[str] = ()
) -> Report:
    """Make the report of a run and keep it in the sync database, in place of an earlier one of the run.

    It says how things stand now, as one moment shows them, and which comparison that rests on: the
    run's own or, for any other run, the last one before it. Memory does not grow with the number of
    findings but for their packed files.

    Args:
        connection: to the sync database, in autocommit mode, no transaction under way.
        run_id: the run, usually one that has ended.
        chatwoot_url: the address agents open, for links to contacts.
        due: the ways it is still to go, unless it was made before.

    Raises:
        LookupError: there is no such run.
    """
    files, findings = report_files(connection, run_id, chatwoot_url=chatwoot_url)
    with connection.transaction():
        for file in files:
            reports.keep(connection, run_id, file, due=due if file.name == reports.PAGE else ())
    return Report(
        run_id,
        tuple(file.name for file in files),
        findings,
        sum(len(file.content) for file in files),
    )


def report_files(
    connection: psycopg.Connection, run_id: int, *, chatwoot_url: str | None = None, values: bool = False
) -> tuple[list[reports.PackedFile], int]:
    """Return the files of a run's report, and how many findings stand in them; nothing is kept.

    As `make_report`, and with both sides' values where `values` says so: customers' data.
    """
    facts = _Facts(connection, run_id, chatwoot_url, values=values)
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    try:
        with connection.transaction():
            return facts.files(datetime.now(UTC))
    finally:
        connection.isolation_level = None


class _Facts:
    """Reads what a report shows, from the views, in the transaction under way."""

    def __init__(
        self, connection: psycopg.Connection, run_id: int, chatwoot_url: str | None, *, values: bool
    ) -> None:
        self.connection = connection
        self.run_id = run_id
        self.chatwoot_url = chatwoot_url
        self.values = values

    def files(self, now: datetime) -> tuple[list[reports.PackedFile], int]:
        run = read_run(self.connection, self.run_id)
        compared = next(iter(self._rows("sync_run/comparison", run_id=run.id)), None)
        since = compared["started_at"] if compared else run.started_at
        schema = WITH_VALUES if self.values else SCHEMA
        written = write_findings(self._chunks(run.sync_name, since), schema, show=SHOWN)
        html = self._page(run, compared, since, written, now).encode()
        kept = reports.PackedFile(
            reports.PAGE, "text/html; charset=utf-8", len(html), gzip.compress(html, mtime=0)
        )
        return [*written.files, kept], written.total

    def _page(
        self,
        run: Run,
        compared: Mapping[str, Any] | None,
        since: datetime,
        written: WrittenFindings,
        now: datetime,
    ) -> str:
        scope = next(iter(self._rows("sync_run/scope", sync_name=run.sync_name)), None)
        by_field = self._rows("finding/by_field", sync_name=run.sync_name)
        quarantine = self._rows("operation/quarantine_by_reason", sync_name=run.sync_name)
        fields = ((f"{row['crm_kind']} {row['field']}", row["findings"]) for row in by_field if row["field"])
        budget = self._rows("rate_budget/use_of_run", krayin=scope["base_url"]) if scope else []
        allowed = sum(row["allowed_per_minute"] for row in budget) * MINUTES or None
        account = {"krayin": scope["base_url"], "account_id": scope["account_id"]} if scope else None
        return page(
            "report.html.j2",
            sync_name=run.sync_name,
            run=run,
            compared=compared,
            open_findings=sum(row["findings"] for row in by_field),
            need_somebody=sum(row["need_somebody"] for row in by_field),
            repair_calls=sum(row["repair_calls"] for row in by_field),
            ended=self._rows("finding/ended", sync_name=run.sync_name, since=since),
            plots={
                "coverage": coverage_plot(
                    "coverage", self._rows("sync_run/coverage_history", sync_name=run.sync_name, until=run.id)
                ),
                "classes": summed_bars(
                    "classes", ((LABELS[row["class"]], row["findings"]) for row in by_field)
                ),
                "fields": summed_bars("fields", fields),
                "calls": self._calls_plot(scope, allowed, now),
                "latency": self._latency_plot(run, now),
                "quarantine": summed_bars(
                    "quarantine", ((row["error_class"], row["operations"]) for row in quarantine)
                ),
            },
            allowed_per_hour=allowed,
            by_field=by_field,
            coverage=self._rows("sync_run/coverage", **account) if account else [],
            quarantine=quarantine,
            shown=written.first,
            total=written.total,
            values=self.values,
            labels=LABELS,
            field_name=field_name,
            hint=hint,
            made_at=now,
        )

    # --- plots --------------------------------------------------------------------------------

    def _calls_plot(
        self, scope: Mapping[str, Any] | None, allowed: int | None, now: datetime
    ) -> Markup | None:
        hours = self._rows("api_call/by_hour", target_id=scope["target_id"], until=now) if scope else []
        if not any(row["calls"] for row in hours):
            return None
        parts = {
            "calls": [row["calls"] - row["refused"] for row in hours],
            "refused by Krayin": [row["refused"] for row in hours],
        }
        return time_bars("calls", [row["hour"] for row in hours], parts, allowed)

    def _latency_plot(self, run: Run, now: datetime) -> Markup | None:
        rows = self._rows("sync_run/latency", sync_name=run.sync_name, until=now)
        if not rows:
            return None
        measured = pd.DataFrame(rows).astype({"p95_seconds": float})
        days = measured.pivot_table(index="day", columns="path", values="p95_seconds")
        names = {"webhook": "from the webhook", "change": "from the change"}
        lines = {names[path]: list(days[path]) for path in names if path in days}
        return seconds_plot("latency", list(days.index), lines)

    # --- reading ------------------------------------------------------------------------------

    def _chunks(self, sync_name: str, since: datetime) -> Iterator[Sequence[Mapping[str, Any]]]:
        with self.connection.cursor("findings", row_factory=dict_row) as cursor:
            wanted = {"sync_name": sync_name, "since": since, "values": self.values}
            cursor.execute(statement("finding/samples"), wanted)
            while rows := cursor.fetchmany(CHUNK):
                yield [described(row, self.chatwoot_url) for row in rows]

    def _rows(self, name: str, **parameters: Any) -> list[dict[str, Any]]:
        with self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement(name), parameters).fetchall()
