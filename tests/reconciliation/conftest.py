"""A sync database for every test that asks for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from sandbox.krayin.testing import running_krayin
from tests.reconciliation.world import World

pytest.register_assert_rewrite("tests.reconciliation.truth")

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stack.postgres import Cluster


@pytest.fixture
def sync_db(sync_db_url: str) -> Iterator[psycopg.Connection]:
    """A connection to a fresh, migrated sync database."""
    with psycopg.connect(sync_db_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def world(
    request: pytest.FixtureRequest,
    new_database: Callable[..., str],
    chatwoot_template: str,
    sync_db_url: str,
    postgres: Cluster,
) -> Iterator[World]:
    """An empty Chatwoot account 1, an empty sync database and a freshly seeded stand-in for Krayin.

    Its parameter, if a test gives one, are settings of the stand-in, as its version.
    """
    url = new_database("chatwoot", chatwoot_template)
    with running_krayin(**getattr(request, "param", {})) as krayin:
        yield World(url, sync_db_url, krayin)
    postgres.drop_database(str(conninfo_to_dict(url)["dbname"]))
