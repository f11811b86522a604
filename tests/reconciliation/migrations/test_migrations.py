from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg
from reconciliation.migrations import is_current, upgrade

ROOT = Path(__file__).resolve().parents[3]


def test_migrating_twice_and_at_once_is_harmless(database_url: str) -> None:
    command = [sys.executable, "-m", "reconciliation.migrations", database_url]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "plugins")}
    migrators = [subprocess.Popen(command, env=environment) for _ in range(3)]
    assert [migrator.wait() for migrator in migrators] == [0, 0, 0]
    upgrade(database_url)
    assert is_current(database_url)
    with psycopg.connect(database_url) as connection:
        tables = {
            row[0]
            for row in connection.execute(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = 'krayin_sync'"
            )
        }
    assert {"mapping", "operation", "watermark", "api_call", "crm_snapshot", "sync_run"} <= tables


def test_an_empty_database_is_not_current(database_url: str) -> None:
    assert not is_current(database_url)
