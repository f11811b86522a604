"""What is in the wheel, and that it works from there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from stack.settings import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow
LOOK = """
import json, reconciliation, statements
from reconciliation.airflow.dag_bundle import InstalledDags
from reconciliation.admin import retention
from reconciliation.model.templates import page
from reconciliation.settings import sync_files
print(json.dumps({
    "from": reconciliation.__file__,
    "statement": statements.statement("sync_run/expire"),
    "refused": page("refused.html.j2", status=404, said="", home=""),
    "dags": str(InstalledDags(name="krayin-sync").path),
    "syncs": str(sync_files.folder()),
    "retention": str(retention.FILE),
}))
"""


def test_it_holds_all_that_the_project_ships(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder, inside in (
        ("plugins", ""), ("dags", "reconciliation/dags/"),
        ("include/sql", "statements/include/sql/"), ("include/templates", "statements/include/templates/"),
    ):  # fmt: skip
        for file in (ROOT / folder).rglob("*"):
            path = file.relative_to(ROOT / folder).as_posix()
            if file.is_file() and not re.search(r"__pycache__|\.dist-info|^\.", path):
                assert inside + path in names
    assert not [name for name in names if name.startswith(("tests/", "sandbox/", "stack/"))]


def test_its_name_and_entry_point_are_those_of_the_plugins_folder(wheel: Path) -> None:
    """Airflow takes a provider only under the name of its distribution."""
    (folder,) = (ROOT / "plugins").glob("*.dist-info")
    with zipfile.ZipFile(wheel) as archive:
        for file in ("METADATA", "entry_points.txt"):
            for line in (folder / file).read_text().splitlines():
                if line.startswith(("Name:", "Version:", "provider_info")):
                    assert line in archive.read(f"{folder.name}/{file}").decode().splitlines()


def test_it_finds_its_files_and_its_users_below_airflow_home(wheel: Path, tmp_path: Path) -> None:
    site, home = tmp_path / "site", tmp_path / "home"
    zipfile.ZipFile(wheel).extractall(site)
    done = subprocess.run(
        [sys.executable, "-c", LOOK],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(site), "AIRFLOW_HOME": str(home)},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["from"].startswith(str(site))
    assert "sync_run" in found["statement"]
    assert "<html" in found["refused"]
    assert found["dags"] == str(site / "reconciliation" / "dags")
    assert found["syncs"] == str(home / "include" / "syncs")
    assert found["retention"] == str(home / "include" / "retention.yaml")
