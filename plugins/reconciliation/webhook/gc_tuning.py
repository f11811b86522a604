"""Keeps full garbage collections from stopping a server that should answer within milliseconds."""

from __future__ import annotations

import gc
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FULL = 2
_LONG_SECONDS = 0.05
# What lives on may become cyclic garbage one day, which then stays: so not for ever.
_MOST_TIMES = 5


@contextmanager
def freeze_gc(clock: Callable[[], float] = time.perf_counter) -> Iterator[None]:
    """Leave what is in memory now out of this process's garbage collections while inside.

    What was made later and survived a full collection that took long follows it, a few times.
    `clock` returns seconds.
    """
    times, began = 0, 0.0

    def follow(phase: str, details: dict[str, int]) -> None:
        nonlocal times, began
        if details["generation"] != _FULL or times >= _MOST_TIMES:
            return
        if phase == "start":
            began = clock()
        elif clock() - began > _LONG_SECONDS:
            times += 1
            gc.freeze()

    gc.collect()
    gc.freeze()
    gc.callbacks.append(follow)
    try:
        yield
    finally:
        gc.callbacks.remove(follow)
        gc.unfreeze()
