"""The page of one sync: its runs, what waits, plots and settings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.types.json import Jsonb
from reconciliation.settings.sync_settings import SyncSettings
from reconciliation.web.sync_page import plots_of, settings_of
from statements import statement

from tests.reconciliation.ledger_rows import Ledger
from tests.reconciliation.web.test_plots import shapes, words

if TYPE_CHECKING:
    from markupsafe import Markup

NOON = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
NAMES = {"calls", "answers", "changes", "latency", "coverage", "quarantine"}


def settings(**values: object) -> dict[str, tuple[str, bool]]:
    sync = SyncSettings.model_validate({"name": "s", "chatwoot": {"account_id": 1}, **values})
    return {one.name: (one.value, one.is_default) for one in settings_of(sync)}


def test_settings_are_shown_as_they_apply_those_of_the_file_first() -> None:
    shown = settings(schedule="*/5 * * * *", owner={"round_robin": [7, 8]})
    assert list(shown)[:4] == ["name", "schedule", "chatwoot.account_id", "owner.round_robin"]
    assert shown["owner.round_robin"] == ("7, 8", False)
    assert shown["on_crm_edit"] == ("keep", True)
    assert shown["chatwoot.inboxes"] == ("", True)
    assert settings(on_crm_edit="keep")["on_crm_edit"] == ("keep", False), "said, though it is the default"


@pytest.fixture
def ledger(sync_db_url: str) -> Ledger:
    return Ledger(sync_db_url, "s")


def drawn(ledger: Ledger) -> dict[str, Markup | None]:
    with psycopg.connect(ledger.url) as connection:
        return plots_of(connection, "s", ledger.target, 60, NOON)


def test_a_sync_without_anything_yet_has_no_plots(ledger: Ledger) -> None:
    assert drawn(ledger) == dict.fromkeys(NAMES)


def test_every_plot_shows_the_numbers_of_the_ledger(ledger: Ledger) -> None:
    before = ledger.run(started_at=NOON - timedelta(hours=3), finished_at=NOON - timedelta(hours=3))
    done = {"created": {"person": 30, "lead": 20}, "deleted": {"activity": 7}}
    at = {"started_at": NOON - timedelta(hours=30), "finished_at": NOON - timedelta(hours=2)}
    run = ledger.run(summary=Jsonb(done), **at)
    ledger.run(summary=Jsonb({"created": {"person": 99}}), dry_run=True, **at)
    for number in range(4):
        ledger.call(run, str(NOON - timedelta(minutes=5)), milliseconds=100 * number, outcome="answered")
    ledger.call(run, str(NOON - timedelta(minutes=61)))
    for seconds in (10, 20, 30):
        ended = NOON - timedelta(hours=2)
        ledger.operation(run, f"{seconds}", state="done", finished_at=ended,
                         source_changed_at=ended - timedelta(seconds=seconds))  # fmt: skip
    ledger.operation(run, "7", state="quarantined", error_class="ambiguous_person", finished_at=NOON)
    ledger.reconciliation(before, {"in_scope": 5, "in_sync": 4}, finished_at=NOON)
    plots = drawn(ledger)
    assert [name for name in NAMES if plots[name] is None] == []
    said = {name: words(plots[name] or "") for name in NAMES}
    assert {"calls", "4"} <= set(said["calls"])
    assert {"half were faster", "95 of 100 were faster", "200 ms"} <= set(said["answers"])
    assert {"person", "lead", "activity", "40"} <= set(said["changes"])
    assert len(shapes(plots["changes"] or "", "rect")) == 3 + 3, "each kind and its legend"
    assert "20 s" in said["latency"]
    assert "80 %" in said["coverage"]
    assert said["quarantine"] == ["ambiguous person", "1"]


def test_latency_is_that_of_the_view(ledger: Ledger) -> None:
    """The page reads less than the view, and must not say something else."""
    start = NOON.replace(minute=0)
    runs = [
        ledger.run(kind=kind, started_at=start, finished_at=start, summary=Jsonb({"first_load": first}))
        for kind, first in [("scheduled", True), ("events", False), ("scheduled", False), ("manual", False)]
    ]
    for number in range(40):
        ended = start + timedelta(minutes=number / 2)
        ledger.operation(runs[number % 4], str(number), finished_at=ended,
                         source_changed_at=ended - timedelta(seconds=30 * number),
                         state="done" if number % 5 else "rejected")  # fmt: skip
    with psycopg.connect(ledger.url) as connection:
        connection.execute("SET search_path = krayin_sync")
        seen = connection.execute(
            "SELECT count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY acked_seconds) FROM change_latency"
        ).fetchone()
        asked = {"sync_name": "s", "until": NOON}
        rows = connection.execute(statement("operation/latency_by_hour"), asked).fetchall()
    assert seen is not None
    assert seen[0] > 0
    assert [round(row[1], 3) for row in rows] == [round(float(seen[1]), 3)]
