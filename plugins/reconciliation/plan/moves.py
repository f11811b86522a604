"""The order in which e-mails and phones pass between contacts: given up before they are claimed."""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Move:
    """An operation that gives up keys its person has, or claims keys another one gives up."""

    operation_id: int
    claims: frozenset[str]
    releases: frozenset[str]


@dataclass(frozen=True, slots=True)
class Arrangement:
    """`order` are operation ids, first to last; those in `release_first` give up their keys beforehand."""

    order: tuple[int, ...]
    release_first: frozenset[int]


def arrange(moves: Sequence[Move]) -> Arrangement:
    """Return an order in which every key is given up before it is claimed.

    Where contacts swap (or pass keys round in a circle) there is none: then the one with the
    lowest id gives its keys up in a step of its own, before everything else.
    """
    givers: dict[str, set[int]] = {}
    for move in moves:
        for key in move.releases:
            givers.setdefault(key, set()).add(move.operation_id)
    after = {
        move.operation_id: {
            giver for key in move.claims for giver in givers.get(key, ()) if giver != move.operation_id
        }
        for move in sorted(moves, key=lambda move: move.operation_id)
    }
    first: set[int] = set()
    while True:
        try:
            order = tuple(TopologicalSorter(after).static_order())
        except CycleError as error:
            breaker = min(error.args[1])
            first.add(breaker)
            for waits_for in after.values():
                waits_for.discard(breaker)
        else:
            rest = (one for one in order if one not in first)
            return Arrangement((*sorted(first), *rest), frozenset(first))
