"""What the loader does with a batch: one row's trouble is its own."""

from __future__ import annotations

import traceback
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from krayin.errors import TurnedAway
from reconciliation.errors import SyncDatabaseError
from reconciliation.load.contact import ContactSink
from reconciliation.load.loader import Loader
from reconciliation.load.outcome import ATTEMPTS_TURNED_AWAY, outcome_of
from reconciliation.model.timing import Timing
from reconciliation.run import factory
from reconciliation.run.request import RunRequest
from reconciliation.store.binding_scope import BindingScope
from reconciliation.store.ledger import Operation, OperationState

if TYPE_CHECKING:
    from reconciliation.store.ledger import Outcome

    from tests.reconciliation.world import World

QUICK = Timing(settle=timedelta(), backoff=timedelta(), down=timedelta(), patience=timedelta(seconds=2))
AWAY = "The sync database cannot be reached."
IMPATIENT = Timing(patience=timedelta(0))
CREATE = {"method": "POST", "route": "/leads$"}


def load(world: World, timing: Timing = QUICK, request: RunRequest | None = None, **settings: Any) -> None:
    replace(world.sync(**settings), timing=timing).run(request or RunRequest())


def ended(world: World) -> dict[str, str]:
    return dict(world.rows("SELECT source_id, state FROM operation ORDER BY id"))


def add(world: World, number: int, **columns: Any) -> int:
    return world.add(**{"name": f"Contact {number}", "email": f"contact{number}@example.com", **columns})


def test_a_row_that_fails_twice_alike_is_set_aside_and_keeps_nobody_waiting(world: World) -> None:
    bad, *good = [add(world, number) for number in range(4)]
    world.access_options = {"options": {"sleep": lambda _: None}}
    attributes = world.krayin.records("attributes")["attributes"]
    (number,) = (one["id"] for one in attributes if one["code"] == "job_title")
    world.krayin.edit(attributes=[{"id": number, "validation": "numeric"}])
    world.change(bad, custom_attributes={"job_title": "many"})
    load(world)
    states = ended(world)
    assert states.pop(str(bad)) == "quarantined"
    assert set(states.values()) == {"done"}
    ((_, _, error_class, message),) = world.operations("quarantined")
    assert error_class == "rejected"
    assert "job_title" in message
    assert message.endswith("correct it in Chatwoot or Krayin, then try again")
    assert len(world.persons()) == len(good)


def test_the_same_failure_twice_sets_a_row_aside_and_different_ones_do_not(world: World) -> None:
    world.access_options = {"options": {"sleep": lambda _: None}}
    contact = add(world, 1)
    load(world)
    world.change(contact, name="Renamed")
    world.krayin.set_faults(
        {"kind": "error_before", "method": "PUT", "route": "contacts/persons", "count": 4},
        {"kind": "status_503", "method": "PUT", "route": "contacts/persons", "count": 4},
    )
    load(world)
    assert ended(world) == {str(contact): "done"}
    world.change(contact, name="Renamed again")
    world.krayin.set_faults({"kind": "error_before", "method": "PUT", "route": "contacts/persons"})
    load(world)
    ((_, _, error_class, message),) = world.operations("quarantined")
    assert error_class == "fails_in_krayin"
    assert message.startswith("PUT contacts/persons/{id}: HTTP 500")


def test_an_error_of_our_own_keeps_only_its_row_back_and_tells_no_data(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    poisoned, *good = [add(world, number) for number in range(3)]
    write = ContactSink.write

    def stumbling(self: ContactSink, operation: Operation) -> Outcome:
        if operation.source_id == str(poisoned):
            raise KeyError(operation.payload["person"]["emails"][0])
        return write(self, operation)

    monkeypatch.setattr(ContactSink, "write", stumbling)
    load(world)
    assert ended(world) == {str(poisoned): "quarantined"} | {str(one): "done" for one in good}
    ((_, _, error_class, message),) = world.operations("quarantined")
    assert error_class == "internal_error"
    assert "KeyError in stumbling" in message
    assert "contact0@" not in message + caplog.text


def test_a_sync_database_that_is_away_for_the_budget_is_no_fault_of_a_row(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The budget has a connection of its own, which may be the first to notice."""
    contact = add(world, 1)

    def away(self: ContactSink, operation: Operation) -> Outcome:
        raise SyncDatabaseError(AWAY)

    with monkeypatch.context() as patched:
        patched.setattr(ContactSink, "write", away)
        with pytest.raises(SyncDatabaseError):
            load(world)
    assert world.rows("SELECT state, attempts, error_class FROM operation") == [("planned", 0, None)]
    load(world)
    assert ended(world) == {str(contact): "done"}


def test_a_record_that_spoils_reading_ahead_spoils_only_its_own_row(world: World) -> None:
    contacts = [add(world, number) for number in range(3)]
    load(world)
    world.access_options = {"options": {"sleep": lambda _: None}}
    persons = world.persons()
    world.krayin.edit(persons=[{"id": persons[0]["id"], "emails": "[5]"}])
    for contact in contacts:
        world.change(contact, name=f"Renamed {contact}")
    load(world)
    states = world.rows("SELECT source_id, state FROM operation ORDER BY id DESC LIMIT 3")
    assert dict(states) == {str(contacts[0]): "quarantined", **{str(one): "done" for one in contacts[1:]}}


def test_after_a_call_without_an_answer_nobody_else_claims_its_address(world: World) -> None:
    """In one batch: what holds for the organization both name holds for e-mails and phones."""
    company = {"company_name": "Engines"}
    first, second = (add(world, number, additional_attributes=company) for number in (1, 2))
    other = add(world, 3)
    world.krayin.set_faults({**CREATE, "kind": "drop_before", "count": 1})
    load(world, IMPATIENT, RunRequest(seconds=1), sync_to_organization=True)
    assert ended(world) == {str(first): "unknown", str(second): "planned", str(other): "done"}
    world.rows("UPDATE operation SET next_attempt_at = now() WHERE state = 'unknown' RETURNING 1")
    load(world, sync_to_organization=True)
    assert set(ended(world).values()) == {"done"}
    assert [row["name"] for row in world.organizations()] == ["Engines"]
    assert len(world.persons()) == len(world.leads()) == 3


def test_a_taken_address_gets_a_second_try_and_is_then_set_aside(world: World) -> None:
    contact = add(world, 1)
    load(world)
    world.api("POST", "contacts/persons", {
        "name": "Somebody", "emails": [{"value": "wanted@example.com", "label": "work"}],
        "contact_numbers": [{"value": "", "label": "work"}],
    })  # fmt: skip
    world.change(contact, email="wanted@example.com")
    load(world, IMPATIENT)
    ((state, error_class, attempts),) = world.rows(
        "SELECT state, error_class, attempts FROM operation ORDER BY id DESC LIMIT 1"
    )
    assert (state, error_class, attempts) == ("planned", "address_refused", 1)
    world.rows("UPDATE operation SET next_attempt_at = now() WHERE state = 'planned' RETURNING 1")
    load(world, IMPATIENT)
    ((_, _, error_class, message),) = world.operations("quarantined")
    assert error_class == "address_refused"
    assert "already been taken" in message


def test_leases_of_a_batch_are_kept_up_while_it_is_worked_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wait for the limiter may be longer than a lease."""
    for number in range(3):
        add(world, number)
    write = ContactSink.write

    def expired(self: ContactSink, operation: Operation) -> Outcome:
        outcome = write(self, operation)
        world.rows(
            "UPDATE operation SET lease_until = now() - interval '1 s' WHERE worker IS NOT NULL RETURNING 1"
        )
        return outcome

    monkeypatch.setattr(ContactSink, "write", expired)
    late = iter(range(0, 10**6, 1000))
    monkeypatch.setattr(factory, "Loader", partial(Loader, monotonic=lambda: next(late)))
    sync = replace(world.sync(), timing=QUICK)
    run_id = sync.plan(RunRequest())
    run = sync.load(run_id)
    assert set(ended(world).values()) == {"done"}
    assert run.summary["created"] == {"lead": 3, "person": 3}


def test_a_row_that_the_limiter_turned_away_is_not_blamed_at_once() -> None:
    error = TurnedAway("turned away", status=500)
    identity = BindingScope(1, 1, 1, 1)
    states = []
    for attempts in range(ATTEMPTS_TURNED_AWAY):
        operation = Operation(
            1, 1, 1, identity, "contact", "7", {}, (), OperationState.UNKNOWN, "create_contact", attempts, None, None,
            str(error),
        )  # fmt: skip
        states.append(outcome_of(operation, error).state)
    assert states == [OperationState.UNKNOWN] * (ATTEMPTS_TURNED_AWAY - 1) + [OperationState.QUARANTINED]


def test_few_functions_of_ours_lie_between_a_loading_and_its_call(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    depths: list[int] = []
    send = httpx.Client.request

    def counted(client: httpx.Client, method: str, *args: Any, **options: Any) -> httpx.Response:
        if method != "GET":
            depths.append(sum("/plugins/" in frame.filename for frame in traceback.extract_stack()))
        return send(client, method, *args, **options)

    number = add(world, 1)
    monkeypatch.setattr(httpx.Client, "request", counted)
    sync = world.sync()
    sync.load(sync.plan(RunRequest()))
    world.change(number, name="Other")
    sync.load(sync.plan(RunRequest()))
    assert len(depths) == 3  # created, then person and lead changed
    # One more is the task's.
    assert max(depths) <= 11
