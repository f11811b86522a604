from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[3] / "plugins"
SAY = """
import sys
from reconciliation.airflow.preload import preload
print(preload(sys.argv), "reconciliation.airflow.sync_tasks" in sys.modules, "pandas" in sys.modules, "alembic" in sys.modules)
"""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["scheduler", "--skip-serve-logs"], "True True False False"),
        (["api-server"], "False False False False"),
        ([], "False False False False"),
    ],
)
def test_only_the_process_that_forks_tasks_imports_for_them_and_only_what_they_need(
    arguments: list[str], said: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SAY, *arguments],
        env={"PYTHONPATH": str(PLUGINS), "AIRFLOW_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1:] == [said], done.stderr[-2000:]
