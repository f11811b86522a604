"""Runs side by side: the same sync twice, two accounts, one Krayin."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
from krayin.permits import Lane
from psycopg.types.json import Jsonb
from reconciliation.model.timing import Timing
from reconciliation.plan.engine import OperationRow, PlanEngine
from reconciliation.plan.guard import ChangeGuard
from reconciliation.run.request import RunRequest
from reconciliation.settings.sync_settings import ChangeLimits, RemovalLimits
from reconciliation.store.binding_scope import register_installation, register_scope, register_target
from reconciliation.store.ledger import Ledger
from reconciliation.store.run_rows import RunKind, open_run

from sandbox.chatwoot import changes
from sandbox.chatwoot.insertion import insert_row

if TYPE_CHECKING:
    from reconciliation.run.sync_run import Sync

    from tests.reconciliation.world import World

QUICK = Timing(
    lease=timedelta(seconds=20), settle=timedelta(), backoff=timedelta(), patience=timedelta(seconds=5)
)
CONTACTS = 40
NOW = datetime(2026, 5, 5, tzinfo=UTC)


def quick(world: World, **settings: Any) -> Sync:
    return replace(world.sync(**settings), timing=QUICK)


def emails(world: World) -> Counter[str]:
    return Counter(row["value"] for person in world.persons() for row in person["emails"])


def test_a_manual_and_a_scheduled_run_of_one_sync_at_once_make_everything_once(world: World) -> None:
    for number in range(CONTACTS):
        world.add(
            name=f"Contact {number}",
            email=f"contact{number}@example.com",
            additional_attributes={"company_name": f"Company {number % 5}", "company_city": "Pune"},
        )

    def run(kind: RunKind) -> None:
        quick(world, sync_to_organization=True).run(RunRequest(kind=kind, full=kind is RunKind.MANUAL))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(run, (RunKind.SCHEDULED, RunKind.MANUAL, RunKind.SCHEDULED)))
    assert set(emails(world).values()) == {1}
    assert len(world.persons()) == len(world.leads()) == CONTACTS
    assert len(world.organizations()) == 5
    states = {state for (state,) in world.rows("SELECT DISTINCT state FROM operation")}
    assert states <= {"done", "superseded"}


def test_several_loaders_share_the_plan_of_one_run(world: World) -> None:
    for number in range(CONTACTS):
        world.add(name=f"Contact {number}", email=f"contact{number}@example.com")
    sync = quick(world)
    run_id = sync.plan(RunRequest())
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(sync.load, run_id)
        helped = [pool.submit(sync.help_load, run_id) for _ in range(2)]
        run, shares = first.result(), [each.result() for each in helped]
    assert set(emails(world).values()) == {1}
    assert len(world.persons()) == len(world.leads()) == CONTACTS
    assert run.state == "done"
    ((summary,),) = world.rows("SELECT summary FROM sync_run WHERE id = %s", run_id)
    assert summary["created"] == {"lead": CONTACTS, "person": CONTACTS}
    assert summary["operations"] == {"done": CONTACTS}
    assert len(summary["loaders"]) == 3
    assert dict(shares[0].ended) in [share["operations"] for share in summary["loaders"].values()]


def test_contacts_of_two_accounts_with_one_address_make_one_person_and_a_question(world: World) -> None:
    """Krayin itself heeds case, and would take both."""
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        other = insert_row(
            connection, "accounts", {"name": "Other", "locale": 0, "created_at": NOW, "updated_at": NOW}
        )
        first = changes.add_contact(connection, 1, name="Ada", email="ada@example.com")
        second = changes.add_contact(
            connection, other, name="Ada B.", email="ADA@example.com", phone_number="+14155550123"
        )
    one = quick(world)
    two = quick(world, name="other", chatwoot={"account_id": other})
    runs = [(sync, sync.plan(RunRequest())) for sync in (one, two)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda pair: pair[0].load(pair[1]), runs))
    assert len(world.persons()) == len(world.leads()) == 1
    ((_, source_id, error_class, message),) = world.operations("quarantined")
    assert error_class == "person_taken"
    assert source_id in {str(first), str(second)}
    assert "of account" in message


INSERT = """
INSERT INTO krayin_sync.operation (run_id, sync_name, lane, target_id, scope_id, source_kind, source_id,
    payload, source_read_at, natural_keys, forecast_calls, state)
VALUES (%s, 'test', 1, %s, %s, 'contact', %s, %s, now(), %s, 1, %s) RETURNING id
"""


def test_unresolved_operations_that_share_an_address_do_not_wait_for_each_other(
    sync_db: psycopg.Connection,
) -> None:
    krayin = register_target(sync_db, "http://crm.test")
    identity = register_scope(sync_db, krayin, register_installation(sync_db, "one"), 1)
    run_id = open_run(sync_db, "test", RunKind.MANUAL, dag_run_id=None, dry_run=False)
    ids = []
    for source_id, state in (("1", "unknown"), ("2", "unknown"), ("3", "planned")):
        row = sync_db.execute(
            INSERT,
            (run_id, *identity.parameters().values(), source_id, Jsonb({}), ["organization:engines"], state),
        ).fetchone()
        assert row is not None
        ids.append(row[0])
    ledger = Ledger(sync_db, identity.target_id, "one")
    assert [one.id for one in ledger.claim("test", 5)] == [ids[0]]
    assert ledger.claim("test", 5) == []


def test_a_lease_that_ran_out_is_taken_up_again_unless_somebody_took_the_operation(
    sync_db: psycopg.Connection,
) -> None:
    krayin = register_target(sync_db, "http://crm.test")
    identity = register_scope(sync_db, krayin, register_installation(sync_db, "one"), 1)
    run_id = open_run(sync_db, "test", RunKind.MANUAL, dag_run_id=None, dry_run=False)
    for source_id in ("1", "2"):
        sync_db.execute(
            INSERT, (run_id, *identity.parameters().values(), source_id, Jsonb({}), [], "planned")
        )
    one, two = (Ledger(sync_db, identity.target_id, name) for name in ("one", "two"))
    kept, lost = one.claim("test", 2)
    sync_db.execute("UPDATE krayin_sync.operation SET lease_until = now() - interval '1 s'")
    sync_db.execute(
        "UPDATE krayin_sync.operation SET lease_until = now() + interval '1 h' WHERE id = %s", (kept.id,)
    )
    assert two.recover() == 1
    assert [operation.id for operation in two.claim("test", 2)] == [lost.id]
    sync_db.execute("UPDATE krayin_sync.operation SET lease_until = now() - interval '1 s'")
    assert one.renew([kept, lost]) == {kept.id}
    one.release([kept, lost])
    rows = sync_db.execute("SELECT id, worker FROM krayin_sync.operation ORDER BY id").fetchall()
    assert rows == [(kept.id, None), (lost.id, "two")]


def test_an_operation_given_back_while_it_is_planned_anew_is_replaced(sync_db: psycopg.Connection) -> None:
    """The planner had looked when the worker still held it."""
    krayin = register_target(sync_db, "http://crm.test")
    identity = register_scope(sync_db, krayin, register_installation(sync_db, "one"), 1)
    run_id = open_run(sync_db, "test", RunKind.MANUAL, dag_run_id=None, dry_run=False)
    for source_id in ("1", "2"):
        sync_db.execute(
            INSERT, (run_id, *identity.parameters().values(), source_id, Jsonb({}), [], "planned")
        )
    guard = ChangeGuard(sync_db, identity, "test", run_id, ChangeLimits(), RemovalLimits())
    engine = PlanEngine(sync_db, identity, run_id, "test", Lane.SCHEDULED, NOW, guard)
    with sync_db.transaction():
        engine.write(OperationRow("contact", number, {"new": True}, ()) for number in "12")
    rows = sync_db.execute(
        "SELECT source_id, state, payload FROM krayin_sync.operation ORDER BY id"
    ).fetchall()
    assert rows == [
        ("1", "superseded", {}),
        ("2", "superseded", {}),
        ("1", "planned", {"new": True}),
        ("2", "planned", {"new": True}),
    ]
