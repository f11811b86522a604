"""What lives long is left out of garbage collections, a bounded number of times."""

from __future__ import annotations

import gc
from itertools import count
from typing import TYPE_CHECKING

import pytest
from reconciliation.web.webhook_app import freeze_gc

if TYPE_CHECKING:
    from collections.abc import Iterator


# More than what other threads of the process make or drop meanwhile.
MANY = 20_000


def many() -> list[list[int]]:
    return [[] for _ in range(MANY)]


@pytest.fixture(autouse=True)
def _no_collections_of_their_own() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def test_what_is_there_is_left_out_and_comes_back_in_the_end() -> None:
    before = gc.get_freeze_count()
    with freeze_gc():
        assert gc.get_freeze_count() > before
        assert len(gc.get_objects()) < gc.get_freeze_count()
    assert gc.get_freeze_count() == before


def test_what_a_long_full_collection_let_live_follows_a_few_times() -> None:
    seconds = count()  # each question a second later: every collection is a long one
    followed = []
    with freeze_gc(lambda: float(next(seconds))):
        kept = []
        for _ in range(8):
            kept.append(many())
            before = gc.get_freeze_count()
            gc.collect()
            followed.append(gc.get_freeze_count() > before + MANY // 2)
    assert followed == [True] * 5 + [False] * 3


@pytest.mark.parametrize(("seconds", "generation"), [(0.0, 2), (1.0, 1)])
def test_short_or_partial_collections_change_nothing(seconds: float, generation: int) -> None:
    moments = count(0, seconds)
    with freeze_gc(lambda: float(next(moments))):
        kept = many()
        before = gc.get_freeze_count()
        gc.collect(generation)
        assert gc.get_freeze_count() < before + len(kept) // 2
    assert not any(getattr(each, "__name__", "") == "follow" for each in gc.callbacks)
