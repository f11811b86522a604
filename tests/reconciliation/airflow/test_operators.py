from __future__ import annotations

from typing import Any

import pytest
from reconciliation.airflow import sync_tasks
from reconciliation.airflow.operators import ReportOperator
from reconciliation.airflow.web import report_address


@pytest.fixture
def base_url(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com/prefix/")
    return "https://airflow.example.com/prefix"


def test_the_address_lies_below_airflows_own(base_url: str) -> None:
    assert report_address(42) == f"{base_url}/krayin-sync/reports/42/report.html"
    assert report_address(42, "findings.csv") == f"{base_url}/krayin-sync/reports/42/findings.csv"


def test_the_task_makes_the_report_of_its_run_and_its_button_leads_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Any] = []
    made = {"run": 42, "report": "https://airflow.example.com/report"}
    monkeypatch.setattr(sync_tasks, "report", lambda *given: asked.append(given) or made)
    task = ReportOperator(task_id="report", sync_name="test", run=42)
    (link,) = task.operator_extra_links
    assert link.name == "Report"
    assert link.get_link(task, ti_key=object()) == ""
    assert task.execute({}) == made
    assert asked == [("test", 42)]
    assert link.get_link(task, ti_key=object()) == made["report"]
