"""The hosted workflows and the hooks before a commit: they run what a person at a terminal runs."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest
import yaml

from stack import bootstrap
from stack.settings import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def jobs() -> list[dict[str, Any]]:
    return [job for file in WORKFLOWS for job in yaml.safe_load(file.read_text())["jobs"].values()]


def steps() -> list[dict[str, Any]]:
    return [step for job in jobs() for step in job["steps"]]


def test_they_are_workflows() -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run([*check, *WORKFLOWS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_they_run_make_targets_and_nothing_else() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = [step["run"] for step in steps() if "run" in step]
    assert {
        "make lint",
        "make test-fast",
        "make test",
        "make test-database",
        "make audit",
        "make test-wheel",
        "make test-containers",
    } == set(commands)
    assert {command.removeprefix("make ") for command in commands} <= targets


def test_actions_are_pinned_to_a_commit() -> None:
    used = [step["uses"] for step in steps() if "uses" in step]
    assert used
    assert [each for each in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", each)] == []


def test_the_matrix_is_what_is_supported() -> None:
    matrices = [job["strategy"]["matrix"] for job in jobs() if "strategy" in job]
    (matrix,) = (each for each in matrices if "python" in each)
    versions = [tuple(int(part) for part in version.split(".")) for version in matrix["python"]]
    assert versions[0] == bootstrap.OLDEST
    assert all(version <= bootstrap.NEWEST for version in versions)
    lock = (ROOT / "requirements.txt").read_text()
    assert matrix["airflow"] == re.findall(r"^apache-airflow==(\S+)", lock, re.MULTILINE)


@pytest.mark.parametrize("tool", ["ruff check", "ruff format", "mypy"])
def test_the_hooks_run_what_make_lint_runs(tool: str) -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    assert any(hook["entry"].startswith(f".venv/bin/{tool}") for hook in repository["hooks"])
    assert f"$(BIN)/{tool}" in (ROOT / "Makefile").read_text()
