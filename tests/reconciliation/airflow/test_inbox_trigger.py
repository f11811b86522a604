from __future__ import annotations

import asyncio
import uuid
from contextlib import aclosing

import psycopg
import pytest
from krayin.permits import Lane
from reconciliation.airflow import inbox_trigger
from reconciliation.airflow.inbox_trigger import InboxTrigger
from reconciliation.run.events import take
from statements import statement

from tests.reconciliation.ledger_rows import Ledger

WAIT = 20


@pytest.fixture
def trigger(sync_db_url, monkeypatch):
    async def connect(self):
        return await psycopg.AsyncConnection.connect(sync_db_url, autocommit=True)

    monkeypatch.setattr(InboxTrigger, "_connect", connect)
    monkeypatch.setattr(inbox_trigger, "ASKED_EVERY", 0.05)
    return InboxTrigger("test")


def receive(connection, sync_name="test", *, tell=True):
    if not tell:
        connection.execute(
            "INSERT INTO krayin_sync.inbox_event (sync_name, event, entities, signed, content_hash, body)"
            " VALUES (%s, 'contact_updated', '{contact:1}', true, %s, '{}')",
            (sync_name, uuid.uuid4().bytes),
        )
        return
    connection.execute(
        statement("webhook/store"),
        {
            "sync_names": [sync_name],
            "delivery_ids": [uuid.uuid4()],
            "events": ["contact_updated"],
            "entities": ["contact:1"],
            "signed": [True],
            "content_hashes": [uuid.uuid4().bytes],
            "bodies": [b"{}"],
        },
    )


async def nothing_for(events, seconds):
    following = asyncio.ensure_future(anext(events))
    done, _ = await asyncio.wait([following], timeout=seconds)
    assert not done
    return following


def test_it_is_stored_by_its_class_path_and_the_name_of_the_sync():
    assert InboxTrigger("test").serialize() == (
        "reconciliation.airflow.inbox_trigger.InboxTrigger",
        {"sync_name": "test"},
    )


def test_what_waited_before_it_began_wakes_it(trigger, sync_db):
    async def scenario():
        receive(sync_db, tell=False)
        async with aclosing(trigger.run()) as events:
            event = await asyncio.wait_for(anext(events), WAIT)
            assert event.payload == {"sync": "test"}

    asyncio.run(scenario())


def test_it_asks_once_for_all_that_wait_and_again_after_a_run_took_them(trigger, sync_db):
    async def scenario():
        async with aclosing(trigger.run()) as events:
            following = await nothing_for(events, 0.3)
            receive(sync_db)
            await asyncio.wait_for(following, WAIT)
            receive(sync_db)
            receive(sync_db)
            following = await nothing_for(events, 0.5)
            assert len(take(sync_db, "test").ids) == 3
            await asyncio.sleep(0.3)
            assert not following.done()
            receive(sync_db)
            await asyncio.wait_for(following, WAIT)

    asyncio.run(scenario())


def test_what_comes_between_the_taking_and_the_next_look_wakes_it_again(trigger, sync_db):
    async def scenario():
        async with aclosing(trigger.run()) as events:
            receive(sync_db)
            await asyncio.wait_for(anext(events), WAIT)
            take(sync_db, "test")
            receive(sync_db)
            await asyncio.wait_for(anext(events), WAIT)

    asyncio.run(scenario())


def test_a_run_that_listens_takes_what_comes_and_after_it_another_is_asked_for(trigger, sync_db):
    def listens(name, **more):
        sync_db.execute(statement(f"webhook/{name}"), {"sync_name": "test", **more})

    async def scenario():
        async with aclosing(trigger.run()) as events:
            listens("listening", seconds=60)
            following = await nothing_for(events, 0.3)
            receive(sync_db)
            await asyncio.sleep(0.5)
            assert not following.done()
            assert len(take(sync_db, "test").ids) == 1
            # It comes when the run has looked for the last time.
            receive(sync_db)
            await asyncio.sleep(0.3)
            assert not following.done()
            listens("listened")
            await asyncio.wait_for(following, WAIT)

    asyncio.run(scenario())


def test_a_run_that_died_while_it_listened_is_not_waited_for(trigger, sync_db, monkeypatch):
    monkeypatch.setattr(inbox_trigger, "LOOK_EVERY", 0.2)

    async def scenario():
        async with aclosing(trigger.run()) as events:
            sync_db.execute(statement("webhook/listening"), {"sync_name": "test", "seconds": 1})
            receive(sync_db)
            following = await nothing_for(events, 0.4)
            await asyncio.wait_for(following, WAIT)

    asyncio.run(scenario())


def test_a_lost_hint_is_made_up_for(trigger, sync_db, monkeypatch):
    monkeypatch.setattr(inbox_trigger, "LOOK_EVERY", 0.2)

    async def scenario():
        async with aclosing(trigger.run()) as events:
            following = await nothing_for(events, 0.3)
            receive(sync_db, tell=False)
            await asyncio.wait_for(following, WAIT)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("lane", "lease_ended", "wakes"),
    [
        (Lane.LIVE, "1 second", True),
        (Lane.LIVE, "-1 minute", False),
        # The runs of a sync that is switched off do not take it up.
        (Lane.LIVE, "1 hour", False),
        # That is for the scheduled run.
        (Lane.SCHEDULED, "1 second", False),
    ],
)
def test_what_a_dead_worker_held_wakes_it_when_the_lease_has_ended(
    trigger, sync_db, sync_db_url, lane, lease_ended, wakes
):
    ledger = Ledger(sync_db_url)
    operation = ledger.operation(ledger.run(), "1", lane=int(lane))
    sync_db.execute(
        "UPDATE krayin_sync.operation SET worker = 'gone', lease_until = now() - %s::interval WHERE id = %s",
        (lease_ended, operation),
    )

    async def scenario():
        async with aclosing(trigger.run()) as events:
            following = asyncio.ensure_future(anext(events))
            done, _ = await asyncio.wait([following], timeout=WAIT if wakes else 0.5)
            assert bool(done) is wakes
            following.cancel()
            await asyncio.wait([following])

    asyncio.run(scenario())


def test_it_asks_again_when_nobody_came(trigger, sync_db, monkeypatch):
    monkeypatch.setattr(inbox_trigger, "ASK_AGAIN_AFTER", 0.3)

    async def scenario():
        async with aclosing(trigger.run()) as events:
            receive(sync_db)
            await asyncio.wait_for(anext(events), WAIT)
            # Airflow drops what it is asked for while the DAG is paused.
            await asyncio.wait_for(anext(events), WAIT)

    asyncio.run(scenario())


def test_a_heap_of_hints_is_answered_by_few_looks(trigger, sync_db, monkeypatch):
    looks = []
    look = InboxTrigger._look

    async def counted(self, connection):
        looks.append(1)
        return await look(self, connection)

    monkeypatch.setattr(InboxTrigger, "_look", counted)

    async def scenario():
        async with aclosing(trigger.run()) as events:
            receive(sync_db)
            await asyncio.wait_for(anext(events), WAIT)
            following = asyncio.ensure_future(anext(events))
            for _ in range(200):
                receive(sync_db)
            await asyncio.sleep(0.2)
            take(sync_db, "test")
            looks.clear()
            await asyncio.wait([following], timeout=1)
            assert not following.done()
            following.cancel()
            await asyncio.wait([following])
            return len(looks)

    assert asyncio.run(scenario()) < 30


def test_other_syncs_do_not_wake_it(trigger, sync_db):
    async def scenario():
        async with aclosing(trigger.run()) as events:
            receive(sync_db, "another")
            following = await nothing_for(events, 0.5)
            following.cancel()
            await asyncio.wait([following])

    asyncio.run(scenario())


def test_its_own_errors_make_it_pause_longer_each_time_and_start_nothing(trigger, sync_db, monkeypatch):
    pauses = []
    connect = InboxTrigger._connect

    async def broken(self):
        if len(pauses) < 8:
            raise psycopg.OperationalError
        return await connect(self)

    async def sleep(seconds, real=asyncio.sleep):
        # Servers in other threads of the tests sleep by the same function, a tenth of a second at a time.
        if seconds < 1:
            await real(seconds)
        else:
            pauses.append(seconds)
            await real(0)

    monkeypatch.setattr(InboxTrigger, "_connect", broken)
    monkeypatch.setattr(inbox_trigger.asyncio, "sleep", sleep)

    async def scenario():
        receive(sync_db)
        async with aclosing(trigger.run()) as events:
            await asyncio.wait_for(anext(events), WAIT)

    asyncio.run(scenario())
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60]


def test_it_goes_on_after_its_connection_was_cut(trigger, sync_db, monkeypatch):
    monkeypatch.setattr(inbox_trigger, "LONGEST_PAUSE", 0.1)

    async def scenario():
        async with aclosing(trigger.run()) as events:
            following = await nothing_for(events, 0.3)
            sync_db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
            receive(sync_db)
            await asyncio.wait_for(following, WAIT)

    asyncio.run(scenario())
