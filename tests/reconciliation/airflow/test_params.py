"""What a DAG run asks for, from its type, its days and its form."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from reconciliation.airflow.params import backfill_request, run_request
from reconciliation.airflow.sync_tasks import backfill
from reconciliation.store.run_rows import RunKind

DAY = datetime(2026, 3, 4, tzinfo=UTC), datetime(2026, 3, 5, tzinfo=UTC)


def context(run_type: str, **params: Any) -> dict[str, Any]:
    dag_run = SimpleNamespace(
        run_type=run_type, run_id=f"{run_type}__1", data_interval_start=DAY[0], data_interval_end=DAY[1]
    )
    return {"dag_run": dag_run, "params": params}


def test_a_backfill_looks_at_its_day_and_carries_it_out() -> None:
    request = backfill_request(context("backfill", carry_out=False))
    assert request is not None
    assert request.kind is RunKind.BACKFILL
    assert request.window == DAY
    assert not request.dry_run


def test_a_backfill_by_hand_forecasts_its_window_unless_told_to_carry_it_out() -> None:
    forecast = backfill_request(context("manual", window_start="2026-01-01T00:00:00+02:00", window_end=None))
    assert forecast is not None
    assert forecast.dry_run
    assert forecast.window is not None
    assert forecast.window[0] == datetime(2025, 12, 31, 22, tzinfo=UTC)
    assert datetime.now(UTC) - forecast.window[1] < timedelta(minutes=5)
    carried_out = backfill_request(context("manual", carry_out=True, window_end="2026-02-01T00:00:00"))
    assert carried_out is not None
    assert not carried_out.dry_run
    assert carried_out.window == (datetime(1970, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))


def test_the_schedule_that_lends_its_days_does_nothing() -> None:
    assert backfill_request(context("scheduled")) is None
    with pytest.raises(AirflowSkipException, match="start an Airflow backfill"):
        backfill("any", context("scheduled"))


def test_a_sync_by_hand_goes_on_from_the_watermark_or_does_what_its_form_asks() -> None:
    assert run_request(context("manual")).window is None
    assert run_request(context("scheduled")).kind is RunKind.SCHEDULED
    asked = run_request(context("manual", contact_ids="17, 42", full=True, dry_run=True))
    assert asked.contact_ids == {17, 42}
    assert asked.full
    assert asked.dry_run
