"""Log files side by side."""

from __future__ import annotations

from itertools import islice
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


def test_the_last_lines_of_each_with_its_name(layout: Layout) -> None:
    assert list(logs.last(logs.files(layout, None), 2)) == ["scheduler | b", "scheduler | c", "triggerer | x"]
    assert list(logs.last(logs.files(layout, "triggerer"), 2)) == ["triggerer | x"]


def test_an_unknown_component_is_answered_with_those_there_are(layout: Layout) -> None:
    with pytest.raises(SettingsError, match="Available: scheduler, triggerer"):
        logs.files(layout, "worker")


def test_following_shows_what_comes_also_after_the_file_was_emptied(layout: Layout) -> None:
    written = iter(["d\n", None, "e\n"])

    def pause(_: float) -> None:
        text = next(written)
        if text is None:
            layout.log("scheduler").write_text("")
            text = next(written)
        with layout.log("scheduler").open("a") as file:
            file.write(text)

    lines = logs.follow(logs.files(layout, "scheduler"), pause)
    assert list(islice(lines, 2)) == ["scheduler | d", "scheduler | e"]
