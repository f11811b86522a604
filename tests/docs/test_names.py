"""Words that this product once had of its own stay out: the field's names are used instead."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from statements import statements

ROOT = Path(__file__).resolve().parents[2]
# What was said instead of: conversation streams, task errors, bulk creates, lead position, removal action, …
RETIRED = {
    "ApiTalk", "Desk", "Fate", "Guard", "Joints", "KrayinLook", "NewcomerPlanner", "NotSoNew", "Pacer", "Reach",
    "Remembered", "Retirement", "RunParts", "Scope", "Slot", "Standing", "Surroundings", "Sweep", "SyncDesk", "Talk",
    "TalkRead", "Unpaced", "Walk", "Wanted", "Ways", "WithRetirements", "at_rest", "attempted", "base_after_attempt",
    "bring", "crowd", "desk", "earned", "hand_on", "heeding", "high_mark", "inheritance", "krayin_look", "left_out",
    "let_back", "long_lived", "look_again", "mixtures", "never", "newcomers", "office", "pacing", "pools", "reached",
    "remembered", "scene", "see_to", "sweep", "take_over", "talk", "tell", "tell_of_held", "telling", "twins", "unpaced",
    "Twin", "hand_on_traces", "talk_lines", "talking", "where_to_look", "whole", "words",
}  # fmt: skip


def defined(file: Path) -> set[str]:
    """The names of a module and of all that it defines, private ones without their underscore."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    found = {file.stem} | {node.name for node in ast.walk(tree) if isinstance(node, kinds)}
    return {name.lstrip("_") for name in found}


@pytest.mark.parametrize("folder", ["plugins", "dags", "stack"])
def test_no_module_class_or_function_has_a_retired_name(folder: str) -> None:
    found = {
        f"{file.relative_to(ROOT)}: {name}"
        for file in (ROOT / folder).rglob("*.py")
        for name in defined(file) & RETIRED
    }
    assert found == set()


def test_no_statement_has_a_retired_name() -> None:
    folder = ROOT / "include" / "sql"
    assert {name for file in folder.glob("*.sql") for name in statements(file.stem)} & RETIRED == set()
