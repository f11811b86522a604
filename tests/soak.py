"""Whether tests run with large counts and new chances (`make soak`), or with small and the same ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SOAK = bool(os.environ.get("SOAK"))
ROOT = Path(__file__).resolve().parents[1]


def small_counts() -> dict[str, str]:
    """Return this process's environment for one that runs tests with small counts."""
    return {key: value for key, value in os.environ.items() if key not in {"SOAK", "PYTHONPATH"}}


def run_again(environment: Mapping[str, str], *arguments: str) -> None:
    """Run pytest in a process of its own.

    Raises:
        AssertionError: a test failed; the message has pytest's report.
    """
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
