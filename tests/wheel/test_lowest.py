"""The oldest versions that pyproject.toml allows: what the DAGs and their tasks do works with them."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from stack.settings import ROOT
from tests.soak import SOAK
from tests.wheel.build import UV, environment

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not SOAK, reason="installs another Airflow: make test-wheel"),
]
FOLDERS = (
    "tests/dags",
    "tests/reconciliation/airflow",
    "tests/reconciliation/web",
    "tests/krayin/test_client.py",
)


def test_the_dags_and_their_tasks_work_with_the_oldest_packages(tmp_path: Path) -> None:
    lowest = tmp_path / "lowest.txt"
    resolve = ["pip", "compile", "--quiet", "--resolution", "lowest-direct", ROOT / "pyproject.toml"]
    subprocess.run([UV, *resolve, "--output-file", lowest], check=True)
    # The tools of the tests are not what is tested: in any version.
    tools = subprocess.run(
        [UV, "pip", "compile", "--quiet", "--group", f"{ROOT}/pyproject.toml:sandbox",
         "--group", f"{ROOT}/pyproject.toml:dev", "--constraint", lowest, "--output-file", tmp_path / "tools.txt"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert tools.returncode == 0, tools.stderr
    python = environment(tmp_path / "venv", "--requirement", lowest, "--requirement", tmp_path / "tools.txt")
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *FOLDERS],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
