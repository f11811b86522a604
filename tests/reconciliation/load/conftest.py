"""A sink alone, with a stand-in for Krayin of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.krayin.testing import running_krayin
from tests.reconciliation.load.bench import Bench

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.krayin.testing import RunningKrayin


@pytest.fixture
def running() -> Iterator[RunningKrayin]:
    """A freshly seeded stand-in for Krayin."""
    with running_krayin() as krayin:
        yield krayin


@pytest.fixture
def bench(running: RunningKrayin) -> Bench:
    """What a sink works with; its settings are the usual ones."""
    return Bench(running)
