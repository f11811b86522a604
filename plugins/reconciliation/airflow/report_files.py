"""Writes reports of comparisons to object storage, through Airflow's connections."""

from __future__ import annotations

import gzip
import io
import logging
import shutil
from typing import TYPE_CHECKING

from airflow.sdk import ObjectStoragePath

from reconciliation.admin.alerts import STORED
from reconciliation.errors import ReportNotWrittenError
from reconciliation.store import reports
from reconciliation.web.run_report import report_files

if TYPE_CHECKING:
    from collections.abc import Iterable

    import psycopg

    from reconciliation.settings.sync_settings import SyncSettings
    from reconciliation.store.reports import PackedFile

log = logging.getLogger(__name__)

# Where a folder is but the beginning of names; to make one would make its bucket.
_WITHOUT_FOLDERS = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "adl", "az"})


def write_reports(connection: psycopg.Connection, settings: SyncSettings) -> None:
    """Write the reports of a sync that its path lacks, the oldest first.

    With values they are made anew, as values are kept in no report here: the files say of when they are. All
    that a comparison found stands in them also later, for they hold what ended since it began.

    Raises:
        ReportNotWrittenError: one could not be written; it and those after it are still to be.
    """
    wanted = settings.reconcile.report
    if wanted.path is None:
        return
    waiting = [row["run_id"] for row in reports.due(connection, settings.name, STORED)]
    for number, run_id in enumerate(waiting):
        files: Iterable[PackedFile] = (
            report_files(connection, run_id, chatwoot_url=settings.chatwoot.url, values=True)[0]
            if wanted.with_customer_values
            else reports.all_of(connection, run_id)
        )
        try:
            folder = ObjectStoragePath(wanted.path) / f"sync={settings.name}" / f"run={run_id}"
            if folder.protocol not in _WITHOUT_FOLDERS:
                folder.mkdir(parents=True, exist_ok=True)
            for file in files:
                place = folder / file.name
                with gzip.open(io.BytesIO(file.content)) as packed, place.open("wb") as written:  # type: ignore[no-untyped-call]
                    shutil.copyfileobj(packed, written)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise ReportNotWrittenError(waiting[number:], wanted.path, reason) from error
        reports.gone(connection, run_id, STORED)
        log.info("Report of run %d written to %s", run_id, folder)
