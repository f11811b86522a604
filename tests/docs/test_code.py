"""The map of the code names every package, and its order is the order of the imports."""

from __future__ import annotations

import ast
import re

import pytest
from chatwoot.database.streams import STREAMS
from statements import statements

from tests.docs.markdown import ROOT

PLUGINS = ROOT / "plugins"
MAP = (ROOT / "docs" / "code.md").read_text(encoding="utf-8")


def listed(package: str) -> list[str]:
    """The first column of the table below a package's heading, from top to bottom."""
    section = MAP.split(f"## `plugins/{package}`")[1].split("\n## ")[0]
    firsts = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    return [name for first in firsts for name in re.findall(r"`(\w+)`", first)]


def imported(package: str, name: str) -> set[str]:
    """What of its own package a part imports, for types too."""
    part = PLUGINS / package / name
    files = part.rglob("*.py") if part.is_dir() else [part.with_suffix(".py")]
    found: set[str] = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.ImportFrom(module=str(module)) if module == package:
                    found |= {alias.name for alias in node.names}
                case ast.ImportFrom(module=str(module)) if module.startswith(f"{package}."):
                    found.add(module.split(".")[1])
                case ast.Import():
                    found |= {a.name.split(".")[1] for a in node.names if a.name.startswith(f"{package}.")}
    return found - {name}


@pytest.mark.parametrize("package", ["reconciliation", "chatwoot"])
def test_every_part_is_on_the_map(package):
    parts = {path.stem for path in (PLUGINS / package).iterdir()} - {"__init__", "__pycache__", "py"}
    assert sorted(listed(package)) == sorted(parts)


@pytest.mark.parametrize("package", ["reconciliation", "chatwoot"])
def test_imports_go_upwards_on_the_map_only(package):
    order = listed(package)
    against = {
        f"{name} imports {other}"
        for at, name in enumerate(order)
        for other in imported(package, name) - set(order[:at])
    }
    assert against == set()


def test_chatwoot_and_krayin_know_nothing_of_each_other_or_of_what_is_above():
    below = {
        "chatwoot": {"chatwoot", "statements"},
        "krayin": {"krayin", "statements"},
        "statements": {"statements"},
    }
    ours = {"chatwoot", "krayin", "reconciliation", "statements"}
    for package, allowed in below.items():
        files = list((PLUGINS / package).rglob("*.py"))
        assert files
        for file in files:
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                modules = (
                    [alias.name for alias in node.names]
                    if isinstance(node, ast.Import)
                    else [node.module or ""]
                    if isinstance(node, ast.ImportFrom)
                    else []
                )
                assert not {module.split(".")[0] for module in modules} & (ours - allowed), file


def test_first_readings_exist():
    rows = re.findall(r"^\| `(\w+)` \|.*\| `(\w+)` \|$", MAP, re.MULTILINE)
    assert rows
    for package, module in rows:
        assert (PLUGINS / "reconciliation" / package / f"{module}.py").is_file()


def test_airflow_is_imported_in_one_package_and_by_the_hooks():
    importing = {
        file.relative_to(PLUGINS).as_posix()
        for file in PLUGINS.rglob("*.py")
        if re.search(r"^\s*(from|import) airflow\b", file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    allowed = {"krayin_sync_plugin.py", "krayin/unset_port.py"}
    elsewhere = {one for one in importing - allowed if not one.endswith("/hook.py")}
    assert elsewhere
    assert {one for one in elsewhere if not one.startswith("reconciliation/airflow/")} == set()


def test_the_code_names_every_statement_there_is_and_no_other():
    folder = PLUGINS.parent / "include" / "sql"
    there = {f"{file.stem}/{name}" for file in folder.glob("*.sql") for name in statements(file.stem)}
    sources = [
        *PLUGINS.rglob("*.py"),
        *(PLUGINS.parent / "dags").glob("*.py"),
        *(PLUGINS.parent / "stack").glob("*.py"),
    ]
    text = "\n".join(file.read_text(encoding="utf-8") for file in sources)
    named = set(re.findall(r'(?:statement|execute|rows|_number|_note)\(\s*"([a-z_]+/[a-z0-9_]+)"', text))
    assert len(named) > 200
    assert named <= there
    # A name put together at run time, as in f"{noun}/erase", shows its last part.
    used = {one for one in there if f'"{one}"' in text or f'{one[one.index("/") :]}"' in text}
    # A part that statements have in common is named by them.
    used |= {
        name
        for file in folder.glob("*.sql")
        for name in re.findall(r"-- include(?: with \w+)?: (\w+/\w+)", file.read_text("utf-8"))
    }
    used |= {f"written/{table}" for stream in STREAMS.values() for table in stream.written}
    used |= {f"written/newest_of_{noun}" for noun in ("contacts", "conversations")}
    assert used | {f"quality/{check}" for check in statements("quality")} == there


def test_modules_named_for_krayin_exist():
    section = MAP.split("## `plugins/krayin`")[1].split("\n## ")[0]
    for name in re.findall(r"`(\w+)`", section):
        assert (PLUGINS / "krayin" / f"{name}.py").is_file()
