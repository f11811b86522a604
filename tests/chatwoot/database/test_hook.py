from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from psycopg import Connection

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def chatwoot_connection(chatwoot_url: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """The sandbox's database as an Airflow connection."""
    url = urlsplit(chatwoot_url)
    connection = {
        "conn_type": "postgres", "host": url.hostname, "port": url.port, "schema": url.path[1:],
        "login": url.username, "password": url.password,
        "extra": {"sslmode": "prefer", "cursor": "dictcursor", "application_name": "from-the-extra"},
    }  # fmt: skip
    monkeypatch.setenv("AIRFLOW_CONN_CHATWOOT_DEFAULT", json.dumps(connection))
    return connection


def test_the_hook_reads_through_an_airflow_connection(
    chatwoot_connection: dict[str, object], chatwoot: Connection
) -> None:
    from chatwoot.database.hook import ChatwootDatabaseHook

    with ChatwootDatabaseHook().source().snapshot() as snapshot:
        assert [account.name for account in snapshot.accounts()][:1] == ["Acme Support"]
        row = snapshot._connection.execute("SHOW application_name").fetchone()
        assert tuple(row) == ("from-the-extra",)


def test_testing_the_connection_tells_what_is_there(chatwoot_connection: dict[str, object]) -> None:
    from chatwoot.database.hook import ChatwootDatabaseHook

    works, message = ChatwootDatabaseHook().test_connection()
    assert works
    assert "1 (Acme Support)" in message


def test_testing_the_connection_tells_what_is_wrong(
    chatwoot_connection: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    from chatwoot.database.hook import ChatwootDatabaseHook

    monkeypatch.setenv("AIRFLOW_CONN_ELSEWHERE", json.dumps(chatwoot_connection | {"schema": "postgres"}))
    works, message = ChatwootDatabaseHook("elsewhere").test_connection()
    assert not works
    assert "table contacts" in message


def test_an_extra_that_is_no_setting_of_postgresql_is_named(
    chatwoot_connection: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    from chatwoot.database.hook import ChatwootDatabaseHook

    extra = {"extra": {"ssl_mode": "verify-full"}}
    monkeypatch.setenv("AIRFLOW_CONN_ELSEWHERE", json.dumps(chatwoot_connection | extra))
    works, message = ChatwootDatabaseHook("elsewhere").test_connection()
    assert not works
    assert "'elsewhere'" in message
    assert "ssl_mode" in message


@pytest.mark.parametrize(
    ("modules", "unwanted"),
    [
        ("chatwoot.database.hook", "pandas"),
        ("chatwoot.records, chatwoot.source, chatwoot.database.source, chatwoot.errors", "airflow"),
    ],
)
def test_what_importing_does_not_import(modules: str, unwanted: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, {modules}; sys.exit({unwanted!r} in sys.modules)"],
        env=os.environ | {"PYTHONPATH": str(ROOT / "plugins"), "AIRFLOW_HOME": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 0
