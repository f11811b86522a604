"""What the same work costs done plainly."""

from __future__ import annotations

import tempfile
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import pandas as pd
import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterable

# The columns a plan reads.
COLUMNS = (
    "id, account_id, name, last_name, middle_name, email, phone_number, identifier, contact_type, blocked, "
    "location, country_code, additional_attributes, custom_attributes, last_activity_at, created_at, "
    "updated_at, company_id"
)


def copy_out(chatwoot: str) -> int:
    """Read the contacts' columns by one COPY, the least anybody can do; return the bytes."""
    size = 0
    with (
        psycopg.connect(chatwoot) as connection,
        connection.cursor() as cursor,
        cursor.copy(f"COPY (SELECT {COLUMNS} FROM contacts) TO STDOUT") as copy,
    ):
        for piece in copy:
            size += len(piece)
    return size


def pandas_diff(chatwoot: str, sync: str) -> int:
    """Compare all contacts with what is known of them, frame against frame; return how many differ.

    As it is commonly done: both sides are read whole, each row of the source is hashed, the frames are
    merged on the key and filtered.
    """
    source = _frame(chatwoot, f"SELECT {COLUMNS} FROM contacts")
    source["hash"] = pd.util.hash_pandas_object(source.astype(str), index=False)
    known = _frame(
        sync,
        "SELECT source_id::bigint AS id, source_hash FROM krayin_sync.mapping"
        " WHERE source_kind = 'contact' AND crm_kind = 'person'",
    )
    known["known_hash"] = known["source_hash"].map(_number)
    both = source.merge(known, on="id", how="left")
    return int((both["hash"] != both["known_hash"]).sum())


def _frame(dsn: str, query: str) -> pd.DataFrame:
    with psycopg.connect(dsn) as connection:
        cursor = connection.execute(query)
        assert cursor.description is not None
        return pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description])


def _number(value: Any) -> int:
    return int.from_bytes(blake2b(bytes(value or b""), digest_size=8).digest(), "big")


def pandas_diff_of_messages(chatwoot: str) -> int:
    """Compare all messages with a copy of them, frame against frame, by id and hash; return how many differ.

    The frames come out of the database by COPY, the fastest way into pandas; the copy stands for what a
    loader keeps of its last run.
    """
    query = "SELECT id, conversation_id, content, status, updated_at FROM messages"
    with (
        psycopg.connect(chatwoot) as connection,
        connection.cursor() as cursor,
        cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER)") as copy,
        tempfile.TemporaryFile() as file,
    ):
        for piece in copy:
            file.write(piece)
        file.seek(0)
        frame = pd.read_csv(file)
    hashes = pd.DataFrame({"id": frame["id"], "hash": pd.util.hash_pandas_object(frame, index=False)})
    known = hashes.copy()
    both = hashes.merge(known, on="id", how="left", suffixes=("", "_known"))
    return int((both["hash"] != both["hash_known"]).sum())


def updated_since(chatwoot: str, tables: Iterable[str]) -> int:
    """Read what was updated in the last second by a cursor column; return the rows."""
    with psycopg.connect(chatwoot) as connection:
        return sum(
            len(
                connection.execute(
                    sql.SQL(
                        "SELECT * FROM {} WHERE updated_at > (now() - interval '1 second') AT TIME ZONE 'UTC'"
                    ).format(sql.Identifier(table))
                ).fetchall()
            )
            for table in tables
        )


def scan_once(chatwoot: str, tables: Iterable[str]) -> None:
    """Look at every row of some tables once, in one process."""
    with psycopg.connect(chatwoot) as connection:
        connection.execute("SET max_parallel_workers_per_gather = 0")
        for table in tables:
            connection.execute(sql.SQL("SELECT count(updated_at) FROM {}").format(sql.Identifier(table)))
