"""A sync database for every test that asks for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from reconciliation.migrations import upgrade

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
