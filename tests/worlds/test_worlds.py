"""A matrix of lying worlds: nothing is done that a truthful look would not have, and the truth is caught up with.

The law, in one place: nothing in Krayin is deleted, closed, overwritten or duplicated that a truthful look
would not have; nothing is silently skipped; and when the world tells the truth again, the next runs reach the
calm run's state without a hand, but where a person was asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.chaos.state import differences
from tests.reconciliation.another_krayin import writes
from tests.soak import SOAK
from tests.worlds.laws import harm, state, with_others_of
from tests.worlds.matrix import CASES, FEW, MOMENTS, POLICIES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.worlds.laws import State
    from tests.worlds.lies import Lie
    from tests.worlds.matrix import Case
    from tests.worlds.scenario import Scenario

pytestmark = pytest.mark.slow


def test_the_matrix_has_every_moment_and_policy_and_no_case_twice() -> None:
    assert len({case.id for case in CASES}) == len(CASES) >= 60
    assert {case.moment for case in FEW} == set(MOMENTS)
    assert {case.policy for case in FEW} == set(POLICIES)


@pytest.mark.parametrize("case", CASES if SOAK else FEW, ids=lambda case: case.id)
def test_in_a_lying_world(
    case: Case, new_scenario: Callable[[Case], Any], twin: Callable[[Case], State]
) -> None:
    calm, lie = twin(case), case.means
    with new_scenario(case) as scenario:
        scenario.begin()
        scenario.salespeople()
        lie.prepare(scenario)
        scenario.news(deleting=not lie.asked)
        scenario.ordinary()
        assert scenario.said == []
        before = lies_at(scenario, lie, case.moment)
        now = state(scenario.world.krayin)
        assert lie.copy or harm(before, calm, now) == [], scenario.told_people()
        assert now == calm or scenario.told_people(), "silently skipped"

        if case.moment != "lifted":
            lie.end(scenario)
        lie.answer(scenario)
        scenario.reply(approved=not lie.asked)
        wanted = with_others_of(before, calm) if lie.twin == "fresh" else calm
        for _ in range(2):
            if scenario.told or scenario.open_matters() or differences(wanted, state(scenario.world.krayin)):
                scenario.ordinary()
        assert differences(wanted, state(scenario.world.krayin)) == []
        assert scenario.open_matters() == []
        scenario.world.krayin.clear_calls()
        scenario.world.run()
        assert writes(scenario.world) == []


def lies_at(scenario: Scenario, lie: Lie, moment: str) -> State:
    """Bring more news, lie at a moment, and let runs go on; return how Krayin was when the lie began."""
    scenario.more_news(deleting=not lie.asked)
    seen: list[State] = []

    def begin() -> None:
        lie.begin(scenario)
        seen.append(state(scenario.world.krayin))

    if moment == "before":
        begin()
    elif moment == "between":
        loadings = scenario.planned()
        begin()
        for load in loadings:
            scenario.attempt(load)
    elif moment == "middle":
        loadings = scenario.planned()
        scenario.krayin.after_write = begin
        for load in loadings:
            scenario.attempt(load)
        assert seen
    elif moment == "lifted":
        begin()
        loadings = []
        scenario.attempt(lambda: loadings.extend(scenario.planned()))
        lie.end(scenario)
        for load in loadings:
            scenario.attempt(load)
        return seen[0]
    scenario.ordinary()
    return seen[0]
