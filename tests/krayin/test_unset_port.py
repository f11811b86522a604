from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"

LOOK = """
import airflow.api_fastapi.app
from airflow.api_fastapi.core_api.routes.public import connections
from krayin.unset_port import accept_unset_port
print("RESULT", accept_unset_port(), connections._same_endpoint(0, None), connections._same_endpoint("", None),
      connections._same_endpoint(5432, 5432), connections._same_endpoint("a", "b"), connections._same_endpoint(1, None),
      accept_unset_port())
"""


def test_an_unset_port_equals_the_nought_that_the_list_of_connections_sends(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOOK],
        env={**os.environ, "PYTHONPATH": str(PLUGINS), "AIRFLOW_HOME": str(tmp_path)},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert "RESULT True True True True False False False" in done.stdout, done.stderr[-2000:]


def test_other_components_are_left_alone() -> None:
    code = "from krayin.unset_port import accept_unset_port as a; import sys; print(a(), 'airflow' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(PLUGINS)}, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.split() == ["False", "False"]
