"""Plans that would change too much are held, whatever lane or slice they come in, and answered without a loss."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from reconciliation.admin.approval import Question, answer, ask, is_to_be_asked, leave_unanswered
from reconciliation.plan.guard import changed_fields
from reconciliation.run.request import RunRequest
from reconciliation.store.decisions import ReplayRequest, replay
from reconciliation.store.run_rows import RunKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.reconciliation.world import World

NUMBER = 3
PATIENCE = timedelta(days=7)
LIMITS = {"share": 0.2, "number": NUMBER}


@pytest.fixture
def people(world: World) -> list[int]:
    """Eight contacts, brought over by a first load."""
    world.settings["max_changes_without_approval"] = LIMITS
    contacts = [world.add(name=f"Person {n}", email=f"p{n}@example.com") for n in range(8)]
    run = world.run()
    assert run.summary["created"] == {"person": 8, "lead": 8}
    return contacts


@pytest.fixture
def sync_db(world: World) -> Iterator[psycopg.Connection]:
    with psycopg.connect(world.sync_url, autocommit=True) as connection:
        yield connection


def titles(world: World) -> set[Any]:
    return {person["job_title"] for person in world.persons()}


def promote(world: World, contacts: list[int], title: str = "Boss") -> None:
    for contact_id in contacts:
        world.change(contact_id, additional_attributes={"job_title": title})


def held(world: World) -> list[str]:
    return [row[1] for row in world.operations("held")]


def asked(sync_db: psycopg.Connection, run: str = "approval 1") -> Question:
    question = ask(sync_db, "test", run)
    assert question is not None
    return question


def test_only_fields_of_records_that_exist_count() -> None:
    fields = changed_fields({"person": ["name"], "lead": ["title", "value"]}, new={"lead"})
    assert fields == ["person.name"]


def test_a_few_changes_pass(world: World, people: list[int]) -> None:
    promote(world, people[:NUMBER])
    run = world.run()
    assert run.summary["held"] == 0
    assert titles(world) == {"Boss", None}


def test_a_share_of_many_passes(world: World, people: list[int]) -> None:
    promote(world, people[:6])
    limits = {"share": 0.8, "number": NUMBER}
    assert world.run(max_changes_without_approval=limits).summary["held"] == 0
    assert held(world) == []


def test_a_large_plan_is_held_while_others_go_on(world: World, people: list[int]) -> None:
    promote(world, people[:5])
    newcomer = world.add(name="New", email="new@example.com")
    run = world.run()
    assert run.summary["held"] == 5
    assert run.summary["created"] == {"person": 1, "lead": 1}
    assert str(newcomer) not in held(world)
    assert titles(world) == {None}
    assert world.run(RunRequest(full=True)).summary["held"] == 0, "what is held is not planned twice"
    assert len(held(world)) == 5


def test_slices_in_any_lane_add_up(world: World, people: list[int]) -> None:
    promote(world, people[:2])
    world.run()
    promote(world, people[2:4])
    events = RunRequest(kind=RunKind.EVENTS, contact_ids=frozenset(people[2:4]))
    assert world.run(events).summary["held"] == 2
    promote(world, people[4:6])
    assert world.run().summary["held"] == 2, "webhooks' contacts stay held; two more are too many again"
    promote(world, people[6:7])
    assert world.run().summary["held"] == 0, "what is held is no change yet"


def test_slices_planned_at_the_same_time_add_up(world: World, people: list[int]) -> None:
    promote(world, people)
    slices = [frozenset(people[n : n + 2]) for n in range(0, 8, 2)]
    with ThreadPoolExecutor(len(slices)) as pool:
        list(pool.map(lambda ids: world.sync().plan(RunRequest(contact_ids=ids)), slices))
    assert len(world.operations("planned")) == 2, "one slice is below the limit, every other above"
    assert len(held(world)) == 6


def test_answers_and_plans_at_the_same_time_lose_nothing(world: World, people: list[int]) -> None:
    """Planners replace what an answer is just letting go; nobody waits for ever, nothing stays behind."""
    promote(world, people)
    world.run()

    def replan(n: int) -> None:
        for turn in range(3):
            promote(world, people[n : n + 2], f"Turn {turn}")
            world.sync().plan(RunRequest(contact_ids=frozenset(people[n : n + 2])))

    def reply() -> None:
        with psycopg.connect(world.sync_url, autocommit=True) as connection:
            for turn in range(6):
                question = ask(connection, "test", f"approval {turn}")
                if question is not None:
                    answer(connection, question.approval_id, approved=True, decided_by="ann")

    with ThreadPoolExecutor(5) as pool:
        for done in [*(pool.submit(replan, n) for n in range(0, 8, 2)), pool.submit(reply)]:
            done.result()
    reply()
    assert held(world) == []
    world.run()
    assert titles(world) == {"Turn 2"}


def test_changes_of_an_earlier_period_do_not_count(world: World, people: list[int]) -> None:
    promote(world, people[:3])
    world.run()
    world.rows("UPDATE operation SET created_at = created_at - interval '25 hours' RETURNING id")
    promote(world, people[3:6])
    assert world.run().summary["held"] == 0


def test_a_dry_run_tells_and_keeps_nothing(world: World, people: list[int]) -> None:
    promote(world, people)
    run = world.run(RunRequest(dry_run=True))
    assert run.summary["held"] == 8
    assert held(world) == []
    assert world.rows("SELECT count(*) FROM approval") == [(0,)]


def test_the_question_shows_numbers_fields_and_ids(
    world: World, people: list[int], sync_db: psycopg.Connection
) -> None:
    promote(world, people[:5], "Secret Title")
    world.change(people[0], name="Renamed Person")
    world.run()
    question = asked(sync_db)
    assert question.changes == {"contact": 5}
    assert question.fields == {"person.job_title": 5, "lead.title": 1, "person.name": 1} or (
        question.fields["person.job_title"] == 5 and question.fields["person.name"] == 1
    )
    assert question.largest[0][:2] == ("contact", str(people[0]))
    assert question.calls >= 6
    shown = question.body + str(question.to_json())
    assert "Secret" not in shown
    assert "Renamed" not in shown
    assert f"contact {people[0]}: " in question.body


def test_approved_is_carried_out(world: World, people: list[int], sync_db: psycopg.Connection) -> None:
    promote(world, people)
    world.run()
    decided = answer(sync_db, asked(sync_db).approval_id, approved=True, decided_by="ann")
    assert (decided.planned, decided.declined) == (8, 0)
    world.run()
    assert titles(world) == {"Boss"}
    promote(world, people[:2], "Chief")
    assert world.run().summary["held"] == 0, "approved changes do not count towards the next question"


def test_declined_stays_until_it_changes_or_is_asked_for(
    world: World, people: list[int], sync_db: psycopg.Connection
) -> None:
    promote(world, people)
    world.run()
    approval = asked(sync_db).approval_id
    assert answer(sync_db, approval, approved=False, decided_by="ann").declined == 8
    assert answer(sync_db, approval, approved=True, decided_by="bob").planned == 0, "the first answer counts"
    world.run(RunRequest(full=True))
    assert titles(world) == {None}
    assert len(world.operations("declined")) == 8
    promote(world, people[:1], "Chief")
    world.run()
    assert titles(world) == {None, "Chief"}
    assert replay(sync_db, ReplayRequest("test", approval_id=approval), by="ada").planned == 7
    world.run()
    assert titles(world) == {"Boss", "Chief"}


def test_what_changes_again_while_held_stays_held_and_comes_over_as_it_is_now(
    world: World, people: list[int], sync_db: psycopg.Connection
) -> None:
    promote(world, people[:5])
    world.run()
    approval = asked(sync_db).approval_id
    promote(world, people[:1], "Chief")
    promote(world, people[1:2], "")
    assert world.run(RunRequest(kind=RunKind.EVENTS, contact_ids=frozenset(people[:1]))).summary["held"] == 1
    world.run()
    assert titles(world) == {None}
    assert len(held(world)) == 4, "what went back to what Krayin has needs nothing any more"
    assert answer(sync_db, approval, approved=True, decided_by="ann").planned == 4
    world.run()
    assert sorted(str(person["job_title"]) for person in world.persons()[:5]) == [
        "Boss", "Boss", "Boss", "Chief", "None",
    ]  # fmt: skip


def test_more_while_a_question_is_open_is_the_next_question(
    world: World, people: list[int], sync_db: psycopg.Connection
) -> None:
    promote(world, people[:4])
    world.run()
    first = asked(sync_db).approval_id
    promote(world, people[4:])
    world.run()
    assert answer(sync_db, first, approved=False, decided_by="ann").declined == 4
    second = asked(sync_db, "approval 2")
    assert second.approval_id != first
    assert second.changes == {"contact": 4}
    answer(sync_db, second.approval_id, approved=True, decided_by="ann")
    world.run()
    assert len([person for person in world.persons() if person["job_title"] == "Boss"]) == 4


def test_a_question_without_an_answer_is_asked_again_with_what_came_since(
    world: World, people: list[int], sync_db: psycopg.Connection
) -> None:
    promote(world, people[:4])
    world.run()
    first = asked(sync_db).approval_id
    promote(world, people[4:])
    world.run()
    leave_unanswered(sync_db, first)
    assert len(held(world)) == 8
    again = asked(sync_db, "approval 2")
    assert again.approval_id == first
    assert again.changes == {"contact": 8}
    assert answer(sync_db, first, approved=True, decided_by="ann").planned == 8
    assert ask(sync_db, "test", "approval 3") is None


def test_a_plan_that_dissolved_is_not_asked_about(
    world: World, people: list[int], sync_db: psycopg.Connection
) -> None:
    promote(world, people)
    world.run()
    promote(world, people, "")
    world.run()
    assert ask(sync_db, "test", "approval 1") is None
    assert world.rows("SELECT state FROM approval") == [("withdrawn",)]


def test_airflow_is_told_once(world: World, people: list[int], sync_db: psycopg.Connection) -> None:
    assert not is_to_be_asked(sync_db, "test", PATIENCE)
    promote(world, people)
    world.run()
    assert is_to_be_asked(sync_db, "test", PATIENCE)
    assert not is_to_be_asked(sync_db, "test", PATIENCE)
    sync_db.execute("UPDATE krayin_sync.approval SET nudged_at = nudged_at - interval '1 hour'")
    assert is_to_be_asked(sync_db, "test", PATIENCE), "the first word was lost"
    asked(sync_db)
    sync_db.execute("UPDATE krayin_sync.approval SET nudged_at = nudged_at - interval '1 hour'")
    assert not is_to_be_asked(sync_db, "test", PATIENCE)
    sync_db.execute("UPDATE krayin_sync.approval SET asked_at = asked_at - interval '8 days'")
    assert is_to_be_asked(sync_db, "test", PATIENCE), "the DAG run that asked is gone"


def test_who_claims_what_a_held_plan_gives_up_waits_with_it(
    world: World, people: list[int], sync_db: psycopg.Connection
) -> None:
    promote(world, people)
    world.change(people[0], email="fresh@example.com")
    world.run()
    claimant = world.add(name="Heir", email="p0@example.com")
    run = world.run()
    assert run.summary["held"] == 1
    assert str(claimant) in held(world)
    assert world.operations("quarantined") == []
    question = asked(sync_db)
    assert question.waiting_with_it == 1
    answer(sync_db, question.approval_id, approved=True, decided_by="ann")
    world.run()
    emails = {person["name"]: person["emails"][0]["value"] for person in world.persons()}
    assert emails["Heir"] == "p0@example.com"
    assert emails["Person 0"] == "fresh@example.com"


def test_who_waited_for_a_declined_plan_goes_on(
    world: World, people: list[int], sync_db: psycopg.Connection
) -> None:
    promote(world, people)
    world.change(people[0], email="fresh@example.com")
    world.run()
    claimant = world.add(name="Heir", email="p0@example.com")
    world.run()
    decided = answer(sync_db, asked(sync_db).approval_id, approved=False, decided_by="ann")
    assert (decided.planned, decided.declined) == (1, 8)
    world.run()
    assert [row[1] for row in world.operations("quarantined")] == [str(claimant)], (
        "the address is still taken"
    )
