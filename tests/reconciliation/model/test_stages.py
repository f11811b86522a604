"""Every combination of settings, conversation and lead: where the lead goes, and why it stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from chatwoot.records import Progress
from reconciliation.model.stages import (
    LeadPosition,
    Milestone,
    Pipeline,
    ServerClock,
    StageDecision,
    TargetStage,
    decide,
    qualified_stages,
    target_since,
)

NEW, FOLLOW_UP, PROSPECT, NEGOTIATION, WON, LOST = range(1, 7)
ORDER = (NEW, FOLLOW_UP, PROSPECT, NEGOTIATION, WON, LOST)
PIPELINE = Pipeline(1, ORDER, frozenset({WON, LOST}))
NOON = datetime(2026, 5, 5, 12, tzinfo=UTC)
STAGES = {Milestone.CREATED: FOLLOW_UP, Milestone.FIRST_RESPONSE: PROSPECT, Milestone.RESOLVED: WON}

STATUS = ("open", "pending", "snoozed", "resolved", "reopened")
REPLY = ("agent", "bot", "no reply")
LEADS = {
    "at new": LeadPosition(1, NEW, NEW),
    "later": LeadPosition(1, NEGOTIATION, NEGOTIATION),
    "won": LeadPosition(1, WON, WON),
    "lost": LeadPosition(1, LOST, NEW),
    "moved by hand": LeadPosition(1, FOLLOW_UP, NEW),
    "other pipeline": LeadPosition(2, 11, NEW),
}


def progress(status: str, reply: str) -> Progress:
    # Chatwoot notes the first answer of a human only, and keeps it when the conversation is opened again.
    return Progress(
        contact_id=1,
        created_at=NOON,
        responded_at=NOON + timedelta(hours=1) if reply == "agent" else None,
        resolved_at=NOON + timedelta(hours=2) if status == "resolved" else None,
    )


def furthest(one: Progress, stages: dict[Milestone, int]) -> TargetStage | None:
    qualified = qualified_stages(one, stages, ORDER)
    return target_since(qualified, None) if qualified else None


@pytest.mark.parametrize("configured", list(product((True, False), repeat=3)), ids=str)
@pytest.mark.parametrize("status", STATUS)
@pytest.mark.parametrize("reply", REPLY)
def test_where_a_lead_goes(configured: tuple[bool, bool, bool], status: str, reply: str) -> None:
    stages = {milestone: STAGES[milestone] for milestone, on in zip(Milestone, configured, strict=True) if on}
    wanted = furthest(progress(status, reply), stages)
    qualified = [
        stage
        for stage, is_on, is_earned in zip(
            STAGES.values(), configured, (True, reply == "agent", status == "resolved"), strict=True
        )
        if is_on and is_earned
    ]
    assert (wanted.stage_id if wanted else None) == max(qualified, default=None)
    if wanted is None:
        return
    actual = {name: decide(wanted, lead, PIPELINE, "keep") for name, lead in LEADS.items()}
    forward = wanted.stage_id > NEGOTIATION
    assert actual == {
        "at new": StageDecision.MOVE,
        "later": StageDecision.MOVE if forward else StageDecision.FURTHER,
        "won": StageDecision.ALREADY_THERE if wanted.stage_id == WON else StageDecision.CLOSED,
        "lost": StageDecision.CLOSED,
        "moved by hand": StageDecision.ALREADY_THERE
        if wanted.stage_id == FOLLOW_UP
        else StageDecision.MOVED_BY_HAND,
        "other pipeline": StageDecision.OTHER_PIPELINE,
    }
    overwritten = decide(wanted, LEADS["moved by hand"], PIPELINE, "overwrite")
    assert overwritten is (
        StageDecision.ALREADY_THERE if wanted.stage_id == FOLLOW_UP else StageDecision.MOVE
    )


def test_with_overwrite_a_lead_still_never_goes_back() -> None:
    wanted = TargetStage(FOLLOW_UP, Milestone.CREATED, NOON)
    assert decide(wanted, LeadPosition(1, NEGOTIATION, NEW), PIPELINE, "overwrite") is StageDecision.FURTHER
    assert decide(wanted, LeadPosition(1, LOST, NEW), PIPELINE, "overwrite") is StageDecision.CLOSED


def test_the_order_is_the_pipeline_s_not_the_milestones() -> None:
    backwards = {Milestone.CREATED: NEGOTIATION, Milestone.RESOLVED: FOLLOW_UP}
    wanted = furthest(progress("resolved", "agent"), backwards)
    assert wanted is not None
    assert (wanted.stage_id, wanted.milestone) == (NEGOTIATION, Milestone.CREATED)


def test_a_stage_of_another_pipeline_is_never_wanted() -> None:
    assert qualified_stages(progress("open", "agent"), {Milestone.CREATED: 99}, ORDER) == ()


def test_a_following_lead_is_not_moved_by_what_the_earlier_one_earned() -> None:
    follower = LeadPosition(1, NEW, NEW, since=NOON)
    before = TargetStage(WON, Milestone.RESOLVED, NOON - timedelta(days=1))
    after = TargetStage(WON, Milestone.RESOLVED, NOON + timedelta(days=1))
    assert decide(before, follower, PIPELINE, "keep") is StageDecision.EARLIER_LEAD
    assert decide(after, follower, PIPELINE, "keep") is StageDecision.MOVE
    again = TargetStage(FOLLOW_UP, Milestone.CREATED, NOON + timedelta(hours=1))
    assert target_since([again, before], NOON) == again
    assert target_since([again, before], None) == target_since([before], NOON) == before


@pytest.mark.parametrize("offset", [timedelta(0), timedelta(hours=5, minutes=30), timedelta(hours=-3)])
def test_a_server_s_clock_is_learned_from_one_answer(offset: timedelta) -> None:
    clock = ServerClock()
    sent = clock.local(NOON)
    shown = datetime.strptime(sent, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC) - offset
    clock.learn(sent, shown)
    assert clock.local(NOON) == (NOON + offset).strftime("%Y-%m-%d %H:%M:%S")
