"""What a run tells Airflow's metrics."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from reconciliation.airflow import sync_tasks
from reconciliation.store.run_rows import Run, RunKind, RunState

START = datetime(2026, 5, 5, tzinfo=UTC)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any, dict[str, str]]]:
    found: list[tuple[str, Any, dict[str, str]]] = []

    def keep(name: str, value: Any = 1, *, tags: dict[str, str]) -> None:
        found.append((name, value, tags))

    for kind in ("incr", "gauge", "timing"):
        monkeypatch.setattr(sync_tasks.Stats, kind, keep)
    return found


def run(summary: dict[str, Any], finished: datetime | None = None) -> Run:
    return Run(
        id=7, sync_name="acme", kind=RunKind.SCHEDULED, state=RunState.DONE, dry_run=False, started_at=START,
        finished_at=finished, message=None, summary=summary,
    )  # fmt: skip


def test_numbers_are_counted_by_sync_and_kind(sent: list[tuple[str, Any, dict[str, str]]]) -> None:
    sync_tasks.measure_run(
        run({"calls": 34, "writes": 30, "quarantined": 0, "waiting": 2}, START + timedelta(seconds=9))
    )
    told = {name: value for name, value, _ in sent}
    assert told == {
        "krayin_sync.runs": 1,
        "krayin_sync.calls": 34,
        "krayin_sync.writes": 30,
        "krayin_sync.waiting": 2,
        "krayin_sync.held": 0,
        "krayin_sync.run_duration": timedelta(seconds=9),
    }
    assert all(tags["sync"] == "acme" for _, _, tags in sent)
    assert {"sync": "acme", "kind": "scheduled", "dry_run": "false", "state": "done"} in [
        tags for _, _, tags in sent
    ]


def test_a_run_that_goes_on_has_no_duration(sent: list[tuple[str, Any, dict[str, str]]]) -> None:
    sync_tasks.measure_run(run({}))
    assert [name for name, _, _ in sent] == ["krayin_sync.runs", "krayin_sync.waiting", "krayin_sync.held"]
