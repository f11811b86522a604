from __future__ import annotations

from typing import TYPE_CHECKING

from tests.dags.test_dags import read_dags

if TYPE_CHECKING:
    from pathlib import Path


def test_each_good_sync_has_a_dag_of_one_task_for_its_webhooks(tmp_path: Path) -> None:
    syncs = tmp_path / "syncs"
    syncs.mkdir()
    (syncs / "good.yaml").write_text("name: good\nchatwoot: {account_id: 1}\n")
    (syncs / "hand.yaml").write_text("name: hand\nschedule: null\nchatwoot: {account_id: 2}\n")
    (syncs / "bad.yaml").write_text("name: bad\n")
    read = read_dags(syncs, tmp_path)
    assert read["errors"] == {}
    found = {dag_id for dag_id in read["dags"] if dag_id.endswith("__events")}
    assert found == {"good__events", "hand__events"}
    for dag_id in found:
        # Each further task would cost half a second between a webhook and Krayin.
        assert read["dags"][dag_id]["tasks"] == ["act_on_events"]
        assert read["dags"][dag_id]["max_active_runs"] == 4
