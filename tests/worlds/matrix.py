"""The matrix: lies, settings, the way to Chatwoot, moments and Krayins, and which of them a quick run takes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING

from tests.worlds.lies import IN_ANSWERS, IN_DATABASE, IN_KRAYIN, IN_TABLES, LIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.worlds.lies import Lie

POLICIES = ("report", "close_lead", "delete")
MOMENTS = ("before", "between", "middle", "lifted")
"""When the lie begins: before runs, between plan and load, after a load's first call; or it ends between."""
VERSIONS = ("2.1", "2.2")


@dataclass(frozen=True, slots=True)
class Case:
    """One world of the matrix."""

    lie: str
    moment: str
    policy: str
    repair: bool
    source: str
    version: str

    @property
    def id(self) -> str:
        """What pytest calls it."""
        repair = "repair" if self.repair else "look"
        return f"{self.lie}-{self.moment}-{self.policy}-{repair}-{self.source}-{self.version}"

    @property
    def means(self) -> Lie:
        """The lie itself."""
        return LIES[self.lie]


def _drawn() -> Iterator[Case]:
    """Yield each lie at each of its moments; settings, source and version take turns beside them."""
    policies, versions, sources = cycle(POLICIES), cycle(VERSIONS), cycle(("database", "api"))
    repairs = cycle((True, True, False))
    for name in LIES:
        moments = MOMENTS[:3] if name in IN_KRAYIN else MOMENTS
        if name in {"replaced", "attribute-added"}:
            # What is read right before a write may be seconds old: records 15, the list of attributes 60.
            moments = MOMENTS[:2]
        for moment in moments:
            source = "database" if name in IN_DATABASE else "api" if name in IN_ANSWERS else next(sources)
            yield Case(name, moment, next(policies), next(repairs), source, next(versions))
        # Turns of another length: lies do not meet the same settings at the same moments.
        next(policies)
        next(sources)
    # Where most is at stake, each lie once more.
    for name in (*IN_DATABASE, *IN_TABLES):
        yield Case(name, "before", "delete", True, "database", next(versions))
    for name in IN_KRAYIN:
        yield Case(name, "before", "delete", True, "database", next(versions))


CASES = tuple(dict.fromkeys(_drawn()))


def _few() -> tuple[Case, ...]:
    """Return few cases in which each moment, policy and source meets each other, from all kinds of lies."""
    wanted = {
        (one, other) for case in CASES for one in _traits(case) for other in _traits(case) if one < other
    }
    chosen: list[Case] = []
    while wanted:
        best = max(CASES, key=lambda case: len(_pairs(case) & wanted))
        wanted -= _pairs(best)
        chosen.append(best)
    return tuple(chosen)


def _traits(case: Case) -> tuple[str, ...]:
    kinds = (IN_DATABASE, IN_TABLES, IN_ANSWERS, IN_KRAYIN)
    kind = next(str(number) for number, lies in enumerate(kinds) if case.lie in lies)
    return (f"kind {kind}", case.moment, case.policy, f"repair {case.repair}", case.source)


def _pairs(case: Case) -> set[tuple[str, str]]:
    traits = _traits(case)
    return {(one, other) for one in traits for other in traits if one < other}


FEW = _few()
