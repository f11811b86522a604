from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from benchmarks.common import results
from tests.docs.markdown import ROOT

SCRIPTS = sorted((ROOT / "benchmarks").glob("*.py"))


def test_results_are_kept_where_nothing_was_measured_before(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    results.keep("calls", {"per contact": 1.0})
    assert json.loads((tmp_path / "results" / "calls.json").read_text()) == {"per contact": 1.0}


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_every_benchmark_says_what_it_measures(script):
    """Also that it can be imported: what it uses of the product may have moved."""
    path = os.pathsep.join([str(ROOT / "plugins"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, script, "--help"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout
