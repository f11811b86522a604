"""Faults that are switched on for tests: delays, dropped connections, wrong answers."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from sandbox.krayin.requests import Call

Kind = Literal[
    "delay_before",
    "delay_after",
    "drop_before",
    "drop_after",
    "status_502",
    "status_503",
    "status_504",
    "error_before",
    "error_after",
    "wrong_json",
]


class Fault(BaseModel):
    """One rule: which calls it meets, how often, and what it does to them.

    Attributes:
        kind: ``*_before`` acts before the call is carried out, ``*_after`` when its writes are done;
            ``status_…`` answers with a gateway's HTML page, ``error_…`` with Krayin's own 500,
            ``wrong_json`` answers 200 with text that is no JSON.
        method: HTTP method, or any.
        route: regular expression searched in the path, or any.
        probability: chance of meeting a call.
        count: how many calls it may still meet, or any number.
        seconds: length of a delay.
        after: whether a status or wrong-JSON answer comes when the writes are done.
    """

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    method: str | None = None
    route: str | None = None
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    count: int | None = None
    skip: int = 0
    seconds: float = 1.0
    after: bool = False


class FaultPlan(BaseModel):
    """The rules in force, and the seed that makes their chances repeatable."""

    model_config = ConfigDict(extra="forbid")

    rules: list[Fault] = []
    seed: int | None = None


class Faults:
    """Chooses the faults of each call."""

    def __init__(self) -> None:
        self._plan = FaultPlan()
        self._random = random.Random()
        self.met = 0

    def switch(self, plan: FaultPlan) -> None:
        """Replace all rules."""
        self._plan = plan
        self._random = random.Random(plan.seed)

    def clear(self) -> None:
        """Drop all rules."""
        self.switch(FaultPlan())

    @property
    def plan(self) -> FaultPlan:
        """The rules in force, with the counts that are left."""
        return self._plan

    def choose(self, call: Call) -> list[Fault]:
        """Return the faults that meet a call, in the order of the rules."""
        chosen: list[Fault] = []
        for rule in self._plan.rules:
            if rule.method is not None and rule.method.upper() != call.method:
                continue
            if rule.route is not None and re.search(rule.route, "/" + call.path) is None:
                continue
            if rule.count == 0:
                continue
            if rule.probability < 1 and self._random.random() >= rule.probability:
                continue
            if rule.skip > 0:
                rule.skip -= 1
                continue
            if rule.count is not None:
                rule.count -= 1
            self.met += 1
            chosen.append(rule)
        return chosen
