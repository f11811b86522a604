"""The first run on a Krayin in use: nobody twice, nothing typed there changed, every contact as the table says."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from reconciliation.run.request import RunRequest

from tests.reconciliation.populated_crm import check, differences, expected_calls, plant, tables
from tests.soak import SOAK

if TYPE_CHECKING:
    from reconciliation.store.run_rows import Run

    from tests.reconciliation.populated_crm import Before
    from tests.reconciliation.world import World

# Calls to read what Krayin is set up with: the user twice, pipelines, sources, types, attributes and users.
CATALOGUE = 7
SNAPSHOT_PAGE = 500


def check_calls(world: World, before: Before, run: Run) -> None:
    """Compare the calls of a first run with what the table of mixtures asks for."""
    writes, most_reads = expected_calls(before)
    assert run.summary["writes"] == writes
    pages = math.ceil(len(before.records["persons"]) / SNAPSHOT_PAGE) + 1
    assert run.summary["calls"] <= CATALOGUE + pages + writes + most_reads
    created = run.summary["created"]["person"]
    of_adopted = writes - created + most_reads
    assert run.summary["calls"] - pages - of_adopted <= 1.05 * created + CATALOGUE


def check_second_run(world: World) -> None:
    before = tables(world)
    again = world.run(RunRequest(full=True))
    assert [call for call in world.calls(again.id) if call[0] != "GET"] == []
    assert differences(before, tables(world)) == set()
    assert {table: len(rows) for table, rows in before.items()} == {
        table: len(rows) for table, rows in tables(world).items()
    }


def test_every_mixture_of_known_and_new_people_comes_out_as_the_table_says(world: World) -> None:
    before = plant(world, 600, 250, 3)
    run = world.run()
    check(world, before, run)
    check_calls(world, before, run)
    check_second_run(world)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_at_full_size_every_contact_comes_out_as_the_table_says(world: World) -> None:
    """SOAK set: 20,000 persons, 5,000 contacts of whom 3,000 are known; else a tenth of it."""
    size = 10 if SOAK else 1
    # Filling the blanks of so many persons would be asked about first.
    world.settings["max_changes_without_approval"] = {"number": 100_000}
    before = plant(world, 2_000 * size, 500 * size, 11 * size)
    run = world.run()
    check(world, before, run)
    check_calls(world, before, run)
    check_second_run(world)
