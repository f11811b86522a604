"""Where the report of a run is found in Airflow."""

from __future__ import annotations

from airflow.configuration import conf

from reconciliation.report.store import PAGE

URL_PREFIX = "/krayin-sync"


def report_address(run_id: int, name: str = PAGE) -> str:
    """Return the address of a file of a run's report, a path alone while `[api] base_url` is not set."""
    base = str(conf.get("api", "base_url", fallback="") or "").rstrip("/")
    return f"{base}{URL_PREFIX}/reports/{run_id}/{name}"
