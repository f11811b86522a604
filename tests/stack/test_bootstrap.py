"""The script that makes the virtual environment."""

from __future__ import annotations

import ast
import os
import subprocess
import sys

import pytest

from stack.settings import ROOT

SCRIPT = ROOT / "stack" / "bootstrap.py"
PRETEND = "import runpy, sys; sys.version_info = {version!r}; runpy.run_path({script!r}, run_name='__main__')"


def run_as(version: tuple[int, ...], script: str) -> subprocess.CompletedProcess[str]:
    code = PRETEND.format(version=version, script=script)
    return subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("version", [(3, 9, 2), (3, 10, 14), (3, 15, 0)])
def test_an_unfit_python_is_named_with_what_to_do(version: tuple[int, ...]) -> None:
    done = run_as(version, str(SCRIPT))
    assert done.returncode == 1
    assert f"is Python {version[0]}.{version[1]}." in done.stderr
    assert "Python 3.11 to 3.14 is needed" in done.stderr
    assert "make PYTHON=" in done.stderr
    assert "Traceback" not in done.stderr


def test_old_interpreters_can_parse_it() -> None:
    ast.parse(SCRIPT.read_text(), feature_version=(3, 6))
    assert "from __future__" not in SCRIPT.read_text()


def test_an_unchanged_lock_installs_nothing(tmp_path) -> None:
    (tmp_path / "stack").mkdir()
    (tmp_path / "stack" / "bootstrap.py").write_text(SCRIPT.read_text())
    (tmp_path / "requirements.txt").write_text("tenacity==9.1.2\n")
    binary = tmp_path / ".venv" / "bin"
    binary.mkdir(parents=True)
    # An interpreter that leaves a trace and fails: any installation would be seen.
    (binary / "python").write_text(f"#!/bin/sh\ntouch {tmp_path}/used\nexit 1\n")
    (binary / "python").chmod(0o755)
    script = str(tmp_path / "stack" / "bootstrap.py")
    namespace = subprocess.run(
        [sys.executable, "-I", "-c", f"import runpy; print(runpy.run_path({script!r})['_fingerprint'](), end='')"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    (tmp_path / ".venv" / ".lock").write_text(namespace.stdout)
    done = subprocess.run([sys.executable, "-I", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (tmp_path / "used").exists()


def test_the_lock_names_the_installer() -> None:
    lock = (ROOT / "requirements.txt").read_text().splitlines()
    assert [line for line in lock if line.startswith("uv==")]


def test_pip_settings_reach_uv() -> None:
    code = (
        f"import runpy, sys; m = runpy.run_path({str(SCRIPT)!r}); "
        "print(m['_uv_environment']([sys.executable, '-m', 'pip']).get('UV_FIND_LINKS'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PIP_FIND_LINKS": "/some/wheels"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "/some/wheels"
