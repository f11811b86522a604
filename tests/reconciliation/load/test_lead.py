"""The sink for leads, alone: operations on contacts whose person is there and as it should be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciliation.load.contact import ContactSink
from reconciliation.store.ledger import OperationState
from reconciliation.store.mapping_row import MappingState

from tests.reconciliation.load.bench import Bench, row
from tests.reconciliation.load.contacts import LEAD, SENT, SENT_LEAD, ada, contact
from tests.reconciliation.samples import NOON

if TYPE_CHECKING:
    from sandbox.krayin.testing import RunningKrayin

WON = 5


def person_of(bench: Bench, **columns: Any) -> tuple[int, int]:
    """Have Ada linked and acknowledged, her lead in Krayin only; `columns` are of the lead."""
    person, lead = ada(bench, **columns)
    acked = bytes.fromhex(contact().payload["person_hash"])
    bench.keep("contact", "person", row(person, last_sent=SENT, acked_hash=acked))
    return person, lead


def leads(bench: Bench) -> list[dict[str, Any]]:
    return bench.krayin.records("leads")["leads"]


def test_the_lead_that_a_lost_call_made_is_known_by_its_mark(bench: Bench) -> None:
    person_of(bench)
    assert ContactSink(bench.context).write(contact(step="create_lead")).result == {"lead": "created"}
    assert bench.kept("contact", "lead").last_sent == SENT_LEAD
    assert bench.calls == []


def test_the_only_open_lead_is_taken_over_and_only_its_blanks_are_filled(bench: Bench) -> None:
    person_of(bench, title="Big deal", description=None)
    assert ContactSink(bench.context).write(contact()).result == {"lead": "adopted"}
    assert ("attempt", {"description": LEAD["description"]}) in bench.notes
    assert [one["title"] for one in leads(bench)] == ["Big deal"]


def test_a_person_without_a_lead_gets_one(bench: Bench) -> None:
    _, lead = person_of(bench)
    bench.store.others["lead", lead] = "contact 8 of account 1"
    assert ContactSink(bench.context).write(contact()).result == {"lead": "created"}
    assert bench.notes == [
        ("intent", "create_lead"),
        ("POST", "leads"),
        ("progress", "lead:linked"),
        ("link", "lead", lead + 1, "created"),
    ]
    assert bench.kept("contact", "lead").acked_hash == bytes.fromhex(contact().payload["lead_hash"])


def test_a_change_is_noted_written_and_acknowledged(bench: Bench) -> None:
    _, lead = person_of(bench)
    bench.keep("contact", "lead", row(lead, last_sent=SENT_LEAD))
    assert ContactSink(bench.context).write(contact(lead={"lead_value": "12.5"})).result == {
        "lead": "updated"
    }
    assert bench.notes == [
        ("intent", "update_lead"),
        ("attempt", {"lead_value": "12.5"}),
        ("PUT", "leads/attributes/edit/{id}"),
        ("progress", "update_lead:done"),
        ("ack", lead),
    ]


def test_a_deleted_lead_stays_deleted_and_the_contact_is_done(bench: Bench) -> None:
    person_of(bench)
    bench.keep("contact", "lead", row(99, last_sent=SENT_LEAD))
    outcome = ContactSink(bench.context).write(contact(lead={"title": "Ada L."}))
    assert (outcome.state, outcome.result) == (OperationState.DONE, {"lead": "deleted_in_krayin"})
    assert bench.kept("contact", "lead").state is MappingState.GONE
    assert bench.calls == []


def test_a_deleted_lead_is_made_again_where_that_is_wanted(running: RunningKrayin) -> None:
    bench = Bench(running, recreate_deleted=True)
    person_of(bench)
    bench.keep("contact", "lead", row(99, last_sent=SENT_LEAD))
    outcome = ContactSink(bench.context).write(contact(lead={"title": "Ada L."}))
    assert (outcome.state, outcome.step) == (OperationState.PLANNED, "recreate")


def test_a_closed_lead_is_followed_by_a_new_one(bench: Bench) -> None:
    _, lead = person_of(bench)
    bench.krayin.edit(leads=[{"id": lead, "lead_pipeline_stage_id": WON}])
    bench.keep("contact", "lead", row(lead, last_sent=SENT_LEAD))
    following = contact(lead={"title": "Ada again"}, more={"follows_lead": lead})
    assert ContactSink(bench.context).write(following).result == {"lead": "created"}
    assert [one["title"] for one in leads(bench)] == ["Ada", "Ada again"]


def test_several_leads_made_since_an_unanswered_call_are_a_question(bench: Bench) -> None:
    person, lead = person_of(bench)
    bench.store.others["lead", lead] = "contact 8 of account 1"
    made = {"person_id": person, "created_at": NOON.isoformat()}
    ids = bench.krayin.seed(leads=[{"title": "A", **made}, {"title": "B", **made}])["leads"]
    outcome = ContactSink(bench.context).write(contact(step="create_lead", sent_at=NOON))
    assert (outcome.state, outcome.error_class) == (OperationState.QUARANTINED, "ambiguous_lead")
    assert [one["lead"] for one in outcome.candidates] == ids
