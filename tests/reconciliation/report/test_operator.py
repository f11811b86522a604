from __future__ import annotations

from typing import Any

import pytest
from reconciliation import report_tasks
from reconciliation.report.address import report_address
from reconciliation.report.operator import ReportLink, ReportOperator


@pytest.fixture
def base_url(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com/prefix/")
    return "https://airflow.example.com/prefix"


def test_the_address_lies_below_airflows_own(base_url: str) -> None:
    assert report_address(42) == f"{base_url}/krayin-sync/reports/42/report.html"
    assert report_address(42, "findings.csv") == f"{base_url}/krayin-sync/reports/42/findings.csv"


def test_the_task_makes_the_report_of_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(report_tasks, "report", lambda *given: asked.append(given) or {"run": 42})
    task = ReportOperator(task_id="report", sync_name="test", run=42)
    assert task.execute({}) == {"run": 42}
    assert asked == [("test", 42)]


def test_the_button_leads_to_the_report_or_nowhere(base_url: str) -> None:
    link, key = ReportLink(), object()
    made = ReportOperator(task_id="report", sync_name="test", run=42)
    unmade = ReportOperator(task_id="unmade", sync_name="test", run="{{ not rendered }}")
    assert link.get_link(made, ti_key=key) == f"{base_url}/krayin-sync/reports/42/report.html"
    assert link.get_link(unmade, ti_key=key) == ""
    assert [one.name for one in made.operator_extra_links] == ["Report"]
