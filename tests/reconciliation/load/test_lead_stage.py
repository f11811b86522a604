"""The sink for stage moves, alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from krayin.records import Lead
from reconciliation.errors import OperationHeldError
from reconciliation.load.contact import ContactSink
from reconciliation.load.lead_stage import LeadStageSink
from reconciliation.store.ledger import REOPEN, Operation, OperationState
from reconciliation.store.mapping_row import MappingState
from reconciliation.store.removals import Closing

from tests.reconciliation.load.bench import Bench, operation, row
from tests.reconciliation.load.contacts import ada, contact
from tests.reconciliation.samples import NOON

if TYPE_CHECKING:
    from sandbox.krayin.testing import RunningKrayin

NEW, FOLLOW_UP, PROSPECT, NEGOTIATION, WON, LOST = range(1, 7)
OWN = 900


def move(stage_id: int, **columns: Any) -> Operation:
    payload = {
        "stage_id": stage_id,
        "milestone": "resolved",
        "reached_at": NOON.isoformat(),
        "hash": "aa",
    }
    return operation("stage", payload, **columns)


def lead_of(bench: Bench, **columns: Any) -> int:
    """Have Ada's lead linked as we made it, with a stage row of ours that says nothing yet; return its id."""
    _, lead = ada(bench, **columns)
    bench.keep("contact", "lead", row(lead))
    bench.keep("stage", "lead", row(None, MappingState.PENDING, id=OWN, last_sent=None))
    return lead


def lead(bench: Bench) -> dict[str, Any]:
    (one,) = bench.krayin.records("leads")["leads"]
    return one


class Memory:
    """Knows of one lead that we closed."""

    def __init__(self, closing: Closing) -> None:
        self.closing = closing
        self.ended: list[str] = []

    def closing_of(self, *_: int) -> Closing:
        return self.closing

    def end_closing(self, _: int, __: int, how: str) -> None:
        self.ended.append(how)


def test_a_move_is_noted_written_and_acknowledged(bench: Bench) -> None:
    number = lead_of(bench)
    outcome = LeadStageSink(bench.context).write(move(PROSPECT))
    assert (outcome.state, outcome.result) == (OperationState.DONE, {"stage": "moved"})
    sent = {"lead": number, "stage": PROSPECT, "milestone": "resolved"}
    assert bench.notes == [
        ("intent", "move_stage"),
        ("attempt", {**sent, "reached_at": NOON.isoformat()}),
        ("PUT", "leads/attributes/edit/{id}"),
        ("progress", "move_stage:done"),
        ("ack", OWN),
    ]
    assert bench.kept("stage", "lead").last_sent == sent
    assert lead(bench)["lead_pipeline_stage_id"] == PROSPECT


def test_a_lead_is_closed_at_the_moment_that_is_meant(running: RunningKrayin) -> None:
    bench = Bench(running)
    lead_of(bench)
    assert LeadStageSink(bench.context).write(move(WON)).state is OperationState.DONE
    (closed,) = bench.client.by_ids(Lead, [lead(bench)["id"]])
    assert (closed.stage_id, closed.closed_at) == (WON, NOON)


def test_a_lead_is_moved_forward_only(bench: Bench) -> None:
    lead_of(bench, lead_pipeline_stage_id=NEGOTIATION)
    LeadStageSink(bench.context).write(move(PROSPECT))
    assert bench.calls == []
    assert lead(bench)["lead_pipeline_stage_id"] == NEGOTIATION


def test_where_a_salesperson_put_it_the_lead_stays(bench: Bench) -> None:
    number = lead_of(bench, lead_pipeline_stage_id=FOLLOW_UP)
    kept = row(None, id=OWN, last_sent={"lead": number, "stage": PROSPECT, "milestone": "created"})
    bench.keep("stage", "lead", kept)
    assert LeadStageSink(bench.context).write(move(NEGOTIATION)).result == {"stage": "moved_by_hand"}
    assert bench.calls == []


def test_a_person_is_asked_before_a_stage_is_overwritten(running: RunningKrayin) -> None:
    bench = Bench(running, on_crm_edit="overwrite")
    number = lead_of(bench, lead_pipeline_stage_id=FOLLOW_UP)
    kept = row(None, id=OWN, last_sent={"lead": number, "stage": PROSPECT, "milestone": "created"})
    bench.keep("stage", "lead", kept)
    bench.ledger.must_ask = True
    with pytest.raises(OperationHeldError):
        LeadStageSink(bench.context).write(move(NEGOTIATION))
    assert bench.notes == []


def test_a_move_whose_answer_was_lost_is_ours_and_not_made_again(bench: Bench) -> None:
    number = lead_of(bench, lead_pipeline_stage_id=PROSPECT)
    tried = {"lead": number, "stage": PROSPECT, "milestone": "resolved", "reached_at": NOON.isoformat()}
    bench.keep("stage", "lead", row(None, id=OWN, pending_write=tried, last_sent=None))
    LeadStageSink(bench.context).write(move(PROSPECT, step="move_stage"))
    assert bench.calls == []
    assert bench.kept("stage", "lead").last_sent == {
        "lead": number, "stage": PROSPECT, "milestone": "resolved",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("state", "ends", "why"),
    [
        (None, OperationState.PLANNED, "contact_not_linked"),
        (MappingState.PENDING, OperationState.PLANNED, "contact_not_linked"),
        (MappingState.GONE, OperationState.OBSOLETE, "deleted_in_krayin"),
    ],
)
def test_a_move_follows_its_contact(
    bench: Bench, state: MappingState | None, ends: OperationState, why: str
) -> None:
    if state is not None:
        bench.keep("contact", "lead", row(None, state))
    outcome = LeadStageSink(bench.context).write(move(PROSPECT))
    assert (outcome.state, outcome.error_class) == (ends, why)


def test_a_lead_that_is_gone_is_noted(bench: Bench) -> None:
    bench.keep("contact", "lead", row(99))
    assert LeadStageSink(bench.context).write(move(PROSPECT)).error_class == "deleted_in_krayin"
    assert bench.kept("contact", "lead").state is MappingState.GONE


def reopening(bench: Bench, closing: Closing, **columns: Any) -> tuple[LeadStageSink, Memory, Operation]:
    sink, memory = LeadStageSink(bench.context), Memory(closing)
    sink.memory = memory  # type: ignore[assignment]
    payload = {REOPEN: {}, "hash": "aa"}
    return sink, memory, operation("stage", payload, **columns)


def test_a_lead_that_we_closed_is_reopened(bench: Bench) -> None:
    lead_of(bench, lead_pipeline_stage_id=LOST)
    sink, memory, asked = reopening(bench, Closing(FOLLOW_UP, LOST))
    assert sink.write(asked).result == {"stage": "reopened"}
    assert bench.notes == [("intent", "reopen_lead"), ("PUT", "leads/attributes/edit/{id}")]
    assert memory.ended == ["reopened"]
    assert lead(bench)["lead_pipeline_stage_id"] == FOLLOW_UP


def test_a_lead_that_somebody_decided_about_since_is_left(bench: Bench) -> None:
    lead_of(bench, lead_pipeline_stage_id=LOST)
    sink, memory, asked = reopening(bench, Closing(FOLLOW_UP, LOST, closed_at=NOON - timedelta(days=9)))
    assert sink.write(asked).result == {"stage": "left"}
    assert (bench.calls, memory.ended) == ([], ["left"])


def test_a_reopening_whose_answer_was_lost_is_not_made_again(bench: Bench) -> None:
    lead_of(bench, lead_pipeline_stage_id=FOLLOW_UP)
    sink, memory, asked = reopening(bench, Closing(FOLLOW_UP, LOST), step="reopen_lead")
    assert sink.write(asked).result == {"stage": "reopened"}
    assert (bench.calls, memory.ended) == ([], ["reopened"])


def waiting_for_a_lead(bench: Bench, stage_id: int) -> None:
    """Have a move wait for Ada's lead, as operation 5."""
    bench.keep("stage", "lead", row(None, MappingState.PENDING, id=OWN, last_sent=None))
    bench.ledger.move = (5, move(stage_id).payload)


def test_a_lead_is_made_in_the_stage_that_waits_for_it_and_the_move_is_done(bench: Bench) -> None:
    waiting_for_a_lead(bench, PROSPECT)
    outcome = ContactSink(bench.context).write(contact())
    assert outcome.result == {"person": "created", "lead": "created", "stage": "moved"}
    tried = {"lead": None, "stage": PROSPECT, "milestone": "resolved", "reached_at": NOON.isoformat()}
    assert bench.notes[:3] == [("intent", "create_contact"), ("attempt", tried), ("POST", "leads")]
    assert bench.notes[-3:] == [
        ("progress", "move_stage:done"),
        ("ack", OWN),
        ("carried_out", 5, {"stage": "moved"}),
    ]
    assert bench.kept("stage", "lead").last_sent == {"lead": 1, "stage": PROSPECT, "milestone": "resolved"}
    assert bench.calls == ["POST"]


def test_a_lead_whose_creation_was_not_answered_stands_where_it_was_to_be_made(bench: Bench) -> None:
    number = lead_of(bench, lead_pipeline_stage_id=PROSPECT)
    tried = {"lead": None, "stage": PROSPECT, "milestone": "created", "reached_at": NOON.isoformat()}
    bench.keep("stage", "lead", row(None, MappingState.PENDING, id=OWN, last_sent=None, pending_write=tried))
    # It went on meanwhile: nobody moved it by hand.
    assert LeadStageSink(bench.context).write(move(NEGOTIATION)).result == {"stage": "moved"}
    assert bench.kept("stage", "lead").last_sent == {
        "lead": number,
        "stage": NEGOTIATION,
        "milestone": "resolved",
    }


def test_a_lead_that_a_workflow_moved_at_its_creation_is_left_to_its_move(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting_for_a_lead(bench, WON)
    create = bench.client.create_lead

    def moved(draft: Any) -> Any:
        made = create(draft)
        return replace(made, lead=replace(made.lead, stage_id=LOST))

    monkeypatch.setattr(bench.client, "create_lead", moved)
    outcome = ContactSink(bench.context).write(contact())
    assert outcome.result == {"person": "created", "lead": "created"}
    assert bench.calls == ["POST"]


def test_a_lead_that_is_won_keeps_what_krayin_gave_it(running: RunningKrayin) -> None:
    bench = Bench(running)
    running.seed(attributes=[{"code": "vip", "name": "VIP", "type": "boolean", "entity_type": "leads"}])
    waiting_for_a_lead(bench, WON)
    ContactSink(bench.context).write(contact())
    assert bench.calls[:2] == ["POST", "PUT"]
    assert lead(bench)["lead_pipeline_stage_id"] == WON
    assert lead(bench)["closed_at"] is not None


@pytest.mark.parametrize("first", [NEGOTIATION, WON])
def test_a_lead_begins_no_earlier_than_new_leads_do(running: RunningKrayin, first: int) -> None:
    bench = Bench(running, lead_pipeline_stage_id=first)
    waiting_for_a_lead(bench, PROSPECT)
    assert ContactSink(bench.context).write(contact()).result == {"person": "created", "lead": "created"}
    assert lead(bench)["lead_pipeline_stage_id"] == first
