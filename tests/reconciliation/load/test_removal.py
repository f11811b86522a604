"""The sink for removals, alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from krayin.errors import DeletionsLimited
from krayin.permits import Permit
from reconciliation.load.removal import REFUSALS, Removal, RemovalAction, RemovalSink
from reconciliation.load.still_gone import Presence
from reconciliation.store.ledger import Operation, OperationState

from tests.reconciliation.load.bench import Bench, operation
from tests.reconciliation.load.contacts import ada
from tests.reconciliation.samples import NOON

if TYPE_CHECKING:
    from krayin.client import KrayinClient
    from reconciliation.crm.person_deletions import PersonDeletions
    from reconciliation.load.still_gone import SourceCheck

LOST = 6


@dataclass
class Source:
    """Chatwoot, which shows one thing."""

    presence: Presence = Presence.GONE

    def look(self, _: Operation) -> Presence:
        return self.presence


@dataclass
class Deletions:
    """Krayin's limit of deletions, which lets everybody through unless it refuses."""

    client: KrayinClient
    waits: timedelta | None = None
    refusal: DeletionsLimited | None = None
    asked: list[int] = field(default_factory=list)

    def wait(self) -> timedelta | None:
        return self.waits

    def permit(self) -> Permit:
        return Permit(1, 1, NOON)

    def delete(self, person_id: int, permit: Permit) -> bool:
        self.asked.append(person_id)
        if self.refusal is not None:
            raise self.refusal
        return self.client.delete_person(person_id)


def sink_of(bench: Bench, presence: Presence = Presence.GONE, **limits: Any) -> RemovalSink:
    source, deletions = Source(presence), Deletions(bench.client, **limits)
    return RemovalSink(bench.context, cast("SourceCheck", source), cast("PersonDeletions", deletions))


def removal(action: RemovalAction, **records: Any) -> Operation:
    attempts = records.pop("attempts", 0)
    planned = Removal("contact", "7", action, [1], **records).to_operation("now")
    return operation("contact", planned.payload, attempts=attempts)


def deletion(bench: Bench, **columns: Any) -> Operation:
    person, lead = ada(bench)
    return removal(RemovalAction.DELETE, person=person, lead=lead, **columns)


def steps(bench: Bench) -> list[Any]:
    """The intents and calls, in order."""
    return [note[1] if note[0] == "intent" else note[0] for note in bench.notes if note[0] in {
        "intent", "PUT", "POST", "DELETE",
    }]  # fmt: skip


def left(bench: Bench) -> tuple[int, int]:
    tables = bench.krayin.records("persons", "leads")
    return len(tables["persons"]), len(tables["leads"])


def test_a_lead_goes_before_its_person_each_intended_first(bench: Bench) -> None:
    outcome = sink_of(bench).write(deletion(bench))
    assert (outcome.state, outcome.result) == (
        OperationState.DONE, {"lead": "deleted", "person": "deleted"},
    )  # fmt: skip
    assert steps(bench) == ["delete_lead", "DELETE", "delete_person", "DELETE"]
    assert left(bench) == (0, 0)


def test_what_a_record_was_is_remembered_before_it_is_deleted(bench: Bench) -> None:
    sink_of(bench).write(deletion(bench))
    order = [note[0] for note in bench.notes]
    assert order[:4] == ["intent", "execute", "DELETE", "execute"]
    remembered = bench.notes[1][1]
    assert (remembered["crm_kind"], remembered["action"]) == ("lead", "deleted")


def test_a_lead_is_closed_and_what_it_was_remembered(bench: Bench) -> None:
    _, lead = ada(bench)
    outcome = sink_of(bench).write(removal(RemovalAction.CLOSE, lead=lead))
    assert outcome.result == {"lead": "closed"}
    assert steps(bench) == ["close_lead", "PUT"]
    remembered = bench.notes[1][1]
    assert remembered["before"].obj == {"stage_id": 1, "lost_reason": None}
    assert bench.krayin.records("leads")["leads"][0]["lead_pipeline_stage_id"] == LOST


def test_a_lead_that_is_closed_already_stays_as_it_is(bench: Bench) -> None:
    _, lead = ada(bench, lead_pipeline_stage_id=5)
    assert sink_of(bench).write(removal(RemovalAction.CLOSE, lead=lead)).result == {}
    assert bench.calls == []


def test_addresses_go_to_the_contact_it_was_merged_into(bench: Bench) -> None:
    person, _ = ada(bench)
    merged = removal(RemovalAction.CLOSE, person=person, releases=["email:ada@example.com"], merged_into=8)
    assert sink_of(bench).write(merged).state is OperationState.DONE
    assert steps(bench) == ["release_addresses", "PUT"]
    (stored,) = bench.krayin.records("persons")["persons"]
    assert "ada@example.com" not in str(stored["emails"])
    assert "+14155550123" in str(stored["contact_numbers"])


@pytest.mark.parametrize(
    ("presence", "ends", "why"),
    [
        (Presence.BACK, OperationState.SUPERSEDED, "withdrawn"),
        (Presence.ELSEWHERE, OperationState.SUPERSEDED, "withdrawn"),
        (Presence.UNSEEN, OperationState.PLANNED, "chatwoot_not_seen"),
    ],
)
def test_nothing_is_removed_unless_its_reason_stands(
    bench: Bench, presence: Presence, ends: OperationState, why: str
) -> None:
    outcome = sink_of(bench, presence).write(deletion(bench))
    assert (outcome.state, outcome.error_class) == (ends, why)
    assert left(bench) == (1, 1)
    assert bench.calls == []


def test_a_person_with_leads_of_somebody_else_is_a_question_and_nothing_is_deleted(bench: Bench) -> None:
    person, lead = ada(bench)
    bench.krayin.seed(leads=[{"title": "Another", "person_id": person}])
    outcome = sink_of(bench).write(removal(RemovalAction.DELETE, person=person, lead=lead))
    assert (outcome.state, outcome.error_class) == (OperationState.QUARANTINED, "person_has_leads")
    assert left(bench) == (1, 2)


def test_a_deletion_waits_for_krayins_limit_before_anything_is_asked(bench: Bench) -> None:
    outcome = sink_of(bench, Presence.BACK, waits=timedelta(minutes=9)).write(deletion(bench))
    assert (outcome.state, outcome.error_class) == (OperationState.PLANNED, "deletions_limited")
    assert (outcome.delay, outcome.counts_as_attempt) == (timedelta(minutes=9), False)


@pytest.mark.parametrize(
    ("attempts", "ends", "why"),
    [
        (0, OperationState.PLANNED, "deletions_limited"),
        (REFUSALS - 1, OperationState.QUARANTINED, "fails_in_krayin"),
    ],
)
def test_a_refusal_of_krayin_counts_until_it_cannot_be_the_limit(
    bench: Bench, attempts: int, ends: OperationState, why: str
) -> None:
    refusal = DeletionsLimited(retry_after=60, status=500)
    outcome = sink_of(bench, refusal=refusal).write(deletion(bench, attempts=attempts))
    assert (outcome.state, outcome.error_class) == (ends, why)
    assert outcome.counts_as_attempt is (ends is OperationState.PLANNED)


def test_records_that_are_gone_already_end_as_deleted(bench: Bench) -> None:
    outcome = sink_of(bench).write(removal(RemovalAction.DELETE, person=98, lead=99))
    assert outcome.state is OperationState.DONE
