"""What is brought over, stream by stream: the one table of what belongs together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from chatwoot.streams import Stream

from reconciliation.model.activity import ActivityRules, map_conversation, map_message
from reconciliation.model.desired_activity import CONVERSATION, MESSAGE
from reconciliation.model.desired_contact import inbox_of
from reconciliation.model.hashing import stable_hash
from reconciliation.model.stages import Milestone, qualified_stages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from chatwoot.records import Progress

    from reconciliation.model.desired_activity import ActivitySkip, DesiredActivity
    from reconciliation.settings.sync_settings import SyncSettings

CONTACT = "contact"
LEAD = "lead"
"""The lead of a contact for one more inbox; it is read with the contact."""
STAGE = "stage"


def kind_of_lead(source_id: str) -> str:
    """Return the kind of source record to which the lead belongs whose stage has this source id."""
    return CONTACT if inbox_of(source_id) is None else LEAD


@dataclass(frozen=True, slots=True)
class Rules:
    """By what the streams beside the contacts are mapped.

    Attributes:
        activities: by what conversations and messages are.
        stages: the stages that conversations qualify a lead for, by milestone.
        order: the stages of the pipeline.
        follow: whether a closed lead may be followed by a new one, for which only what is qualified
            afterwards counts: then all that was qualified is noted, and any news of it makes a difference.
    """

    activities: ActivityRules
    stages: Mapping[Milestone, int]
    order: Sequence[int]
    follow: bool


@dataclass(frozen=True, slots=True)
class DesiredStage:
    """The stage that a contact's lead should have reached."""

    contact_id: int
    document: dict[str, Any]

    def hash(self) -> bytes:
        """Return a hash of all of it."""
        return stable_hash(self.document)

    def to_json(self) -> dict[str, Any]:
        """Return what is planned from."""
        return self.document


def map_progress(progress: Progress, rules: Rules) -> DesiredStage | None:
    """Return the stage for a contact that came so far, None if it qualified for nothing."""
    qualified = [
        {"stage_id": one.stage_id, "milestone": str(one.milestone), "reached_at": one.reached_at.isoformat()}
        for one in qualified_stages(progress, rules.stages, rules.order)
    ]
    if not qualified:
        return None
    # The name it was always stored under: another would change the hash of what is unchanged.
    document = {**qualified[-1], "earned": qualified} if rules.follow else qualified[-1]
    return DesiredStage(progress.contact_id, document)


def stages_of(settings: SyncSettings) -> dict[Milestone, int]:
    """Return the stages that the settings name, by milestone."""
    named = {
        Milestone.CREATED: settings.stage_on_conversation_created,
        Milestone.FIRST_RESPONSE: settings.stage_on_first_response,
        Milestone.RESOLVED: settings.stage_on_conversation_resolved,
    }
    return {milestone: stage for milestone, stage in named.items() if stage is not None}


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """A stream on its way from Chatwoot to Krayin.

    Attributes:
        stream: what Chatwoot is asked for, and the name under which checksums are remembered.
        kind: the `source_kind` of what it turns into: mapping rows, staged rows, operations, findings.
        crm_kind: the kind of record in Krayin that it is about first.
        watermark: the name under which it is noted how far it was read.
        is_on: whether a sync brings it over.
        settings_hash: a hash of the settings that decide what it turns into.
        map: a record, the rules and whether Krayin has it through us, to what Krayin should hold or why
            not; None where there is nothing to hold. Contacts are mapped by rules of their own.
    """

    stream: Stream
    kind: str
    crm_kind: str
    watermark: str
    is_on: Callable[[SyncSettings], bool]
    settings_hash: Callable[[SyncSettings], bytes]
    map: Callable[[Any, Rules, bool], DesiredActivity | DesiredStage | ActivitySkip | None]


def _hash(stream: str, settings: SyncSettings, **deciding: Any) -> bytes:
    shared = {
        "stream": stream,
        "history": settings.model_dump(mode="json", include={"history"})["history"],
        **settings.scope_document(),
    }
    return stable_hash({**shared, **deciding})


def _activity_hash(stream: str, kind: str, settings: SyncSettings, **deciding: Any) -> bytes:
    # Whoever has no template gets no other hash by an upgrade.
    templates = {place: one.source for place, one in settings.templates.of(kind).items()}
    link = {"link": settings.activity_link, "url": settings.chatwoot.url}
    return _hash(stream, settings, **link, **templates, **deciding)


def _conversations_hash(settings: SyncSettings) -> bytes:
    # Nor does who has no transcripts.
    whole = {"transcript": settings.transcript, "open": settings.sync_conversations}
    return _activity_hash("conversations", CONVERSATION, settings, **whole if settings.transcript else {})


def _stage_hash(settings: SyncSettings) -> bytes:
    stages = {str(milestone): stage for milestone, stage in stages_of(settings).items()}
    # Whoever does not set them gets no other hash by an upgrade.
    further: dict[str, Any] = {"follow": True} if settings.new_lead_after_close else {}
    further |= {"per": "inbox"} if settings.leads.per == "inbox" else {}
    return _hash("stages", settings, stages=stages, pipeline=settings.lead_pipeline_id, **further)


CONTACTS = StreamSpec(
    Stream.CONTACTS,
    CONTACT,
    "person",
    "contacts",
    lambda _: True,
    lambda settings: settings.contents_hash(),
    lambda *_: None,
)
CONVERSATIONS = StreamSpec(
    Stream.CONVERSATIONS,
    CONVERSATION,
    "activity",
    "conversations",
    lambda settings: settings.sync_conversations or settings.transcript is not None,
    _conversations_hash,
    lambda row, rules, mapped: map_conversation(row, rules.activities, mapped=mapped),
)
MESSAGES = StreamSpec(
    Stream.MESSAGES,
    MESSAGE,
    "activity",
    "messages",
    lambda settings: settings.sync_messages,
    partial(_activity_hash, "messages", MESSAGE),
    lambda row, rules, mapped: map_message(row, rules.activities, mapped=mapped),
)
PROGRESS = StreamSpec(
    Stream.PROGRESS,
    STAGE,
    "lead",
    "stages",
    lambda settings: settings.stage_progression_enabled and bool(stages_of(settings)),
    _stage_hash,
    lambda row, rules, _: map_progress(row, rules),
)
SPECS = (CONTACTS, CONVERSATIONS, MESSAGES, PROGRESS)
"""All streams, in the order in which they are read: contacts first, as the others hang on them."""
ACTIVITIES = (CONVERSATIONS, MESSAGES)
"""Those whose records become activities."""
RECORDS = (CONTACTS, *ACTIVITIES)
"""Those whose records can be gone in Chatwoot; how far a conversation came is none."""
KINDS = {spec.stream: spec.kind for spec in SPECS}
STREAMS = {spec.kind: spec.stream for spec in SPECS}


def streams(settings: SyncSettings) -> tuple[StreamSpec, ...]:
    """Return the streams that the settings switch on, beside the contacts."""
    return tuple(spec for spec in SPECS[1:] if spec.is_on(settings))
