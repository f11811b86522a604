"""The Makefile and what continuous integration calls."""

from __future__ import annotations

import re
import subprocess

from stack.settings import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()


def make(*arguments: str) -> str:
    done = subprocess.run(["make", "-s", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


def test_help_is_the_default_and_lists_every_public_target() -> None:
    shown = make()
    assert shown == make("help")
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE)) - {"venv"}
    assert set(re.findall(r"^  make ([a-z-]+) ", shown, re.MULTILINE)) == targets
    for target in ("help", "up", "down", "logs", "test", "test-fast", "soak", "lint", "bench", "reset"):
        assert target in targets


def test_every_target_brings_its_own_environment() -> None:
    for target, needs in re.findall(r"^([a-z-]+):([^#\n]*)", MAKEFILE, re.MULTILINE):
        if target not in {"help", "venv"}:
            assert "venv" in needs.split(), target


def test_continuous_integration_runs_what_the_readme_names() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    commands = [line for line in script.splitlines() if line.strip() and not line.startswith("#")]
    assert commands[-1] == "make test"
    assert commands[0] == "set -euo pipefail"
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_an_unfit_python_is_refused_before_anything_is_made() -> None:
    done = subprocess.run(
        ["make", "-s", "PYTHON=false", "up"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
