"""Every combination of settings, conversation and lead: where the lead goes, and why it stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from chatwoot.conversations import Progress
from reconciliation.crm.local_time import ServerClock
from reconciliation.mapping.stages import (
    Milestone,
    Pipeline,
    Standing,
    Verdict,
    Wanted,
    decide,
    wanted_since,
    wanted_stage,
)

NEW, FOLLOW_UP, PROSPECT, NEGOTIATION, WON, LOST = range(1, 7)
ORDER = (NEW, FOLLOW_UP, PROSPECT, NEGOTIATION, WON, LOST)
PIPELINE = Pipeline(1, ORDER, frozenset({WON, LOST}))
NOON = datetime(2026, 5, 5, 12, tzinfo=UTC)
STAGES = {Milestone.CREATED: FOLLOW_UP, Milestone.FIRST_RESPONSE: PROSPECT, Milestone.RESOLVED: WON}

STATUS = ("open", "pending", "snoozed", "resolved", "reopened")
REPLY = ("agent", "bot", "no reply")
LEADS = {
    "at new": Standing(1, NEW, NEW),
    "later": Standing(1, NEGOTIATION, NEGOTIATION),
    "won": Standing(1, WON, WON),
    "lost": Standing(1, LOST, NEW),
    "moved by hand": Standing(1, FOLLOW_UP, NEW),
    "other pipeline": Standing(2, 11, NEW),
}


def progress(status: str, reply: str) -> Progress:
    # Chatwoot notes the first answer of a human only, and keeps it when the conversation is opened again.
    return Progress(
        contact_id=1,
        created_at=NOON,
        responded_at=NOON + timedelta(hours=1) if reply == "agent" else None,
        resolved_at=NOON + timedelta(hours=2) if status == "resolved" else None,
    )


@pytest.mark.parametrize("configured", list(product((True, False), repeat=3)), ids=str)
@pytest.mark.parametrize("status", STATUS)
@pytest.mark.parametrize("reply", REPLY)
def test_where_a_lead_goes(configured: tuple[bool, bool, bool], status: str, reply: str) -> None:
    stages = {milestone: STAGES[milestone] for milestone, on in zip(Milestone, configured, strict=True) if on}
    wanted = wanted_stage(progress(status, reply), stages, ORDER)
    earned = [
        stage
        for stage, is_on, is_earned in zip(
            STAGES.values(), configured, (True, reply == "agent", status == "resolved"), strict=True
        )
        if is_on and is_earned
    ]
    assert (wanted.stage_id if wanted else None) == max(earned, default=None)
    if wanted is None:
        return
    actual = {name: decide(wanted, lead, PIPELINE, "keep") for name, lead in LEADS.items()}
    forward = wanted.stage_id > NEGOTIATION
    assert actual == {
        "at new": Verdict.MOVE,
        "later": Verdict.MOVE if forward else Verdict.FURTHER,
        "won": Verdict.ALREADY_THERE if wanted.stage_id == WON else Verdict.CLOSED,
        "lost": Verdict.CLOSED,
        "moved by hand": Verdict.ALREADY_THERE if wanted.stage_id == FOLLOW_UP else Verdict.MOVED_BY_HAND,
        "other pipeline": Verdict.OTHER_PIPELINE,
    }
    overwritten = decide(wanted, LEADS["moved by hand"], PIPELINE, "overwrite")
    assert overwritten is (Verdict.ALREADY_THERE if wanted.stage_id == FOLLOW_UP else Verdict.MOVE)


def test_with_overwrite_a_lead_still_never_goes_back() -> None:
    wanted = Wanted(FOLLOW_UP, Milestone.CREATED, NOON)
    assert decide(wanted, Standing(1, NEGOTIATION, NEW), PIPELINE, "overwrite") is Verdict.FURTHER
    assert decide(wanted, Standing(1, LOST, NEW), PIPELINE, "overwrite") is Verdict.CLOSED


def test_the_order_is_the_pipeline_s_not_the_milestones() -> None:
    backwards = {Milestone.CREATED: NEGOTIATION, Milestone.RESOLVED: FOLLOW_UP}
    wanted = wanted_stage(progress("resolved", "agent"), backwards, ORDER)
    assert wanted is not None
    assert (wanted.stage_id, wanted.milestone) == (NEGOTIATION, Milestone.CREATED)


def test_a_stage_of_another_pipeline_is_never_wanted() -> None:
    assert wanted_stage(progress("open", "agent"), {Milestone.CREATED: 99}, ORDER) is None


def test_a_following_lead_is_not_moved_by_what_the_earlier_one_earned() -> None:
    follower = Standing(1, NEW, NEW, since=NOON)
    before = Wanted(WON, Milestone.RESOLVED, NOON - timedelta(days=1))
    after = Wanted(WON, Milestone.RESOLVED, NOON + timedelta(days=1))
    assert decide(before, follower, PIPELINE, "keep") is Verdict.EARLIER_LEAD
    assert decide(after, follower, PIPELINE, "keep") is Verdict.MOVE
    again = Wanted(FOLLOW_UP, Milestone.CREATED, NOON + timedelta(hours=1))
    assert wanted_since([again, before], NOON) == again
    assert wanted_since([again, before], None) == wanted_since([before], NOON) == before


@pytest.mark.parametrize("offset", [timedelta(0), timedelta(hours=5, minutes=30), timedelta(hours=-3)])
def test_a_server_s_clock_is_learned_from_one_answer(offset: timedelta) -> None:
    clock = ServerClock()
    sent = clock.local(NOON)
    shown = datetime.strptime(sent, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC) - offset
    clock.learn(sent, shown)
    assert clock.local(NOON) == (NOON + offset).strftime("%Y-%m-%d %H:%M:%S")
