from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.types.json import Jsonb
from reconciliation.errors import LeaseLostError
from reconciliation.store.binding_scope import (
    BindingScope,
    register_installation,
    register_scope,
    register_target,
)
from reconciliation.store.ledger import Ledger, Operation, OperationState, Outcome
from reconciliation.store.run_rows import RunKind, open_run

if TYPE_CHECKING:
    from collections.abc import Callable

INSERT = """
INSERT INTO krayin_sync.operation (run_id, sync_name, lane, target_id, scope_id, source_kind, source_id,
    payload, source_read_at, natural_keys, forecast_calls)
VALUES (%s, 'test', %s, %s, %s, %s, %s, %s, now(), %s, 1) RETURNING id
"""


@pytest.fixture
def identity(sync_db: psycopg.Connection) -> BindingScope:
    krayin = register_target(sync_db, "http://crm.test/api/v1")
    return register_scope(sync_db, krayin, register_installation(sync_db, "chatwoot-1"), 1)


@pytest.fixture
def plan(sync_db: psycopg.Connection, identity: BindingScope) -> Callable[..., int]:
    run_id = open_run(sync_db, "test", RunKind.MANUAL, dag_run_id=None, dry_run=False)

    def add(source_id: str, *, lane: int = 1, keys: tuple[str, ...] = (), kind: str = "contact") -> int:
        row = sync_db.execute(
            INSERT,
            (run_id, lane, *identity.parameters().values(), kind, source_id, Jsonb({}), list(keys)),
        ).fetchone()
        assert row is not None
        return int(row[0])

    return add


def ledger(connection: psycopg.Connection, identity: BindingScope, worker: str = "one") -> Ledger:
    return Ledger(connection, identity.target_id, worker)


def state_of(connection: psycopg.Connection, operation_id: int) -> tuple[Any, ...] | None:
    return connection.execute(
        "SELECT state, worker, error_class FROM krayin_sync.operation WHERE id = %s", (operation_id,)
    ).fetchone()


def expire(connection: psycopg.Connection) -> None:
    connection.execute(
        "UPDATE krayin_sync.operation SET lease_until = clock_timestamp() - interval '1 s' WHERE worker IS NOT NULL"
    )


def test_many_workers_claim_every_operation_exactly_once(
    sync_db: psycopg.Connection, sync_db_url: str, identity: BindingScope, plan: Callable[..., int]
) -> None:
    planned = {plan(str(number)) for number in range(60)}

    def work(name: str) -> list[int]:
        with psycopg.connect(sync_db_url, autocommit=True) as connection:
            mine = ledger(connection, identity, name)
            claimed: list[int] = []
            while batch := mine.claim("test", 4):
                for operation in batch:
                    mine.intend(operation, "create_contact")
                    mine.settle(operation, Outcome(OperationState.DONE))
                    claimed.append(operation.id)
            return claimed

    with ThreadPoolExecutor(4) as pool:
        claims = [one for names in pool.map(work, "abcd") for one in names]
    assert sorted(claims) == sorted(planned)


def test_operations_that_share_an_email_or_phone_are_not_held_by_two_workers(
    sync_db: psycopg.Connection, identity: BindingScope, plan: Callable[..., int]
) -> None:
    first = plan("1", keys=("email:a@x.test", "phone:+1"))
    plan("2", keys=("phone:+1",))
    third = plan("3", keys=("email:c@x.test",))
    assert [one.id for one in ledger(sync_db, identity, "one").claim("test", 1)] == [first]
    assert [one.id for one in ledger(sync_db, identity, "two").claim("test", 5)] == [third]


@pytest.mark.parametrize(("held", "wanted"), [("contact", "stage"), ("stage", "contact")])
def test_a_contact_and_its_stage_are_not_held_by_two_workers(
    sync_db: psycopg.Connection, identity: BindingScope, plan: Callable[..., int], held: str, wanted: str
) -> None:
    """Both write the lead: one of them sent late would put back what the other wrote."""
    first = plan("1", kind=held)
    plan("1", kind=wanted)
    other = plan("2", kind=wanted)
    one, two = ledger(sync_db, identity, "one"), ledger(sync_db, identity, "two")
    (mine,) = one.claim("test", 1)
    assert mine.id == first
    assert [operation.id for operation in two.claim("test", 5)] == [other]
    one.intend(mine, "update")
    one.settle(mine, Outcome(OperationState.UNKNOWN, delay=timedelta(minutes=5)))
    assert two.claim("test", 5) == []


def test_after_a_move_without_an_answer_the_change_of_its_contact_waits_even_in_one_batch() -> None:
    stage = Operation(
        id=1, fence=1, lane=0, identity=BindingScope(1, 1, 1, 1), source_kind="stage", source_id="7", payload={},
        natural_keys=(), state=OperationState.PLANNED, step=None, attempts=0, sent_at=None, error_class=None,
        error_message=None,
    )  # fmt: skip
    contact = replace(stage, source_kind="contact", natural_keys=("email:a@example.com",))
    assert stage.keys < contact.keys
    assert stage.keys.isdisjoint(replace(contact, source_id="8").keys)
    assert stage.keys.isdisjoint(replace(stage, source_kind="conversation").keys)


def test_the_highest_lane_is_claimed_first(
    sync_db: psycopg.Connection, identity: BindingScope, plan: Callable[..., int]
) -> None:
    backfill, live, scheduled = plan("1", lane=3), plan("2", lane=0), plan("3", lane=1)
    claimed = ledger(sync_db, identity).claim("test", 10)
    assert [one.id for one in claimed] == [live, scheduled, backfill]


def test_a_call_that_a_dead_worker_may_have_made_becomes_unknown_after_the_settle_delay(
    sync_db: psycopg.Connection, identity: BindingScope, plan: Callable[..., int]
) -> None:
    sent, unsent = plan("1"), plan("2")
    dead = ledger(sync_db, identity, "dead")
    operations = {one.id: one for one in dead.claim("test", 2)}
    dead.intend(operations[sent], "create_contact")
    expire(sync_db)
    alive = ledger(sync_db, identity, "alive")
    assert alive.recover() == 2
    assert state_of(sync_db, sent) == ("unknown", None, "worker_lost")
    assert state_of(sync_db, unsent) == ("planned", None, None)
    assert [one.id for one in alive.claim("test", 5)] == [unsent]
    sync_db.execute(
        "UPDATE krayin_sync.operation SET next_attempt_at = clock_timestamp() WHERE id = %s", (sent,)
    )
    (resolving,) = alive.claim("test", 5)
    assert (resolving.id, resolving.state, resolving.step) == (sent, OperationState.UNKNOWN, "create_contact")


def test_a_zombies_late_intent_and_answer_are_refused(
    sync_db: psycopg.Connection, identity: BindingScope, plan: Callable[..., int]
) -> None:
    plan("1")
    zombie = ledger(sync_db, identity, "zombie")
    (old,) = zombie.claim("test", 1)
    zombie.intend(old, "create_contact")
    expire(sync_db)
    with pytest.raises(LeaseLostError):
        zombie.intend(old, "create_contact")
    alive = ledger(sync_db, identity, "alive")
    alive.recover()
    sync_db.execute("UPDATE krayin_sync.operation SET next_attempt_at = clock_timestamp()")
    (new,) = alive.claim("test", 1)
    with pytest.raises(LeaseLostError):
        zombie.settle(old, Outcome(OperationState.DONE, result={"person": "created"}))
    alive.settle(new, Outcome(OperationState.DONE))
    assert state_of(sync_db, new.id) == ("done", None, None)


def test_going_back_to_planned_gives_way_to_a_newer_plan(
    sync_db: psycopg.Connection, identity: BindingScope, plan: Callable[..., int]
) -> None:
    older = plan("1")
    mine = ledger(sync_db, identity)
    (operation,) = mine.claim("test", 1)
    mine.intend(operation, "update_person")
    newer = plan("1")
    assert mine.claim("test", 1) == [], "the contact is busy"
    mine.settle(operation, Outcome(OperationState.PLANNED, delay=timedelta(minutes=1)))
    assert state_of(sync_db, older) == ("superseded", None, None)
    assert [one.id for one in mine.claim("test", 1)] == [newer]


def test_waiting_counts_what_is_open_and_says_when_it_is_due(
    sync_db: psycopg.Connection, identity: BindingScope, plan: Callable[..., int]
) -> None:
    plan("1")
    mine = ledger(sync_db, identity)
    (operation,) = mine.claim("test", 1)
    mine.settle(operation, Outcome(OperationState.PLANNED, delay=timedelta(minutes=10)))
    waiting, due_in = mine.waiting("test")
    assert waiting == 1
    assert due_in is not None
    assert 590 < due_in <= 600
