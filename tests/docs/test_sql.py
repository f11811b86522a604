"""The SQL of the documentation runs as written on the database it is meant for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psycopg
import pytest
from reconciliation.migrations import upgrade

from tests.docs.markdown import Block, blocks, code, files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Metrics bear the same prefix.
METRICS = {"read", "calls", "quarantined", "waiting", "run_duration"}


@pytest.fixture(scope="module")
def connection(new_database: Callable[..., str]) -> Iterator[psycopg.Connection]:
    url = new_database("docs")
    upgrade(url)
    with psycopg.connect(url) as opened:
        yield opened


def inline_queries() -> list[str]:
    return sorted({found for file in files() for found in code(file) if found.startswith("SELECT ")})


@pytest.mark.parametrize("block", blocks("sql"), ids=str)
def test_every_block_runs(connection: psycopg.Connection, block: Block) -> None:
    # Roles belong to the whole server: nothing is kept.
    with connection.transaction(force_rollback=True):
        connection.execute(block.text.encode())


@pytest.mark.parametrize("query", inline_queries())
def test_every_query_in_running_text_runs(connection: psycopg.Connection, query: str) -> None:
    with connection.transaction(force_rollback=True):
        connection.execute(query.encode())


def test_every_table_view_and_column_named_with_its_schema_is_there(connection: psycopg.Connection) -> None:
    columns: dict[str, set[str]] = {}
    for relation, column in connection.execute(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'krayin_sync'"
    ):
        columns.setdefault(relation, set()).add(column)
    named = [
        (file.name, *match)
        for file in files()
        for found in code(file)
        for match in re.findall(r"\bkrayin_sync\.([a-z_]+)(?:\.([a-z_]+))?", found)
    ]
    assert len(named) > 10
    wrong = [
        (file, relation, column)
        for file, relation, column in named
        if relation not in METRICS
        and (relation not in columns or (column and column not in columns[relation]))
    ]
    assert wrong == []


def test_the_list_of_tables_names_all_of_them(connection: psycopg.Connection) -> None:
    (text,) = (file.read_text(encoding="utf-8") for file in files() if file.name == "how-it-works.md")
    section = text.partition("## The sync database")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    tables = {
        name
        for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'krayin_sync'")
    }
    families = tuple(name.removesuffix("…") for name in named if name.endswith("…"))
    exact = {name for name in named if not name.endswith("…")}
    assert exact <= tables
    assert {name for name in tables - exact if not name.startswith(families)} == set()
