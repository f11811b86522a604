"""The sink for activities, alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from krayin.errors import OutcomeUnknown
from reconciliation.crm.fields import activity_sent
from reconciliation.load.activity import ActivitySink
from reconciliation.model.desired_activity import DesiredActivity
from reconciliation.store.ledger import Operation, OperationState
from reconciliation.store.mapping_row import MappingState

from tests.reconciliation.load.bench import Bench, operation, row
from tests.reconciliation.load.contacts import ada
from tests.reconciliation.samples import NOON

if TYPE_CHECKING:
    from sandbox.krayin.testing import RunningKrayin

TALK = DesiredActivity(
    source_kind="conversation",
    source_id="7",
    contact_id=7,
    type="call",
    title="Conversation 7",
    comment="Hello",
    is_done=False,
    start=NOON,
    end=NOON + timedelta(hours=1),
    key="here-conversation-1-7",
    said="a mark",
)


def wanted(adopt: dict[str, Any] | None = None, step: str | None = None, **fields: Any) -> Operation:
    activity = replace(TALK, **fields)
    payload = {"activity": activity.to_json(), "hash": activity.hash().hex(), "adopt": adopt}
    return operation("conversation", payload, step=step)


def contact_of(bench: Bench) -> int:
    """Have contact 7 linked; return its person."""
    person, lead = ada(bench)
    bench.keep("contact", "person", row(person))
    bench.keep("contact", "lead", row(lead))
    return person


def made(bench: Bench) -> int:
    """Have the activity made and acknowledged; return its id."""
    contact_of(bench)
    assert ActivitySink(bench.context).write(wanted()).state is OperationState.DONE
    bench.notes.clear()
    crm_id = bench.kept("conversation", "activity").crm_id
    assert crm_id is not None
    return crm_id


def activities(bench: Bench) -> list[dict[str, Any]]:
    return [one for one in bench.krayin.records("activities")["activities"] if one["type"] != "system"]


def marks(bench: Bench) -> list[bool]:
    noted = [note[1] for note in bench.notes if note[0] == "execute" and "is_done" in (note[1] or {})]
    return [one["is_done"] for one in noted]


def test_an_activity_is_made_by_one_call_that_was_intended(bench: Bench) -> None:
    person = contact_of(bench)
    outcome = ActivitySink(bench.context).write(wanted())
    assert (outcome.state, outcome.result) == (OperationState.DONE, {"activity": "created"})
    ((_, _, crm_id, _),) = [note for note in bench.notes if note[0] == "link"]
    assert bench.notes == [
        ("intent", "create_activity"),
        ("POST", "activities"),
        ("progress", "activity:linked"),
        ("link", "activity", crm_id, "created"),
    ]
    kept = bench.kept("conversation", "activity")
    assert (kept.acked_hash, kept.last_sent) == (TALK.hash(), activity_sent(TALK, {"person": person}))


@pytest.mark.parametrize(("kind", "is_done", "marked"), [
    ("call", True, [True]), ("call", False, []), ("note", True, []), ("note", False, [False]),
])  # fmt: skip
def test_what_krayin_does_not_make_done_as_it_should_be_is_marked(
    bench: Bench, kind: str, is_done: bool, marked: list[bool]
) -> None:
    contact_of(bench)
    ActivitySink(bench.context).write(wanted(type=kind, is_done=is_done))
    assert marks(bench) == marked


def test_two_links_take_two_calls(running: RunningKrayin) -> None:
    bench = Bench(running, activity_link="both")
    contact_of(bench)
    ActivitySink(bench.context).write(wanted())
    assert bench.calls == ["POST", "PUT"]
    assert bench.kept("conversation", "activity").acked_hash == TALK.hash()


def test_a_change_is_noted_written_and_acknowledged(bench: Bench) -> None:
    crm_id = made(bench)
    outcome = ActivitySink(bench.context).write(wanted(comment="Hello again", said="another mark"))
    assert outcome.result == {"activity": "updated"}
    assert [note[0] for note in bench.notes] == ["intent", "attempt", "PUT", "progress", "ack"]
    assert bench.notes[0] == ("intent", "update_activity")
    assert [one["comment"] for one in activities(bench) if one["id"] == crm_id] == ["Hello again"]


def test_what_is_acknowledged_already_is_not_looked_at(bench: Bench) -> None:
    made(bench)
    assert ActivitySink(bench.context).write(wanted()).result == {}
    assert bench.notes == []


def test_what_a_salesperson_wrote_stays(bench: Bench) -> None:
    crm_id = made(bench)
    bench.krayin.edit(activities=[{"id": crm_id, "comment": "We spoke"}])
    ActivitySink(bench.context).write(wanted(comment="Hello again", said="another mark"))
    assert bench.calls == []
    assert [one["comment"] for one in activities(bench)] == ["We spoke"]


def test_an_activity_with_participants_is_left_alone(bench: Bench) -> None:
    person = contact_of(bench)
    call = {
        "type": "call",
        "title": "Call",
        "schedule_from": NOON.isoformat(),
        "schedule_to": NOON.isoformat(),
    }
    with_ada = {**call, "person_id": person, "participants": {"persons": [person]}}
    (crm_id,) = bench.krayin.seed(activities=[with_ada])["activities"]
    bench.keep("conversation", "activity", row(crm_id, last_sent={}))
    assert ActivitySink(bench.context).write(wanted()).result == {"activity": "left_to_participants"}
    assert bench.calls == []


def test_a_creation_without_an_answer_is_looked_for_before_it_is_repeated(bench: Bench) -> None:
    contact_of(bench)
    bench.krayin.set_faults({"kind": "drop_after", "method": "POST", "route": "activities$", "count": 1})
    with pytest.raises(OutcomeUnknown):
        ActivitySink(bench.context).write(wanted())
    outcome = ActivitySink(bench.context).write(wanted(step="create_activity"))
    assert outcome.result == {"activity": "created"}
    assert bench.calls[0] == "POST"
    assert "POST" not in bench.calls[1:]
    assert len(activities(bench)) == 1


def test_what_a_dead_person_left_of_a_creation_is_deleted(bench: Bench) -> None:
    bench.keep("contact", "person", row(99))
    additional = {"additional": {"chatwoot": TALK.key}}
    bench.krayin.seed(activities=[{"type": "note", "title": TALK.title, "comment": "x", **additional}])
    outcome = ActivitySink(bench.context).write(wanted(step="create_activity"))
    assert (outcome.state, outcome.error_class) == (OperationState.OBSOLETE, "deleted_in_krayin")
    assert bench.kept("contact", "person").state is MappingState.GONE
    assert activities(bench) == []


def test_a_deleted_activity_stays_deleted(bench: Bench) -> None:
    contact_of(bench)
    bench.keep("conversation", "activity", row(99, last_sent={}))
    outcome = ActivitySink(bench.context).write(wanted())
    assert (outcome.state, outcome.error_class) == (OperationState.OBSOLETE, "deleted_in_krayin")
    assert ActivitySink(bench.context).write(wanted()).error_class == "deleted_in_krayin"
    assert bench.calls == []


def test_a_deleted_activity_is_made_again_where_that_is_wanted(running: RunningKrayin) -> None:
    bench = Bench(running, recreate_deleted=True)
    contact_of(bench)
    bench.keep("conversation", "activity", row(99, last_sent={}))
    assert ActivitySink(bench.context).write(wanted()).state is OperationState.PLANNED
    assert ActivitySink(bench.context).write(wanted()).result == {"activity": "created"}


@pytest.mark.parametrize(
    ("state", "ends", "why"),
    [
        (None, OperationState.OBSOLETE, "contact_gone"),
        (MappingState.ORPHANED, OperationState.OBSOLETE, "contact_gone"),
        (MappingState.GONE, OperationState.OBSOLETE, "deleted_in_krayin"),
        (MappingState.PENDING, OperationState.PLANNED, "contact_not_linked"),
        (MappingState.QUARANTINED, OperationState.PLANNED, "contact_not_linked"),
    ],
)
def test_an_activity_follows_its_contact(
    bench: Bench, state: MappingState | None, ends: OperationState, why: str
) -> None:
    if state is not None:
        bench.keep("contact", "person", row(None, state))
    outcome = ActivitySink(bench.context).write(wanted())
    assert (outcome.state, outcome.error_class) == (ends, why)
    assert bench.notes == []


def test_an_activity_of_an_earlier_integration_is_taken_over_as_it_is(bench: Bench) -> None:
    person = contact_of(bench)
    note = {"type": "note", "title": "Old", "comment": "x", "person_id": person}
    (crm_id,) = bench.krayin.seed(activities=[note])["activities"]
    adopt = {"origin": "adopted", "id": crm_id, "title": "Old", "comment": "a mark", "is_done": True}
    assert ActivitySink(bench.context).write(wanted(adopt)).result == {"activity": "adopted"}
    assert bench.calls == []
    assert bench.kept("conversation", "activity").acked_hash == TALK.hash()


def test_one_that_belongs_to_somebody_else_meanwhile_is_made_anew(bench: Bench) -> None:
    contact_of(bench)
    bench.store.others["activity", 50] = "conversation 8 of account 1"
    adopt = {"origin": "adopted", "id": 50, "title": "Old", "comment": "a mark", "is_done": True}
    assert ActivitySink(bench.context).write(wanted(adopt)).result == {"activity": "created"}
