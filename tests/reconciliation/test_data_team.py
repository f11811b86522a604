"""The guide for the data team: its queries answer as it says, and its dbt project builds, by the role it names."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from sandbox.krayin.testing import running_krayin
from tests.reconciliation import data_world
from tests.reconciliation.world import World
from tests.wheel.build import UV

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "guides" / "data-team.md"
VIEWS = ROOT / "docs" / "data-model.md"
PROJECT = ROOT / "deploy" / "dbt"
# A query, and the table of its answer where there is one.
QUESTION = re.compile(r"```sql\n(SELECT [^`]*)```\n(?:\n(?:\|.*\n)+)?")
ROLE = "krayin_reports_of_dbt"


@pytest.fixture(scope="module")
def filled(
    new_database: Callable[..., str], chatwoot_template: str, sync_db_template: str
) -> Iterator[World]:
    with running_krayin() as krayin:
        world = World(
            new_database("chatwoot", chatwoot_template), new_database("sync", sync_db_template), krayin
        )
        data_world.fill(world)
        yield world


def answer(url: str, query: str) -> str:
    """What a query gives, as a table of the guide."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(query.encode())
        assert cursor.description
        names = [one.name for one in cursor.description]
        rows = [
            "".join(f"| {'' if cell is None else cell} " for cell in line) + "|\n"
            for line in (names, *cursor)
        ]
    return f"{rows[0]}{'|---' * len(names)}|\n{''.join(rows[1:])}"


def test_the_answers_of_the_guide_are_the_rendered_ones(filled: World) -> None:
    text = GUIDE.read_text(encoding="utf-8")

    def answered(found: re.Match[str]) -> str:
        table = "" if depends(text, found) else f"\n{answer(filled.sync_url, found[1])}"
        return f"```sql\n{found[1]}```\n{table}"

    rendered = QUESTION.sub(answered, text)
    if os.environ.get("WRITE_REFERENCE"):
        GUIDE.write_text(rendered, encoding="utf-8")
    assert GUIDE.read_text(encoding="utf-8") == rendered, "make reference writes it anew"
    assert rendered.count("|---|") > 6


def depends(text: str, found: re.Match[str]) -> bool:
    """Whether the paragraph above a query says that its answer is another each day."""
    return "depend on the day" in text[: found.start()].rstrip().rpartition("\n\n")[2]


@pytest.fixture(scope="session")
def dbt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """dbt in an environment of its own, as the group `dbt` of pyproject.toml says; without it the test is skipped."""
    folder = tmp_path_factory.mktemp("dbt")
    for command in (
        ["venv", "--quiet", folder],
        [
            "pip",
            "install",
            "--quiet",
            "--python",
            folder / "bin" / "python",
            "--group",
            f"{ROOT}/pyproject.toml:dbt",
        ],
    ):
        done = subprocess.run([UV, *command], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"dbt cannot be installed: {done.stderr.strip().splitlines()[-1]}")
    return folder / "bin" / "dbt"


@pytest.fixture
def reader(filled: World) -> Iterator[dict[str, str]]:
    """The role that the pages make, with the schema that the guide gives it, as dbt's environment."""
    (schema,) = re.findall(r"`(CREATE SCHEMA .*?)`", GUIDE.read_text(encoding="utf-8"))
    recipe = re.search(r"```sql\n(CREATE ROLE.*?)```", VIEWS.read_text(encoding="utf-8"), re.DOTALL)
    assert recipe
    # Roles are the server's, not the database's: other tests must not meet it.
    statements = re.sub(r"(ROLE|TO|AUTHORIZATION) krayin_reports\b", rf"\1 {ROLE}", f"{recipe[1]};{schema}")
    where = conninfo_to_dict(filled.sync_url)
    with psycopg.connect(filled.sync_url, autocommit=True) as connection:
        connection.execute(statements.encode())
        yield {
            "KRAYIN_SYNC_HOST": str(where["host"]),
            "KRAYIN_SYNC_PORT": str(where["port"]),
            "KRAYIN_SYNC_DATABASE": str(where["dbname"]),
            "KRAYIN_SYNC_USER": ROLE,
            "DBT_ENV_SECRET_KRAYIN_SYNC_PASSWORD": "choose one",
        }
        connection.execute(f"DROP OWNED BY {ROLE}")
        connection.execute(f"DROP ROLE {ROLE}")


def test_the_dbt_project_builds_and_its_marts_are_true(
    filled: World, dbt: Path, reader: dict[str, str], tmp_path: Path
) -> None:
    done = subprocess.run(
        [dbt, "build", "--project-dir", PROJECT, "--profiles-dir", PROJECT,
         "--target-path", tmp_path / "target", "--log-path", tmp_path / "logs"],
        env={**os.environ, **reader}, capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    results = json.loads((tmp_path / "target" / "run_results.json").read_text())["results"]
    assert {one["status"] for one in results} == {"success", "pass"}
    assert "deprecat" not in done.stdout.lower()

    links = mart(filled, "contact_links")
    records = filled.krayin.records("persons", "leads", "organizations", "activities")
    ids = {kind: {row["id"] for row in rows} for kind, rows in records.items()}
    assert len(links) == 12
    assert {row["person_id"] for row in links} == ids["persons"] - candidates(records["persons"])
    assert {row["lead_id"] for row in links} - {None} == ids["leads"]
    assert {row["organization_id"] for row in links} == ids["organizations"]
    ours = [row for row in records["activities"] if row["type"] != "system"]
    assert sum(row["activities"] for row in links) == len(ours) == 8

    (day,) = mart(filled, "sync_days")
    calls = filled.rows(
        "SELECT count(*), count(*) FILTER (WHERE method <> 'GET') FROM api_call WHERE run_id IS NOT NULL"
    )
    assert [(day["calls"], day["writes"])] == calls
    assert day["changes_measured"] == 3
    assert [(row["in_scope"], row["differences"], row["change_in_differences"]) for row in mart(filled, "trust")] == [
        (13, 3, None), (13, 5, 2),
    ]  # fmt: skip
    waiting = {(row["what"], row["reason"]): row["number"] for row in mart(filled, "waiting_for_people")}
    assert waiting == {("quarantined", "ambiguous_person"): 1, ("differs", "stale_mapping"): 1}


def candidates(persons: list[dict[str, Any]]) -> set[int]:
    return {row["id"] for row in persons if row["name"] in {"One", "Other"}}


def mart(world: World, name: str) -> list[dict[str, Any]]:
    with psycopg.connect(world.sync_url, row_factory=dict_row) as connection:
        return connection.execute(f"SELECT * FROM krayin_reports.{name} ORDER BY 1").fetchall()
