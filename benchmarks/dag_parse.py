"""How long each DAG file takes to parse, and what it imports and connects to meanwhile.

python benchmarks/dag_parse.py [--repeat 5]

Each parse is a process of its own in which Airflow is imported already, as in Airflow's DAG processor;
"cold" is the first of them, before Python's compiled files and the file cache are warm.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.common.results import keep, show

ROOT = Path(__file__).resolve().parents[1]
PARSE = """
import json, runpy, sys, time
from airflow.dag_processing.dagbag import DagBag
from airflow.dag_processing.processor import DagFileParseRequest
from airflow.sdk import DAG, Asset, Param, dag, task
connected = []
sys.addaudithook(lambda event, args: connected.append(event) if event == "socket.connect" else None)
before = set(sys.modules)
started = time.perf_counter()
runpy.run_path(sys.argv[1])
seconds = time.perf_counter() - started
modules = sorted(set(sys.modules) - before)
print(json.dumps({"seconds": seconds, "connections": len(connected), "modules": modules}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    rows = []
    for file in sorted((ROOT / "dags").glob("*.py")):
        parses = [parse(file) for _ in range(options.repeat)]
        warm = sorted(one["seconds"] for one in parses[1:]) or [parses[0]["seconds"]]
        rows.append(
            {
                "file": file.name,
                "cold s": round(parses[0]["seconds"], 3),
                "median s": round(warm[len(warm) // 2], 3),
                "slowest s": round(warm[-1], 3),
                "modules": len(parses[0]["modules"]),
                "connections": max(one["connections"] for one in parses),
            }
        )
    show(rows, "Parsing the DAG files")
    keep("dag_parse", rows)


def parse(file: Path) -> dict[str, Any]:
    """Parse one file in a fresh process; return the seconds, connections and modules it needed."""
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", PARSE, str(file)],
            check=True,
            stdout=subprocess.PIPE,
            env={
                **os.environ,
                "PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}",
                "AIRFLOW_HOME": home,
                "KRAYIN_SYNC_SYNCS": str(ROOT / "sandbox" / "syncs"),
            },
        )
    answer: dict[str, Any] = json.loads(done.stdout.decode().splitlines()[-1])
    return answer


if __name__ == "__main__":
    main()
