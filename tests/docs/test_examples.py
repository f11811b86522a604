"""What the documentation tells one to write or to run is what the code takes."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from pathlib import Path

import pytest
import yaml
from reconciliation.settings.sync_settings import SyncSettings

from stack.settings import Settings
from tests.docs.markdown import ROOT, Block, blocks, code, files, name_of, prose

# A sync file needs these two; examples show what is added to them.
LEAST = {"name": "example", "chatwoot": {"account_id": 1}}
# Files that a user makes.
WRITTEN_BY_THE_USER = {"include/syncs/chatwoot.yaml", "include/retention.yaml"}
# Of docs/operations/install.md: read by make and by Airflow itself.
NOT_OF_THE_STACK = {"PYTHON", "AIRFLOW__SECTION__KEY", "KRAYIN_SYNC_RETENTION"}


def merged(below: dict, above: dict) -> dict:
    together = below | above
    for key in below.keys() & above.keys():
        if isinstance(below[key], dict) and isinstance(above[key], dict):
            together[key] = merged(below[key], above[key])
    return together


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_examples_of_sync_files_are_taken(block: Block) -> None:
    shown = yaml.safe_load(block.text)
    if "write_back_attribute" in shown:
        # As its comment says, it needs an API.
        shown = merged({"webhook": {"api_conn_id": "chatwoot_api"}}, shown)
    SyncSettings.model_validate(merged(LEAST, shown))


def test_settings_given_in_one_line_are_taken() -> None:
    keys = set(SyncSettings.model_fields)
    seen = 0
    for file in files():
        for found in code(file):
            key, colon, value = found.partition(": ")
            if colon and key in keys and "…" not in value and "<" not in value:
                given = merged({"webhook": {"api_conn_id": "chatwoot_api"}}, yaml.safe_load(found))
                SyncSettings.model_validate(merged(LEAST, given))
                seen += 1
    assert seen > 5


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_python_parses_and_what_it_imports_of_ours_is_there(block: Block) -> None:
    # The body of a decorated function is the reader's.
    text = block.text + ("def of_yours(): ...\n" if block.text.lstrip().startswith("@") else "")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(str(node.module))
            assert all(hasattr(module, alias.name) for alias in node.names)


def commands() -> list[tuple[str, str]]:
    """Every command line of the documentation, with where it stands."""
    found = []
    for block in blocks("sh"):
        found += [(str(block), line) for line in block.text.replace("\\\n", " ").splitlines() if line.strip()]
    for file in files():
        found += [
            (name_of(file), line.strip()) for line in re.findall(r"^    (\S.*)$", prose(file), re.MULTILINE)
        ]
        found += [(name_of(file), each) for each in code(file)]
    return found


def test_every_make_target_is_in_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    used = {
        (where, word)
        for where, command in commands()
        if (match := re.match(r"(?:\w+=\S+ )*make (.*)", command))
        for word in shlex.split(match[1].replace("…", ""), comments=True)
        if "=" not in word
    }
    assert len(used) > 8
    assert {(where, word) for where, word in used if word not in targets} == set()


def test_benchmarks_are_run_as_they_can_be_and_with_options_they_have() -> None:
    called = [
        (where, command, match[1], match[2])
        for where, command in commands()
        if (match := re.search(r"(?:benchmarks/)?(\w+)\.py(( --[\w-]+[^|]*)*)$", command))
        and (ROOT / "benchmarks" / f"{match[1]}.py").exists()
    ]
    assert len(called) > 8
    for where, command, name, options in called:
        source = (ROOT / "benchmarks" / f"{name}.py").read_text(encoding="utf-8")
        known = set(re.findall(r'add_argument\("(--[\w-]+)"', source))
        assert set(re.findall(r"--[\w-]+", options)) <= known, (where, command)
        if "python" in command:
            assert command.startswith("PYTHONPATH=plugins:. .venv/bin/python benchmarks/"), (where, command)


def test_every_file_named_is_there() -> None:
    missing = {
        (name_of(file), path)
        for file in files()
        for found in code(file)
        for path in re.findall(
            r"(?<![\w./-])((?:dags|plugins|include|stack|sandbox|benchmarks|tests|docs)/[\w./-]*\w)", found
        )
        if not (ROOT / path).exists() and path not in WRITTEN_BY_THE_USER
    }
    assert missing == set()


def variables_of_the_tables() -> set[str]:
    text = (ROOT / "docs" / "operations" / "install.md").read_text(encoding="utf-8")
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`([A-Z][A-Z_]+)`", cell)}


def test_the_tables_of_variables_name_all_there_are() -> None:
    settings = {name.upper() for name in Settings.model_fields}
    compose = (ROOT / "docker-compose.yaml").read_text(encoding="utf-8")
    of_compose = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", compose))
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    offered = set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE))
    documented = variables_of_the_tables() - NOT_OF_THE_STACK
    assert settings <= documented
    assert documented <= settings | of_compose
    # Profiles are read by Compose itself.
    assert offered - {"COMPOSE_PROFILES"} <= settings | of_compose
    assert of_compose <= offered | documented


def test_defaults_of_variables_are_those_of_the_code() -> None:
    text = (ROOT / "docs" / "operations" / "install.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.split("|")[1:4]]
        for line in text.splitlines()
        if line.startswith("| `")
    ]
    compared = 0
    for variables, default, *_ in rows:
        names = re.findall(r"`([A-Z_]+)`", variables)
        values = [value.strip(" `") for value in default.split(",")]
        for name, value in zip(names, values, strict=False):
            field = Settings.model_fields.get(name.lower())
            if field is not None and re.fullmatch(r"[\w.]+", value) and value != "none":
                assert str(field.default) == value, name
                compared += 1
    assert compared > 8


def test_errors_to_raise_are_classes() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.partition("## Which error to raise")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([A-Z]\w+)`", section)) - {"ValueError", "TRANSIENT"}
    sources = [path for folder in ("plugins", "stack") for path in (ROOT / folder).rglob("*.py")]
    defined = {
        name for path in sources for name in re.findall(r"^class (\w+)", path.read_text(), re.MULTILINE)
    }
    assert len(named) > 15
    assert named - defined == set()


def test_names_in_backticks_are_names_of_the_code() -> None:
    """A name with an underscore that nothing in the repository holds was renamed, or never was."""
    theirs = {
        "AIRFLOW__METRICS__OTEL_ON", "AIRFLOW__METRICS__STATSD_ON", "AIRFLOW__SECTION__KEY", "SSL_CERT_FILE", "crm_v2",
        "jsonb_hash_extended", "pg_dumpall", "pg_read_all_data", "statsd_datadog_enabled", "statsd_influxdb_enabled",
    }  # fmt: skip
    folders = ("plugins", "dags", "include", "stack", "sandbox", "benchmarks", "tests")
    sources = [path for folder in folders for path in (ROOT / folder).rglob("*")] + [
        ROOT / name for name in ("Makefile", "Dockerfile", "docker-compose.yaml", "pyproject.toml")
    ]
    held: list[str] = []
    for path in sources:
        kind = path.suffix in {".py", ".sql", ".yaml", ".sample", ".html", ""}
        if kind and path.is_file() and not path.is_relative_to(Path(__file__).parent):
            held += [path.stem, path.read_text(encoding="utf-8", errors="ignore")]
    text = "\n".join(held).lower()
    unknown = {
        (name_of(file), name)
        for file in files()
        for found in code(file)
        for name in re.findall(r"(?<!<)\b[A-Za-z][A-Za-z0-9]*(?:_+[A-Za-z0-9]+)+\b", found)
        # A DAG of the sync `chatwoot` is one of <sync>.
        if name.lower().removeprefix("chatwoot__") not in text and name not in theirs
    }
    assert unknown == set()
