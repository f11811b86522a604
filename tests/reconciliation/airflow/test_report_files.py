"""Reports written to where the sync file wants them, through Airflow's object storage."""

from __future__ import annotations

import csv
import gzip
from typing import TYPE_CHECKING, Any

import psycopg
import pyarrow.parquet as pq
import pytest
from reconciliation.admin.alerts import watch
from reconciliation.airflow import sync_tasks
from reconciliation.errors import ReportNotWrittenError
from reconciliation.settings.sync_settings import SyncSettings

from tests.reconciliation.ledger_rows import Ledger

if TYPE_CHECKING:
    from pathlib import Path

VALUES = ("plum-secret-name", "secret@example.com")
FILES = {"report.html", "findings.csv", "findings.parquet", "findings.xlsx"}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sync_db_url: str) -> Path:
    """Where reports are to go; `settings` writes the sync file."""
    monkeypatch.setenv("AIRFLOW_CONN_SYNC_DB", sync_db_url)
    monkeypatch.setenv("KRAYIN_SYNC_SYNCS", str(tmp_path / "syncs"))
    (tmp_path / "syncs").mkdir()
    return tmp_path / "reports"


def settings(place: Path, **report: Any) -> SyncSettings:
    keys = {"path": f"file://{place}", **report}
    text = "\n".join(
        f"    {key}: {str(value).lower() if value is True else value}" for key, value in keys.items()
    )
    file = place.parent / "syncs" / "test.yaml"
    file.write_text(f"name: test\nchatwoot: {{account_id: 1}}\nreconcile:\n  report:\n{text}\n")
    return SyncSettings.model_validate(
        {"name": "test", "chatwoot": {"account_id": 1}, "reconcile": {"report": keys}}
    )


def comparison(url: str, contact: int) -> int:
    ledger = Ledger(url)
    run = ledger.run(kind="reconcile")
    ours = ledger.reconciliation(run, {"in_scope": 9, "in_sync": 8, "changed": 1})
    detail = {"chatwoot": VALUES[0], "krayin": VALUES[1]}
    ledger.finding(ours, "changed", contact_id=contact, crm_kind="person", crm_id=70, field="name", side="ours",
                   detail=detail, repair=f"write {VALUES[0]}")  # fmt: skip
    return run


def written(place: Path) -> set[str]:
    return {str(file.relative_to(place)) for file in place.rglob("*") if file.is_file()}


def test_a_report_is_written_without_values(place: Path, sync_db_url: str) -> None:
    settings(place)
    run = comparison(sync_db_url, 7)
    sync_tasks.report("test", run)
    folder = place / "sync=test" / f"run={run}"
    assert written(place) == {f"sync=test/run={run}/{name}" for name in FILES}
    for name in FILES - {"findings.xlsx"}:
        for value in VALUES:
            assert value.encode() not in (folder / name).read_bytes()
    assert pq.read_table(folder / "findings.parquet")["contact_id"].to_pylist() == [7]


def test_values_stand_in_it_where_they_are_asked_for(place: Path, sync_db_url: str) -> None:
    settings(place, with_customer_values=True)
    run = comparison(sync_db_url, 7)
    sync_tasks.report("test", run)
    folder = place / "sync=test" / f"run={run}"
    (row,) = csv.DictReader((folder / "findings.csv").open())
    assert row["difference"] == "The name changed in Chatwoot; the person in Krayin has another"
    assert (row["chatwoot"], row["krayin"]) == VALUES
    html = (folder / "report.html").read_text()
    assert VALUES[0] in html
    assert VALUES[1] in html
    assert "It holds data of customers" in html
    with psycopg.connect(sync_db_url) as connection:
        kept = connection.execute(
            "SELECT content FROM krayin_sync.report_file WHERE name = 'findings.csv'"
        ).fetchone()
    assert kept
    assert VALUES[0].encode() not in gzip.decompress(kept[0])


@pytest.mark.parametrize("values", [False, True])
def test_what_could_not_be_written_is_told_and_made_up_for(
    place: Path, sync_db_url: str, values: Any
) -> None:
    sync = settings(place, **({"with_customer_values": True} if values else {}))
    place.write_text("a file, where a folder is to be")
    first, second = comparison(sync_db_url, 7), comparison(sync_db_url, 8)
    with pytest.raises(
        ReportNotWrittenError, match=rf"run {first} was not written to file://.*It is on the pages"
    ):
        sync_tasks.report("test", first)
    with pytest.raises(ReportNotWrittenError, match=f"run {first}, {second} was"):
        sync_tasks.report("test", second)
    assert late(sync, sync_db_url) == (False, "every report is where it is to go")
    Ledger(sync_db_url).insert_raw("UPDATE report_file SET created_at = created_at - interval '1 hour'")
    raised, message = late(sync, sync_db_url)
    assert raised
    assert message.startswith("2 reports could not be written to file://")
    # Its difference is over meanwhile: it was there when that comparison saw it.
    Ledger(sync_db_url).insert_raw(
        "UPDATE finding SET state = 'repaired', ended_at = clock_timestamp() WHERE contact_id = 7"
    )
    place.unlink()
    third = comparison(sync_db_url, 9)
    sync_tasks.report("test", third)
    assert written(place) == {
        f"sync=test/run={run}/{name}" for run in (first, second, third) for name in FILES
    }
    rows = list(csv.DictReader((place / "sync=test" / f"run={first}" / "findings.csv").open()))
    assert "7" in {row["contact_id"] for row in rows}
    assert late(sync, sync_db_url) == (False, "every report is where it is to go")


def late(sync: SyncSettings, url: str) -> tuple[bool, str]:
    with psycopg.connect(url, autocommit=True) as connection:
        (one,) = [one for one in watch(connection, sync) if one.name == "report_not_written"]
    return one.raised, one.message


def test_a_try_again_neither_writes_nor_tells_twice(place: Path, sync_db_url: str) -> None:
    settings(place)
    run = comparison(sync_db_url, 7)
    sync_tasks.report("test", run)
    (place / "sync=test" / f"run={run}" / "report.html").unlink()
    sync_tasks.report("test", run)
    assert f"sync=test/run={run}/report.html" not in written(place)


def test_a_storage_that_is_not_there_is_named(place: Path, sync_db_url: str) -> None:
    settings(place, path="nosuch://reports@bucket/krayin")
    run = comparison(sync_db_url, 7)
    with pytest.raises(ReportNotWrittenError, match="nosuch"):
        sync_tasks.report("test", run)
