"""Where a lead belongs by how far its contact's conversations came, and whether it may be moved there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal

from krayin.json_values import FromJson
from pydantic import AliasChoices, Field

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chatwoot.records import Progress


_FORM = "%Y-%m-%d %H:%M:%S"


class Milestone(StrEnum):
    """How far a conversation came."""

    CREATED = "created"
    FIRST_RESPONSE = "first_response"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class TargetStage(FromJson):
    """The stage a lead is to reach, for which milestone, and when that was reached (aware)."""

    stage_id: Annotated[int, Field(validation_alias=AliasChoices("stage_id", "stage"))]
    milestone: Milestone
    reached_at: datetime


class StageDecision(StrEnum):
    """Whether a lead is moved, and why not."""

    MOVE = "moved"
    ALREADY_THERE = "already_there"
    FURTHER = "already_further"
    CLOSED = "already_closed"
    OTHER_PIPELINE = "other_pipeline"
    MOVED_BY_HAND = "moved_by_hand"
    EARLIER_LEAD = "reached_with_an_earlier_lead"


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The pipeline of a sync's leads: its stages in order, and those that are won or lost."""

    id: int
    order: Sequence[int]
    final: frozenset[int]


@dataclass(slots=True)
class ServerClock:
    """The offset of Krayin's zone as far as known.

    Krayin 2.1.5 reads `closed_at` as its own local time, has no way to say which zone that is, and
    shows it as an instant. So what was sent and what is shown tell the offset; daylight saving makes
    another one true at another time, which the next answer then tells.
    """

    offset: timedelta = timedelta(0)

    def local(self, moment: datetime) -> str:
        """Return an aware moment as Krayin's clock shows it, as far as we know."""
        return (moment.astimezone(UTC) + self.offset).strftime(_FORM)

    def learn(self, sent: str, shown: datetime) -> None:
        """Learn from a local time that was sent and the instant (aware) that Krayin made of it."""
        wall = datetime.strptime(sent, _FORM).replace(tzinfo=UTC)
        self.offset = wall - shown.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class LeadPosition:
    """Where a lead is now, and where we left it.

    `base` is the stage it had through us last, None when we never set or saw one. `since` is when the
    contact's earlier lead was closed, None without one: what was milestones by then was milestones with that.
    """

    pipeline_id: int | None
    stage_id: int | None
    base: int | None = None
    since: datetime | None = None


def milestones(progress: Progress) -> dict[Milestone, datetime]:
    """Return the milestones that the furthest of a contact's conversations passed, with their times."""
    moments = {
        Milestone.CREATED: progress.created_at,
        Milestone.FIRST_RESPONSE: progress.responded_at,
        Milestone.RESOLVED: progress.resolved_at,
    }
    return {milestone: at for milestone, at in moments.items() if at is not None}


def qualified_stages(
    progress: Progress, stages: Mapping[Milestone, int], order: Sequence[int]
) -> tuple[TargetStage, ...]:
    """Return the configured stages the contact qualifies for, by their place in the pipeline's `order`."""
    qualified = (
        TargetStage(stages[milestone], milestone, at)
        for milestone, at in milestones(progress).items()
        if milestone in stages and stages[milestone] in order
    )
    return tuple(sorted(qualified, key=lambda one: order.index(one.stage_id)))


def target_since(qualified: Sequence[TargetStage], since: datetime | None) -> TargetStage:
    """Return the furthest stage qualified after `since`, the furthest of all where there is none.

    `qualified` is as of `qualified_stages`, not empty.
    """
    lately = (one for one in reversed(qualified) if since is None or one.reached_at > since)
    return next(lately, qualified[-1])


def decide(  # noqa: PLR0911 - one for each reason
    wanted: TargetStage, lead: LeadPosition, pipeline: Pipeline, on_crm_edit: Literal["keep", "overwrite"]
) -> StageDecision:
    """Decide whether a lead is moved.

    It moves forward along its pipeline only, never out of won or lost, never from another pipeline.
    Where a salesperson moved it, it stays with `keep`.
    """
    if lead.stage_id == wanted.stage_id:
        return StageDecision.ALREADY_THERE
    if lead.stage_id in pipeline.final:
        return StageDecision.CLOSED
    if lead.pipeline_id != pipeline.id or lead.stage_id not in pipeline.order:
        return StageDecision.OTHER_PIPELINE
    if lead.since is not None and wanted.reached_at <= lead.since:
        return StageDecision.EARLIER_LEAD
    if on_crm_edit == "keep" and lead.base is not None and lead.stage_id != lead.base:
        return StageDecision.MOVED_BY_HAND
    if pipeline.order.index(wanted.stage_id) < pipeline.order.index(lead.stage_id):
        return StageDecision.FURTHER
    return StageDecision.MOVE
