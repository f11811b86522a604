from __future__ import annotations

import hashlib
import logging
import uuid

import psycopg
import pytest
from chatwoot.webhook.payload_ids import EntityRef, notice_of, parsed
from reconciliation.run.events import act_on_events, mark_processed, take
from reconciliation.run.request import RunRequest
from reconciliation.store.run_rows import RunKind
from statements import statement

from sandbox.chatwoot import webhooks
from tests.reconciliation.crm.test_workflows import add_workflow


def receive(world, payload, sync_name="test"):
    """Keep a webhook as the receiver does."""
    body = webhooks.encode(payload)
    with psycopg.connect(world.sync_url, autocommit=True) as connection:
        connection.execute(
            statement("webhook/store"),
            {
                "sync_names": [sync_name],
                "delivery_ids": [uuid.uuid4()],
                "events": [payload["event"]],
                "entities": [" ".join(map(str, notice_of(parsed(body)).entities))],
                "signed": [True],
                "content_hashes": [hashlib.sha256(body).digest()],
                "bodies": [body],
            },
        )


def open_events(world):
    return world.rows("SELECT entities FROM inbox_event WHERE processed_at IS NULL ORDER BY id")


def test_a_changed_contact_is_read_anew_and_nothing_of_the_payload_is_written(world):
    contact = world.add(name="Before", email="ann@example.com")
    world.run()
    world.change(contact, name="After")
    receive(world, webhooks.contact_updated(contact, name="Lie", email="lie@example.com"))
    (run,) = act_on_events(world.sync())
    assert [person["name"] for person in world.persons()] == ["After"]
    assert world.persons()[0]["emails"][0]["value"] == "ann@example.com"
    assert (run.kind, run.state, run.summary["read"]) == ("events", "done", 1)
    assert open_events(world) == []
    assert world.rows("SELECT run_id FROM inbox_event") == [(run.id,)]


def test_many_events_of_one_contact_are_one_change(world):
    contact, other = world.add(name="A", email="a@example.com"), world.add(name="B", email="b@example.com")
    world.run()
    for name in ("A1", "A2", "A3"):
        world.change(contact, name=name)
        receive(world, webhooks.contact_updated(contact, name=name))
    receive(world, {**webhooks.conversation(5, contact), "event": "conversation_updated"})
    receive(world, webhooks.message(70, 5, contact, "message_created"))
    (run,) = act_on_events(world.sync())
    assert run.summary["read"] == 1
    assert [person["name"] for person in world.persons()] == ["A3", "B"]
    puts = [route for method, route, _ in world.calls(run.id) if method == "PUT"]
    assert len(puts) == len(set(puts)) == 2
    assert other


def test_changes_arrive_in_the_order_in_which_the_webhooks_came(world):
    contacts = [world.add(name=f"A{n}", email=f"a{n}@example.com") for n in range(4)]
    world.run()
    order = [contacts[number] for number in (2, 0, 3, 1)]
    for contact in contacts:
        world.change(contact, name=f"Changed {contact}")
    for contact in order:
        receive(world, webhooks.contact_updated(contact))
    (run,) = act_on_events(world.sync())
    written = world.rows(
        "SELECT operation.source_id FROM api_call JOIN operation ON operation.id = api_call.operation_id"
        f" WHERE api_call.run_id = {run.id} AND route = 'contacts/persons/{{id}}' ORDER BY api_call.at"
    )
    assert [int(contact) for (contact,) in written] == order


def test_a_webhook_s_forecast_leaves_out_what_others_carry_out(world):
    """A backfill's queue, which a run for webhooks does not touch."""
    contact = world.add(name="A", email="a@example.com")
    world.run()
    for number in range(30):
        world.add(name=f"Old {number}", email=f"old{number}@example.com")
    world.sync().plan(RunRequest(kind=RunKind.BACKFILL, full=True))
    world.change(contact, name="A2")
    receive(world, webhooks.contact_updated(contact))
    (run,) = act_on_events(world.sync())
    # The attributes that the run before this one read are fresh enough for webhooks.
    assert run.summary["forecast_calls"] - 1 == run.summary["calls"]
    assert run.summary["calls"] < 10


def test_an_event_about_nothing_changed_writes_nothing(world):
    contact = world.add(name="A", email="a@example.com")
    world.run()
    receive(world, webhooks.contact_updated(contact))
    (run,) = act_on_events(world.sync())
    assert world.calls(run.id) == []
    assert open_events(world) == []


def test_a_new_contact_comes_over_and_one_deleted_or_of_another_account_does_no_harm(world):
    world.run()
    contact = world.add(name="New", email="new@example.com")
    receive(world, webhooks.contact_created(contact))
    receive(world, webhooks.contact_updated(987_654))
    act_on_events(world.sync())
    assert [person["name"] for person in world.persons()] == ["New"]
    assert open_events(world) == []


def test_the_watermark_stays_where_it_was(world):
    contact, unseen = world.add(name="A", email="a@example.com"), world.add(name="B", email="b@example.com")
    world.run()
    before = world.rows("SELECT position, run_id FROM watermark")
    world.change(contact, name="A2")
    world.change(unseen, name="B2")
    receive(world, webhooks.contact_updated(contact))
    act_on_events(world.sync())
    assert world.rows("SELECT position, run_id FROM watermark") == before
    assert [person["name"] for person in world.persons()] == ["A2", "B"]
    world.run()
    assert [person["name"] for person in world.persons()] == ["A2", "B2"]


def test_events_of_a_planning_that_failed_wait_for_the_next_run(world, monkeypatch):
    contact = world.add(name="A", email="a@example.com")
    world.run()
    world.change(contact, name="A2")
    receive(world, webhooks.contact_updated(contact))

    def broken(*_, **__):
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr("reconciliation.plan.contact_planner.ContactPlanner.run", broken)
        with pytest.raises(RuntimeError):
            act_on_events(world.sync(), "run-1")
    assert len(open_events(world)) == 1
    # The same task, tried again.
    act_on_events(world.sync(), "run-1")
    assert open_events(world) == []
    assert [person["name"] for person in world.persons()] == ["A2"]


def test_an_event_that_comes_while_chatwoot_is_read_is_acted_upon_next(world, monkeypatch):
    contact = world.add(name="A", email="a@example.com")
    world.run()
    world.change(contact, name="A2")
    payload = webhooks.contact_created(contact)
    receive(world, payload)
    from reconciliation.run.planning import extract

    rounds = []

    def change_after_reading(*arguments, **options):
        extract(*arguments, **options)
        if not rounds:
            world.change(contact, name="A3")
            # Byte for byte the first one again: it must not pass for a repetition.
            receive(world, payload)
        rounds.append(len(rounds))

    monkeypatch.setattr("reconciliation.run.planning.extract", change_after_reading)
    runs = act_on_events(world.sync(), "run-1")
    assert len(runs) == len(rounds) == 2
    assert [person["name"] for person in world.persons()] == ["A3"]


def test_it_leaves_the_work_of_other_lanes_alone(world):
    contact = world.add(name="A", email="a@example.com")
    world.run()
    crowd = [world.add(name=f"C{number}", email=f"c{number}@example.com") for number in range(3)]
    world.sync().plan(RunRequest(full=True))
    world.change(contact, name="A2")
    receive(world, webhooks.contact_updated(contact))
    act_on_events(world.sync())
    assert [person["name"] for person in world.persons()] == ["A2"]
    assert world.rows("SELECT count(*) FROM operation WHERE state = 'planned'") == [(len(crowd),)]


def plan_only(world, contact):
    """Take the webhooks that wait and plan what they name, as a run does that then dies."""
    with psycopg.connect(world.sync_url, autocommit=True) as connection:
        waiting = take(connection, "test")
    assert waiting.entities == {EntityRef("contact", contact)}
    world.sync().plan(
        RunRequest(kind=RunKind.EVENTS, contact_ids=waiting.of("contact")),
        also=lambda connection, run_id: mark_processed(connection, waiting.ids, run_id),
    )


def test_what_an_earlier_run_left_is_loaded_by_the_next_though_no_event_waits(world):
    contact = world.add(name="A", email="a@example.com")
    world.run()
    world.change(contact, name="A2")
    receive(world, webhooks.contact_updated(contact))
    plan_only(world, contact)
    assert [person["name"] for person in world.persons()] == ["A"]
    sync = world.sync()
    act_on_events(sync)
    assert [person["name"] for person in world.persons()] == ["A2"]
    assert act_on_events(sync) == []


@pytest.mark.parametrize("state", ["planned", "in_flight"])
def test_what_a_dead_worker_held_is_loaded_by_the_next_run_after_its_lease(world, state):
    contact = world.add(name="A", email="a@example.com")
    world.run()
    world.change(contact, name="A2")
    receive(world, webhooks.contact_updated(contact))
    plan_only(world, contact)

    def leased(until):
        world.rows(
            "UPDATE operation SET worker = 'gone', state = %s, step = 'update_person', sent_at = now() - interval '1 hour',"
            " lease_until = now() + %s::interval WHERE state IN ('planned', 'in_flight') RETURNING id",
            state,
            until,
        )

    leased("1 minute")
    assert act_on_events(world.sync()) == []
    leased("-1 second")
    assert len(act_on_events(world.sync())) == 1
    assert [person["name"] for person in world.persons()] == ["A2"]


def test_events_without_a_contact_do_not_compare_everything(world):
    world.add(name="A", email="a@example.com")
    payload = {"event": "conversation_updated", "id": 4, "account": {"id": 1}}
    receive(world, payload)
    assert act_on_events(world.sync()) == []
    assert world.persons() == []
    assert open_events(world) == []


def test_a_sync_that_is_off_forgets_its_events_and_sends_nothing(world):
    contact = world.add(name="A", email="a@example.com")
    receive(world, webhooks.contact_created(contact))
    act_on_events(world.sync(enabled=False))
    assert world.persons() == []
    assert open_events(world) == []


def test_before_the_first_load_is_allowed_events_wait_and_one_line_says_why(world, caplog):
    workflow = add_workflow(world, "lead.create.after", "send_email_to_person")
    contact = world.add(name="A", email="a@example.com")
    receive(world, webhooks.contact_created(contact))
    with caplog.at_level(logging.WARNING):
        assert act_on_events(world.sync()) == []
    (said,) = [record.getMessage() for record in caplog.records if record.name == "reconciliation.run.events"]
    assert f"confirmed_workflows: [{workflow}]" in said
    assert "The webhooks wait until the first load has begun" in said
    assert world.persons() == []
    assert len(open_events(world)) == 1
    assert world.rows("SELECT count(*) FROM sync_run") == [(0,)]
    act_on_events(world.sync(confirmed_workflows=[workflow]))
    assert [person["name"] for person in world.persons()] == ["A"]
    assert open_events(world) == []


def test_events_of_another_sync_are_not_touched(world):
    receive(world, webhooks.contact_created(world.add(email="a@example.com")), "another")
    assert act_on_events(world.sync()) == []
    assert len(open_events(world)) == 1


class Clock:
    """A clock that only goes on while somebody sleeps; `then` happens at given seconds."""

    def __init__(self, **then):
        self.seconds = 0.0
        self.then = sorted((float(at.removeprefix("at_")), what) for at, what in then.items())

    def __call__(self):
        return self.seconds

    def sleep(self, seconds):
        self.seconds += seconds
        while self.then and self.then[0][0] <= self.seconds:
            self.then.pop(0)[1]()


def test_a_run_that_acted_listens_for_more_until_it_is_quiet(world):
    contact = world.add(name="A", email="a@example.com")
    world.run()

    def renamed(name):
        world.change(contact, name=name)
        receive(world, webhooks.contact_updated(contact, name=name))

    clock = Clock(at_3=lambda: renamed("A3"), at_7=lambda: renamed("A7"), at_13=lambda: renamed("A13"))
    renamed("A0")
    runs = act_on_events(world.sync(), "run-1", listen=60, clock=clock, sleep=clock.sleep)
    assert len(runs) == 3
    assert world.rows("SELECT dag_run_id FROM sync_run WHERE kind = 'events' ORDER BY id") == [
        ("run-1",), ("run-1#2",), ("run-1#3",),
    ]  # fmt: skip
    assert [person["name"] for person in world.persons()] == ["A7"]
    assert clock.seconds == pytest.approx(12, abs=0.5)


def test_a_listening_run_ends_however_much_comes(world):
    contact = world.add(name="A", email="a@example.com")
    world.run()
    hear = lambda: receive(world, webhooks.contact_updated(contact, name=str(uuid.uuid4())))  # noqa: E731
    clock = Clock(**{f"at_{second}": hear for second in range(2, 200, 2)})
    hear()
    act_on_events(world.sync(), listen=10, clock=clock, sleep=clock.sleep)
    assert clock.seconds == pytest.approx(10, abs=0.5)
    assert world.rows("SELECT count(*) FROM inbox_listener") == [(0,)]


def test_a_run_without_events_and_one_that_holds_a_plan_end_at_once(world):
    contacts = [world.add(name=f"A{n}", email=f"a{n}@example.com") for n in range(3)]
    world.run()
    clock = Clock()
    assert act_on_events(world.sync(), listen=60, clock=clock, sleep=clock.sleep) == []
    for contact in contacts:
        world.change(contact, name=f"Changed {contact}")
        receive(world, webhooks.contact_updated(contact))
    limited = world.sync(max_changes_without_approval={"number": 1})
    (run,) = act_on_events(limited, listen=60, clock=clock, sleep=clock.sleep)
    assert run.summary["held"] > 0
    assert clock.seconds == 0
