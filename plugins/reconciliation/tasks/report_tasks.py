"""What the task that makes a run's report does."""

from __future__ import annotations

import logging
from typing import Any

from reconciliation.report.address import report_address
from reconciliation.settings.airflow_connections import sync_dsn
from reconciliation.settings.sync_files import sync_named
from reconciliation.sync_database.connection import working
from reconciliation.tasks.telling import telling

log = logging.getLogger(__name__)


def report(name: str, run_id: int) -> dict[str, Any]:
    """Make the report of a sync's run, say where it is, and return its address and numbers."""
    return telling(lambda: _report(name, run_id))


def _report(name: str, run_id: int) -> dict[str, Any]:
    from reconciliation.report.run_report import make_report  # noqa: PLC0415 - pandas and plots take seconds

    settings = sync_named(name)
    with working(sync_dsn()) as connection:
        made = make_report(connection, run_id, chatwoot_url=settings.chatwoot.url)
    address = report_address(run_id)
    log.info("Report with %d findings, %d kB kept: %s", made.findings, made.kept_bytes // 1024, address)
    return {"report": address, "run": run_id, "findings": made.findings, "files": list(made.files)}
