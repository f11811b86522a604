"""A Chatwoot database with accounts and inboxes but without contacts, and the source that reads it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from chatwoot.database.source import DatabaseSource
from psycopg import sql

from sandbox.chatwoot.sample import Sample, fill
from sandbox.chatwoot.schema import create_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg import Connection

    from stack.postgres import Cluster


@pytest.fixture(scope="session")
def chatwoot_template(new_database: Callable[[str], str]) -> str:
    """The name of a database to copy: Chatwoot's tables with two accounts and no contacts."""
    url = new_database("chatwoot_template")
    with psycopg.connect(url) as connection:
        create_schema(connection)
        fill(connection, Sample(contacts=0, conversations=0, messages=0))
    return url.rsplit("/", 1)[1]


@pytest.fixture
def copy_database(postgres: Cluster) -> Callable[[str], str]:
    """Copy a database without open connections, rows and transaction ids as they are; return its URL."""

    def copy(original: str) -> str:
        name = f"chatwoot_{uuid.uuid4().hex[:10]}"
        with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(name), sql.Identifier(original)
                )
            )
        return postgres.dsn(name)

    return copy


@pytest.fixture
def chatwoot_url(copy_database: Callable[[str], str], chatwoot_template: str) -> str:
    """The URL of a fresh Chatwoot database."""
    return copy_database(chatwoot_template)


@pytest.fixture
def chatwoot(chatwoot_url: str) -> Iterator[Connection[Any]]:
    """A connection as Chatwoot's own, in autocommit."""
    with psycopg.connect(chatwoot_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def source(chatwoot_url: str) -> DatabaseSource:
    """The database as a source."""
    return DatabaseSource(chatwoot_url)


@pytest.fixture
def website(chatwoot: Connection[Any]) -> int:
    """The id of the website inbox of account 1."""
    return _inbox(chatwoot, "Channel::WebWidget")


@pytest.fixture
def mailbox(chatwoot: Connection[Any]) -> int:
    """The id of the e-mail inbox of account 1."""
    return _inbox(chatwoot, "Channel::Email")


def _inbox(connection: Connection[Any], channel_type: str) -> int:
    row = connection.execute(
        "SELECT id FROM inboxes WHERE account_id = 1 AND channel_type = %s", (channel_type,)
    ).fetchone()
    assert row
    return int(row[0])
