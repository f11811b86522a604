"""Brings both databases to the version of this image; in docker-compose.yaml the other services wait for it.

An address that would lead into the container itself is refused first. What was done is noted as the comment
of the sync database, so a start with the same image does nothing. A dump carries the note along.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

HOME = Path(__file__).parent
# What decides how the databases look: the packages, our migrations and their SQL.
DECIDING = ("requirements-image.txt", "plugins/reconciliation/migrations/**/*.py", "include/sql/**/*.sql")
SYNC_DB = "AIRFLOW_CONN_SYNC_DB"


def main(environ: dict[str, str]) -> None:
    """Leave the databases as this image needs them; exit with a sentence if an address cannot be meant."""
    hosts = {
        "CHATWOOT_DATABASE_URL": database_hosts(environ["CHATWOOT_DATABASE_URL"]),
        "KRAYIN_API_URL": web_hosts(environ["KRAYIN_API_URL"]),
    }
    if wrong := [name for name, each in hosts.items() if any(map(is_loopback, each))]:
        sys.exit(
            f"{' and '.join(wrong)} in .env: in a container, localhost is the container itself.\n"
            "Write host.docker.internal for this machine (what runs there must listen on more than "
            "127.0.0.1), or a container's name if both are in one network."
        )
    user = environ["ADMIN_USER"]
    wanted = f"prepared: {fingerprint(HOME)} for {user}"
    with psycopg.connect(environ[SYNC_DB], autocommit=True) as connection:
        if noted(connection) == wanted:
            print("Both databases are of this version; nothing to do.")
            return
        run("airflow", "db", "migrate")
        run(sys.executable, "-m", "reconciliation.migrations", environ[SYNC_DB])
        # Leaves a user who is there, and the password, as they are.
        name = (
            "--username",
            user,
            "--firstname",
            "Airflow",
            "--lastname",
            "Admin",
            "--email",
            "admin@example.com",
        )
        run("airflow", "users", "create", "--role", "Admin", *name, "--password", environ["ADMIN_PASSWORD"])
        note(connection, wanted)


def database_hosts(url: str) -> list[str]:
    """Return the hosts of a libpq URL; none if it is no such URL, which krayin_setup says better."""
    try:
        named = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        return []
    return str(named.get("host") or named.get("hostaddr") or "localhost").split(",")


def web_hosts(url: str) -> list[str]:
    """Return the host of a web address, with or without its scheme."""
    try:
        return [urlsplit(url if "://" in url else f"//{url}").hostname or ""]
    except ValueError:
        return []


def is_loopback(host: str) -> bool:
    """Tell whether a host, or a socket's folder, is the machine that asks."""
    if host.startswith("/") or host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def fingerprint(home: Path) -> str:
    """Return a digest of everything in the image that decides how the databases look."""
    digest = hashlib.sha256()
    for file in sorted(file for pattern in DECIDING for file in home.glob(pattern)):
        digest.update(file.relative_to(home).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def noted(connection: psycopg.Connection) -> str | None:
    """Return the comment of the database."""
    query = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()"
    row = connection.execute(query).fetchone()
    return row[0] if row else None


def note(connection: psycopg.Connection, text: str) -> None:
    """Make `text` the comment of the database."""
    name = sql.Identifier(connection.info.dbname)
    connection.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(name, sql.Literal(text)))


def run(*command: str) -> None:
    """Run a command; exit as it does if it fails."""
    if code := subprocess.run(command, check=False).returncode:
        sys.exit(code)


if __name__ == "__main__":
    main(dict(os.environ))
