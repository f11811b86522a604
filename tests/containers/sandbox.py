"""A Chatwoot database with sample data and the stand-in for Krayin, in one container beside the project's."""

from __future__ import annotations

import os
from pathlib import Path

import psycopg

from sandbox.chatwoot.sample import Sample, fill
from sandbox.chatwoot.schema import create_schema
from sandbox.krayin.cli import serve
from stack.postgres import Cluster

# A volume that the image's user may write to.
DATA = Path("/opt/airflow/logs")


def main() -> None:
    """Serve both until told to stop; the data stays."""
    doors = DATA / "pg_hba.conf"
    doors.write_text("host all all all scram-sha-256\n")
    cluster = Cluster(
        DATA / "chatwoot",
        5432,
        os.environ["POSTGRES_PASSWORD"],
        {"listen_addresses": "*", "hba_file": str(doors)},
    )
    cluster.start()
    try:
        if cluster.create_database("chatwoot"):
            with psycopg.connect(cluster.dsn("chatwoot")) as connection:
                create_schema(connection)
                fill(connection, Sample(60, 40, 200, 1, 2))
        serve(
            8090, os.environ["KRAYIN_API_TOKEN"], version="2.2", host="0.0.0.0", state=DATA / "krayin.sqlite3"
        )
    finally:
        cluster.stop()


if __name__ == "__main__":
    main()
