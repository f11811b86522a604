"""The sink for persons, alone: operations on contacts whose lead is there and as it should be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from krayin.errors import OutcomeUnknown
from reconciliation.errors import OperationHeldError
from reconciliation.load.contact import ContactSink
from reconciliation.store.ledger import OperationState
from reconciliation.store.mapping_row import MappingState

from tests.reconciliation.load.bench import Bench, row
from tests.reconciliation.load.contacts import PERSON, SENT, SENT_LEAD, ada, contact
from tests.reconciliation.samples import NOON

if TYPE_CHECKING:
    from sandbox.krayin.testing import RunningKrayin


def linked(bench: Bench, **columns: Any) -> tuple[int, int]:
    """Have Ada and her lead linked; `columns` are of the person's row."""
    person, lead = ada(bench)
    bench.keep("contact", "person", row(person, **{"last_sent": SENT, **columns}))
    acked = bytes.fromhex(contact().payload["lead_hash"])
    bench.keep("contact", "lead", row(lead + 1000, last_sent=SENT_LEAD, acked_hash=acked))
    return person, lead


def persons(bench: Bench) -> list[dict[str, Any]]:
    return bench.krayin.records("persons")["persons"]


def test_person_and_lead_are_made_in_one_call_that_was_intended(bench: Bench) -> None:
    outcome = ContactSink(bench.context).write(contact())
    assert outcome.state is OperationState.DONE
    assert outcome.result == {"person": "created", "lead": "created"}
    assert bench.notes == [
        ("intent", "create_contact"),
        ("POST", "leads"),
        ("progress", "person:linked"),
        ("link", "person", 1, "created"),
        ("progress", "lead:linked"),
        ("link", "lead", 1, "created"),
        ("progress", "create_contact:done"),
    ]
    assert bench.kept("contact", "person").last_sent == SENT


def test_a_change_is_noted_written_and_acknowledged(bench: Bench) -> None:
    person, _ = linked(bench)
    wanted = contact({"name": "Ada Lovelace"})
    assert ContactSink(bench.context).write(wanted).result == {"person": "updated"}
    assert bench.notes == [
        ("intent", "update_person"),
        ("attempt", {"name": "Ada Lovelace"}),
        ("PUT", "contacts/persons/{id}"),
        ("progress", "update_person:done"),
        ("ack", person),
    ]
    assert bench.kept("contact", "person").acked_hash == bytes.fromhex(wanted.payload["person_hash"])
    assert [one["name"] for one in persons(bench)] == ["Ada Lovelace"]


def test_what_krayin_has_already_is_acknowledged_without_a_call(bench: Bench) -> None:
    linked(bench)
    assert ContactSink(bench.context).write(contact()).result == {"person": "already_equal"}
    assert bench.calls == []


def test_what_was_written_by_an_update_without_an_answer_is_ours(bench: Bench) -> None:
    person, _ = linked(bench, pending_write={"name": "Ada L."})
    bench.krayin.edit(persons=[{"id": person, "name": "Ada L."}])
    ContactSink(bench.context).write(contact({"name": "Ada Lovelace"}))
    assert [one["name"] for one in persons(bench)] == ["Ada Lovelace"]


def test_what_a_salesperson_typed_stays(bench: Bench) -> None:
    person, _ = linked(bench)
    bench.krayin.edit(persons=[{"id": person, "name": "Countess"}])
    assert ContactSink(bench.context).write(contact({"name": "Ada L."})).result == {"person": "already_equal"}
    assert [one["name"] for one in persons(bench)] == ["Countess"]


def test_a_person_is_asked_before_an_edit_is_overwritten(running: RunningKrayin) -> None:
    bench = Bench(running, on_crm_edit="overwrite")
    person, _ = linked(bench)
    bench.krayin.edit(persons=[{"id": person, "name": "Countess"}])
    bench.ledger.must_ask = True
    with pytest.raises(OperationHeldError):
        ContactSink(bench.context).write(contact({"name": "Ada L."}))
    assert bench.notes == []


def test_a_deleted_person_stays_deleted(bench: Bench) -> None:
    bench.keep("contact", "person", row(99, last_sent=SENT))
    outcome = ContactSink(bench.context).write(contact())
    assert (outcome.state, outcome.error_class) == (OperationState.OBSOLETE, "deleted_in_krayin")
    assert outcome.result == {"person": "deleted_in_krayin"}
    assert bench.kept("contact", "person").state is MappingState.GONE
    assert ContactSink(bench.context).write(contact()).state is OperationState.OBSOLETE
    assert bench.calls == []


def test_a_deleted_person_is_made_again_where_that_is_wanted(running: RunningKrayin) -> None:
    bench = Bench(running, recreate_deleted=True)
    bench.keep("contact", "person", row(99, last_sent=SENT))
    outcome = ContactSink(bench.context).write(contact())
    assert (outcome.state, outcome.step) == (OperationState.PLANNED, "recreate")
    again = ContactSink(bench.context).write(contact(step="recreate"))
    assert again.result == {"person": "created", "lead": "created"}


def test_a_creation_without_an_answer_is_looked_for_before_it_is_repeated(bench: Bench) -> None:
    bench.krayin.set_faults({"kind": "drop_after", "method": "POST", "route": "leads$", "count": 1})
    with pytest.raises(OutcomeUnknown):
        ContactSink(bench.context).write(contact())
    outcome = ContactSink(bench.context).write(contact(step="create_contact", sent_at=NOON))
    assert outcome.result == {"person": "created", "lead": "created"}
    assert bench.calls == ["POST"]
    assert len(persons(bench)) == 1


def test_a_person_of_somebody_else_is_not_taken(bench: Bench) -> None:
    person, _ = ada(bench)
    bench.store.others["person", person] = "contact 8 of account 1"
    outcome = ContactSink(bench.context).write(contact(more={"adopt": {"person": person}}))
    assert (outcome.state, outcome.error_class) == (OperationState.QUARANTINED, "person_taken")
    assert outcome.candidates == ({"person": person, "belongs_to": "contact 8 of account 1"},)
    assert "merge the two contacts in Chatwoot" in str(outcome.error_message)


def test_two_persons_who_may_be_meant_are_a_question(bench: Bench) -> None:
    first, _ = ada(bench)
    emails = [{"value": "ada@example.com", "label": "work"}]
    (second,) = bench.krayin.seed(persons=[{"name": "A.", "emails": emails, "unique_id": "x"}])["persons"]
    outcome = ContactSink(bench.context).write(contact(step="create_contact", sent_at=NOON))
    assert (outcome.state, outcome.error_class) == (OperationState.QUARANTINED, "ambiguous_person")
    assert [one["person"] for one in outcome.candidates] == [first, second]


def test_an_address_is_given_up_before_another_contact_takes_it(bench: Bench) -> None:
    linked(bench)
    swapped = contact({"emails": ["eva@example.com"]}, more={"release_first": True})
    outcome = ContactSink(bench.context).write(swapped)
    assert (outcome.state, outcome.step) == (OperationState.PLANNED, "released")
    assert bench.notes[0] == ("intent", "release")
    (person,) = persons(bench)
    assert "ada@example.com" not in str(person["emails"])
    assert PERSON["phones"][0] in str(person["contact_numbers"])
