"""Rows of the sync database laid by hand, for what only reads it."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.types.json import Jsonb

SYNC = "test"


class Ledger:
    """Writes runs, calls, operations, comparisons and findings of one sync into a sync database."""

    def __init__(self, url: str, sync_name: str = SYNC) -> None:
        """Register a Krayin and a Chatwoot."""
        self.url = url
        self.sync_name = sync_name
        self.target = self._one(
            "INSERT INTO krayin_target (base_url) VALUES ('https://crm.example.com/api/v1') "
            "ON CONFLICT (base_url) DO UPDATE SET base_url = excluded.base_url RETURNING id"
        )
        installation = self._one(
            "INSERT INTO chatwoot_installation (identity) VALUES ('here') "
            "ON CONFLICT (identity) DO UPDATE SET identity = excluded.identity RETURNING id"
        )
        self.scope = self._one(
            "INSERT INTO scope (target_id, installation_id, account_id) VALUES (%s, %s, 1) "
            "ON CONFLICT ON CONSTRAINT scope_of_account DO UPDATE SET account_id = 1 RETURNING id",
            self.target,
            installation,
        )

    def run(self, **columns: Any) -> int:
        return self.insert(
            "sync_run",
            **{"sync_name": self.sync_name, "kind": "scheduled", "state": "done", "summary": Jsonb({})}
            | columns,
        )

    def call(self, run_id: int | None, at: str, **columns: Any) -> int:
        defaults = {
            "method": "GET",
            "route": "leads",
            "lane": 1,
            "milliseconds": 20,
            "outcome": "ok",
            "status": 200,
        }
        return self.insert(
            "api_call", **{"target_id": self.target, "run_id": run_id, "at": at, **defaults, **columns}
        )

    def operation(self, run_id: int, source_id: str, **columns: Any) -> int:
        defaults = {
            "lane": 1,
            "source_kind": "contact",
            "payload": Jsonb({}),
            "source_read_at": "now",
            "forecast_calls": 1,
            "state": "planned",
        }
        return self.insert(
            "operation",
            **self._owner(),
            **{"target_id": self.target, "run_id": run_id, "source_id": source_id, **defaults, **columns},
        )

    def reconciliation(self, run_id: int, counts: dict[str, int], **columns: Any) -> int:
        defaults = {"depth": "full", "finished_at": "now", "counts": Jsonb(counts)}
        return self.insert("reconciliation", **self._owner(), **{"run_id": run_id, **defaults, **columns})

    def finding(self, reconciliation_id: int, kind: str, **columns: Any) -> int:
        contact_id = columns.get("contact_id")
        defaults: dict[str, Any] = {
            "class": kind,
            "key": ":".join(str(columns.get(name)) for name in ("contact_id", "crm_kind", "crm_id", "field")),
            "source_kind": None if contact_id is None else "contact",
            "source_id": None if contact_id is None else str(contact_id),
            "repair": "update",
            "repair_calls": 1,
            "state": "open",
        }
        defaults["key"] = f"{kind}:{defaults['key']}"
        if "detail" in columns:
            columns["detail"] = Jsonb(columns["detail"])
        return self.insert(
            "finding", **self._owner(), **{"reconciliation_id": reconciliation_id, **defaults, **columns}
        )

    def insert(self, table: str, **columns: Any) -> int:
        names = ", ".join(columns)
        places = ", ".join(["%s"] * len(columns))
        return self._one(f"INSERT INTO {table} ({names}) VALUES ({places}) RETURNING id", *columns.values())

    def insert_raw(self, query: str, *parameters: Any) -> None:
        with psycopg.connect(self.url, autocommit=True, options="-c search_path=krayin_sync") as connection:
            connection.execute(query, parameters)

    def _owner(self) -> dict[str, Any]:
        return {"sync_name": self.sync_name, "scope_id": self.scope}

    def _one(self, query: str, *parameters: Any) -> int:
        with psycopg.connect(self.url, autocommit=True, options="-c search_path=krayin_sync") as connection:
            row = connection.execute(query, parameters).fetchone()
            assert row is not None
            return int(row[0])
