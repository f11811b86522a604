"""Worlds in twos: one that lies, and its twin in which nobody does."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.worlds.laws import state
from tests.worlds.scenario import ANYTHING_GOES, a_scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stack.postgres import Cluster
    from tests.worlds.laws import State
    from tests.worlds.matrix import Case
    from tests.worlds.scenario import Scenario


@pytest.fixture(scope="session")
def new_scenario(
    new_database: Callable[..., str], chatwoot_template: str, sync_db_template: str, postgres: Cluster
) -> Callable[[Case], Any]:
    """Make the scenario of a case, whole and truthful."""

    @contextmanager
    def make(case: Case) -> Iterator[Scenario]:
        urls = new_database("chatwoot", chatwoot_template), new_database("sync", sync_db_template)
        settings: dict[str, Any] = {
            "on_source_delete": case.policy,
            "reconcile": {"repair": "repair" if case.repair else "report"},
        }
        if not case.means.asked:
            settings |= ANYTHING_GOES
        with a_scenario(*urls, case.version, case.source, settings) as scenario:
            yield scenario
        for url in urls:
            postgres.drop_database(str(conninfo_to_dict(url)["dbname"]))

    return make


@pytest.fixture(scope="session")
def twin(new_scenario: Callable[[Case], Any]) -> Callable[[Case], State]:
    """Return how Krayin is in the end where nobody lies; the same twin serves many cases."""
    known: dict[tuple[object, ...], State] = {}

    def of(case: Case) -> State:
        lie = case.means
        key = (
            case.lie if lie.twin == "same" else lie.twin,
            # Nothing is removed where nothing is repaired.
            case.repair and case.policy,
            case.source,
            lie.asked,
        )
        if key not in known:
            with new_scenario(case) as scenario:
                _live(scenario, case)
                assert scenario.said == []
                known[key] = state(scenario.world.krayin)
        return known[key]

    return of


def _live(scenario: Scenario, case: Case) -> None:
    lie = case.means
    scenario.begin(load=lie.twin != "fresh")
    if lie.twin == "fresh":
        scenario.news()
        scenario.more_news()
    else:
        scenario.salespeople()
        scenario.news(deleting=not lie.asked)
        scenario.ordinary()
        if lie.twin == "same":
            lie.begin(scenario)
            with psycopg.connect(scenario.world.sync_url, autocommit=True) as connection:
                # Everything is read anew before the next call.
                connection.execute(
                    "UPDATE krayin_sync.krayin_catalogue SET read_at = read_at - interval '1 day'"
                )
        scenario.more_news(deleting=not lie.asked)
        scenario.ordinary()
    scenario.ordinary()
