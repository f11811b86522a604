"""The wheel, and environments of its own to install it into."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from stack.settings import ROOT

UV = Path(sys.executable).with_name("uv")


@cache
def built(folder: Path) -> Path:
    """Build the wheel into a folder, once; skip the test where its build backend cannot be had."""
    done = subprocess.run(
        [UV, "build", "--quiet", "--wheel", "--out-dir", folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and "hatchling" in done.stderr:
        pytest.skip(f"the build backend cannot be had: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


def environment(folder: Path, *arguments: str | Path) -> Path:
    """Make a virtual environment and install into it; return its interpreter."""
    install = ["pip", "install", "--quiet", "--python", folder / "bin" / "python", *arguments]
    for command in (["venv", "--quiet", "--python", sys.executable, folder], install):
        done = subprocess.run([UV, *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return folder / "bin" / "python"
