"""Airflow's plugin loader on our plugins folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from stack.settings import ROOT

if TYPE_CHECKING:
    from pathlib import Path

LOOK = """
import json, sys
before = set(sys.modules)
from airflow import plugins_manager
plugins, errors = plugins_manager._get_plugins()
folder = {folder!r}
# Modules that the loader itself made from files of the folder, by their bare names.
loaded = {{
    name: module.__file__
    for name, module in list(sys.modules.items())
    if name not in before and (getattr(module, "__file__", None) or "").startswith(folder) and "." not in name
}}
import types
print("RESULT" + json.dumps({{
    "loaded": loaded, "errors": errors, "types": types.__file__,
    "plugins": [plugin.name for plugin in plugins if str(plugin.source or "").find("krayin") >= 0],
}}))
"""


def look(folder: Path, home: Path) -> dict:
    done = subprocess.run(
        [sys.executable, "-c", LOOK.format(folder=str(folder))],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(folder),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "PYTHONPATH": os.pathsep.join([str(ROOT / "plugins"), str(ROOT)]),
        },
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.partition("RESULT")[2])


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict:
    return look(ROOT / "plugins", tmp_path_factory.mktemp("airflow"))


def test_only_the_entry_file_is_run_by_the_loader(found: dict) -> None:
    packages = {path.name for path in (ROOT / "plugins").iterdir() if (path / "__init__.py").exists()}
    bare = {name for name, file in found["loaded"].items() if not file.endswith("__init__.py")}
    assert bare == {"krayin_sync_plugin"}
    # What the entry file imports comes in as packages under their own names.
    assert set(found["loaded"]) - bare <= packages
    assert found["errors"] == {}


def test_the_plugin_is_registered(found: dict) -> None:
    assert "krayin_sync" in found["plugins"]


def test_the_standard_library_is_not_replaced(found: dict) -> None:
    assert not found["types"].startswith(str(ROOT / "plugins"))


def test_without_the_ignore_file_it_would_be(tmp_path: Path) -> None:
    # Shows that the test above can fail: the same loader, a folder of the same kind, no .airflowignore.
    (tmp_path / "plugins" / "package").mkdir(parents=True)
    (tmp_path / "plugins" / "package" / "records.py").write_text("")
    (tmp_path / "plugins" / "entry.py").write_text("")
    assert set(look(tmp_path / "plugins", tmp_path / "home")["loaded"]) == {"records", "entry"}
    (tmp_path / "plugins" / ".airflowignore").write_text("*\n!entry.py\n")
    assert set(look(tmp_path / "plugins", tmp_path / "home")["loaded"]) == {"entry"}
