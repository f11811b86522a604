"""A pair of databases for every world of a chaos test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from reconciliation.migrations import upgrade

from sandbox.chatwoot.sample import Sample, fill
from sandbox.chatwoot.schema import create_schema

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def new_databases(new_database: Callable[[str], str]) -> Callable[[], tuple[str, str]]:
    """Make a Chatwoot database with an empty account and a migrated sync database; return their URLs."""

    def make() -> tuple[str, str]:
        chatwoot_url, sync_url = new_database("chatwoot"), new_database("sync")
        with psycopg.connect(chatwoot_url, autocommit=True) as connection:
            create_schema(connection)
            fill(connection, Sample(contacts=0, conversations=0, messages=0, accounts=1))
        upgrade(sync_url)
        return chatwoot_url, sync_url

    return make
