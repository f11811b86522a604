"""The components' log files."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from stack import logs
from stack.errors import SettingsError
from stack.instance import Layout

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path)
    made.logs.mkdir()
    made.log("scheduler").write_text("a\nb\nc\n")
    made.log("triggerer").write_text("x\n")
    return made


def shown(layout: Layout, component: str | None) -> str:
    command = logs.tail(logs.files(layout, component), 2, follow=False)
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_last_lines_of_each_under_its_name(layout: Layout) -> None:
    scheduler, triggerer = layout.log("scheduler"), layout.log("triggerer")
    assert shown(layout, None) == f"==> {scheduler} <==\nb\nc\n\n==> {triggerer} <==\nx\n"
    assert shown(layout, "triggerer") == "x\n"


def test_an_unknown_component_is_answered_with_those_there_are(layout: Layout) -> None:
    with pytest.raises(SettingsError, match="Available: scheduler, triggerer"):
        logs.files(layout, "worker")
