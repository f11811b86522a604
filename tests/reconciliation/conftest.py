"""A sync database for every test that asks for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from reconciliation.migrations import upgrade

from sandbox.chatwoot.sample import Sample, fill
from sandbox.chatwoot.schema import create_schema
from sandbox.krayin.testing import running_krayin
from tests.reconciliation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def sync_db_url(new_database: Callable[[str], str]) -> str:
    """The URL of a fresh, migrated sync database."""
    url = new_database("sync")
    upgrade(url)
    return url


@pytest.fixture
def sync_db(sync_db_url: str) -> Iterator[psycopg.Connection]:
    """A connection to a fresh, migrated sync database."""
    with psycopg.connect(sync_db_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def world(new_database: Callable[[str], str], sync_db_url: str) -> Iterator[World]:
    """An empty Chatwoot account 1, an empty sync database and a freshly seeded stand-in for Krayin."""
    url = new_database("chatwoot")
    with psycopg.connect(url, autocommit=True) as connection:
        create_schema(connection)
        fill(connection, Sample(contacts=0, conversations=0, messages=0, accounts=1))
    with running_krayin() as krayin:
        yield World(url, sync_db_url, krayin)
