"""The DAG folder as Airflow sees it: nothing broken, house rules kept, one bad sync file stops only itself."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Airflow wants its settings before its first import, so the folder is read by a process of its own.
READ = """
import json, socket, sys
connected = []
socket.socket.connect = lambda self, address: connected.append(str(address))
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(dag_folder=sys.argv[1], collect_dags=True)
shown = {
    dag_id: {
        "tags": sorted(dag.tags), "owner": dag.owner, "doc": dag.doc_md or "", "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs, "tasks": [task.task_id for task in dag.tasks],
        "params": sorted(dag.params),
    }
    for dag_id, dag in bag.dags.items()
}
print("SHOWN" + json.dumps({"dags": shown, "errors": bag.import_errors, "connected": connected,
      "heavy": sorted({"pandas", "phonenumbers", "psycopg"} & set(sys.modules))}))
"""


@pytest.fixture
def syncs(tmp_path: Path) -> Path:
    folder = tmp_path / "syncs"
    folder.mkdir()
    (folder / "good.yaml").write_text("name: good\nchatwoot: {account_id: 1}\n")
    return folder


def read_dags(syncs: Path, home: Path) -> dict[str, Any]:
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}",
        "KRAYIN_SYNC_SYNCS": str(syncs),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
    }
    done = subprocess.run(
        [sys.executable, "-c", READ, str(ROOT / "dags")],
        env=environment, capture_output=True, text=True, timeout=240, check=False, cwd=home,
    )  # fmt: skip
    assert "SHOWN" in done.stdout, done.stderr[-3000:]
    shown: dict[str, Any] = json.loads(done.stdout.split("SHOWN", 1)[1])
    return shown


def test_a_broken_sync_file_stops_only_its_own_dag(syncs: Path, tmp_path: Path) -> None:
    (syncs / "bad one.yaml").write_text("name: bad\nchatwoot: {account_id: one}\nlead_stage: 3\n")
    (syncs / "other.yml").write_text("name: other\nschedule: null\nchatwoot: {account_id: 2}\n")
    read = read_dags(syncs, tmp_path)
    assert read["errors"] == {}
    assert {"good__sync", "other__sync", "bad_one__sync", "krayin_setup"} <= read["dags"].keys()
    broken = read["dags"]["bad_one__sync"]
    assert "broken" in broken["tags"]
    assert "chatwoot.account_id" in broken["doc"]
    assert "lead_stage: unknown key" in broken["doc"]
    assert set(read["dags"]["krayin_setup"]["tasks"]) >= {
        "migrate",
        "check_good",
        "check_other",
        "check_bad_one",
    }


def test_dags_keep_the_house_rules(syncs: Path, tmp_path: Path) -> None:
    read = read_dags(syncs, tmp_path)
    assert read["errors"] == {}
    assert read["connected"] == [], "reading the DAGs must not use the network"
    assert read["heavy"] == [], "reading the DAGs must not import what only tasks need"
    for dag_id, dag in read["dags"].items():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", dag_id), dag_id
        assert "krayin" in dag["tags"], dag_id
        assert dag["owner"] == "krayin-sync", dag_id
        assert dag["doc"].strip(), dag_id
        assert not dag["catchup"], dag_id
        # The next run for webhooks stands ready while one works; its task takes turns.
        assert dag["max_active_runs"] == (4 if dag_id.endswith("__events") else 1), dag_id
    assert read["dags"]["good__sync"]["tasks"] == ["plan", "load"]
    assert read["dags"]["good__reconcile"]["tasks"] == ["compare", "repair", "report", "ended"]
    assert read["dags"]["good__reconcile"]["params"] == ["accept", "contact_ids", "depth", "repair"]
    assert read["dags"]["good__approval"]["tasks"] == ["question", "answer", "carry_out", "load", "keep_held"]
    assert read["dags"]["krayin_erasure"]["params"] == ["also_adopted", "contact_id", "lift", "sync"]
    assert read["dags"]["krayin_recover"]["tasks"] == ["look", "answer", "carry_out"]
    assert {"retain", "check_leases_left", "check_good_is_read"} <= set(
        read["dags"]["krayin_maintenance"]["tasks"]
    )
    assert {"contact_ids", "dry_run", "full", "window_start", "window_end"} <= set(
        read["dags"]["good__sync"]["params"]
    )


@pytest.mark.parametrize("file", sorted(ROOT.glob("dags/*.py")), ids=lambda file: file.name)
def test_dag_files_are_thin(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 80
