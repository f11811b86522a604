"""The Airflow connections that syncs use."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from psycopg.conninfo import conninfo_to_dict

SYNC_DATABASE = "sync_db"
CHATWOOT = "chatwoot_default"
KRAYIN = "krayin_default"


def postgres(conn_id: str, url: str, description: str) -> dict[str, Any]:
    """Return the connection to the PostgreSQL database at `url`; query parameters become extras."""
    parts = conninfo_to_dict(url)
    named = {key: parts.pop(key, None) for key in ("host", "port", "dbname", "user", "password")}
    # One for each of several hosts, but the form's field takes a single number.
    ports = str(named["port"] or "").split(",")
    if len(set(ports)) > 1:
        parts["port"] = named["port"]
    return {
        "connection_id": conn_id,
        "conn_type": "postgres",
        "description": description,
        "host": named["host"] or "localhost",
        "port": int(ports[0] or 5432),
        "schema": named["dbname"],
        "login": named["user"],
        "password": named["password"],
        # An empty object would come back in the connection's URI as an option of its own.
        "extra": json.dumps(parts) if parts else None,
    }


def krayin(
    conn_id: str, url: str, token: str, requests_per_minute: int | Literal["auto"], description: str
) -> dict[str, Any]:
    """Return the connection to the Krayin at `url`."""
    return {
        "connection_id": conn_id,
        "conn_type": "krayin",
        "description": description,
        "host": url,
        "password": token,
        "extra": json.dumps({"requests_per_minute": requests_per_minute}),
    }


def fingerprint(connections: list[dict[str, Any]]) -> str:
    """Return a digest that changes with any part of any connection."""
    return hashlib.sha256(json.dumps(connections, sort_keys=True).encode()).hexdigest()
