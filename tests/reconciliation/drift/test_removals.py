"""Removals: asked about early, looked up in Chatwoot before they are sent, at Krayin's pace, and undone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from chatwoot.database.source import DatabaseSource
from chatwoot.errors import ChatwootUnreachable
from reconciliation.admin.approval import Question, answer, ask
from reconciliation.crm import person_deletions
from reconciliation.drift.request import ReconcileRequest
from reconciliation.drift.run import compare, repair
from reconciliation.run.request import RunRequest
from reconciliation.store.run_rows import RunKind
from reconciliation.web.facts import read_facts
from reconciliation.web.health import health_of

from sandbox.chatwoot import changes
from tests.soak import SOAK

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciliation.store.run_rows import Run

    from tests.reconciliation.world import World

LOST = 6
FIRST_STAGE = 1
QUALIFIED = 3
UNASKED = {"max_removals_without_approval": {"number": 1000, "share": 1.0}}
CLOSES = {"reconcile": {"repair": "repair"}, "on_source_delete": "close_lead", **UNASKED}
DELETES = {**CLOSES, "on_source_delete": "delete"}


@pytest.fixture
def chatwoot(world: World) -> Iterator[psycopg.Connection]:
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def sync_db(world: World) -> Iterator[psycopg.Connection]:
    with psycopg.connect(world.sync_url, autocommit=True) as connection:
        yield connection


def people(world: World, number: int = 3) -> list[int]:
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        contacts = [
            changes.add_contact(connection, 1, name=f"Ada {n}", email=f"ada{n}@example.com")
            for n in range(number)
        ]
    world.run()
    return contacts


def gone(chatwoot: psycopg.Connection, contacts: Sequence[int]) -> None:
    for contact in contacts:
        changes.delete_contact(chatwoot, contact)


def back(chatwoot: psycopg.Connection, contacts: Sequence[int]) -> None:
    """The contacts as they were, under their ids: what hid them does so no more."""
    for contact in contacts:
        changes.add_contact(
            chatwoot, 1, id=contact, name=f"Ada {contact - 1}", email=f"ada{contact - 1}@example.com"
        )


def planned(world: World, settings: dict[str, Any], **asked: Any) -> int:
    return compare(world.sync(**settings), ReconcileRequest(**{"depth": "full", **asked}))


def reconcile(world: World, settings: dict[str, Any], **asked: Any) -> Run:
    run_id = planned(world, settings, **asked)
    return repair(world.sync(**settings), run_id)


def stages(world: World) -> list[int]:
    return [lead["lead_pipeline_stage_id"] for lead in world.leads()]


def counts(world: World) -> dict[str, Any]:
    ((found,),) = world.rows("SELECT counts FROM reconciliation ORDER BY id DESC LIMIT 1")
    return dict(found)


def health(world: World, sync_db: psycopg.Connection) -> Any:
    return health_of(read_facts(sync_db, ["test"])["test"], datetime.now(UTC), schedule=None)


def asked(sync_db: psycopg.Connection) -> Question:
    question = ask(sync_db, "test", "a run")
    assert question is not None
    return question


def move(world: World, lead: int, stage: int) -> None:
    world.api("PUT", f"leads/stage/edit/{lead}", {"lead_pipeline_stage_id": stage})


# --- asked about early --------------------------------------------------------------------------


def test_removals_are_asked_about_above_the_smaller_of_number_and_share(
    world: World, chatwoot: psycopg.Connection, sync_db: psycopg.Connection
) -> None:
    contacts = people(world, 8)
    limits = {**CLOSES, "max_removals_without_approval": {"number": 10, "share": 0.3}}
    for contact in contacts[:2]:
        # A trickle, by runs of their own.
        gone(chatwoot, [contact])
        reconcile(world, limits)
    assert stages(world).count(LOST) == 2
    gone(chatwoot, contacts[2:4])
    reconcile(world, limits)
    assert stages(world).count(LOST) == 2, "two of seven are less than 30 %, four are more"
    question = asked(sync_db)
    assert question.removals == {"lead.closed": (2, [f"contact {contacts[2]}", f"contact {contacts[3]}"])}
    assert f"| lead closed | 2 | contact {contacts[2]}, contact {contacts[3]} |" in question.body
    assert "changed or removed" in question.subject


def test_changes_and_removals_are_counted_apart(world: World, chatwoot: psycopg.Connection) -> None:
    contacts = people(world, 8)
    limits = {
        **CLOSES,
        "max_changes_without_approval": {"number": 2, "share": 0.25},
        "max_removals_without_approval": {"number": 2, "share": 1.0},
    }
    for contact in contacts[:2]:
        world.change(contact, additional_attributes={"job_title": "Boss"})
    world.run(**limits)
    gone(chatwoot, contacts[6:])
    reconcile(world, limits)
    assert world.operations("held") == []
    assert stages(world).count(LOST) == 2


def test_most_of_them_gone_is_never_a_deletion_nobody_was_asked_about(
    world: World, chatwoot: psycopg.Connection
) -> None:
    contacts = people(world, 6)
    gone(chatwoot, contacts[:5])
    settings = {"reconcile": {"repair": "repair"}, "on_source_delete": "delete"}
    reconcile(world, settings)
    assert len(world.operations("held")) == 5
    assert len(world.persons()) == len(world.leads()) == 6


def test_overwritten_edits_count_as_removals_when_they_are_found_at_last(
    world: World, sync_db: psycopg.Connection
) -> None:
    contacts = people(world, 4)
    for person in world.persons():
        # What an ordinary plan does not see: it does not read what it is about to change.
        world.api("PUT", f"leads/attributes/edit/{person['id']}", {"title": "Typed in Krayin"})
    limits = {"on_crm_edit": "overwrite", "max_removals_without_approval": {"number": 2, "share": 1.0}}
    for contact in contacts:
        world.change(contact, name=f"Renamed {contact}")
    world.run(**limits)
    held = world.operations("held")
    assert len(held) == 2
    assert sum(lead["title"] == "Typed in Krayin" for lead in world.leads()) == 2
    question = asked(sync_db)
    assert question.removals["lead.overwritten"][0] == 2
    answer(sync_db, question.approval_id, approved=True, decided_by="ann")
    world.run(**limits)
    assert all(lead["title"].startswith("Renamed") for lead in world.leads())
    assert world.operations("held") == []


# --- looked up right before ---------------------------------------------------------------------


def test_what_is_back_when_its_removal_is_due_is_left_alone(
    world: World, chatwoot: psycopg.Connection
) -> None:
    contacts = people(world)
    gone(chatwoot, contacts)
    run_id = planned(world, DELETES)
    back(chatwoot, contacts[:1])
    repair(world.sync(**DELETES), run_id)
    assert [person["name"] for person in world.persons()] == ["Ada 0"]
    assert len(world.leads()) == 1
    assert world.operations("superseded") == [
        ("contact", str(contacts[0]), "withdrawn", "it is in Chatwoot again")
    ]
    reconcile(world, DELETES)
    assert counts(world)["in_sync"] == counts(world)["in_scope"] == 1


def test_an_ordinary_sync_carries_no_withdrawn_removal_on(world: World, chatwoot: psycopg.Connection) -> None:
    contacts = people(world)
    gone(chatwoot, contacts)
    planned(world, DELETES)
    back(chatwoot, contacts)
    world.run(**DELETES)
    assert len(world.persons()) == len(world.leads()) == 3
    assert world.rows("SELECT DISTINCT state FROM mapping") == [("linked",)]


def test_a_late_yes_removes_nothing_that_is_back(
    world: World, chatwoot: psycopg.Connection, sync_db: psycopg.Connection
) -> None:
    contacts = people(world)
    gone(chatwoot, contacts)
    settings = {"reconcile": {"repair": "repair"}, "on_source_delete": "delete"}
    reconcile(world, settings)
    back(chatwoot, contacts[1:])
    answer(sync_db, asked(sync_db).approval_id, approved=True, decided_by="ann")
    world.run(**settings)
    assert [person["name"] for person in world.persons()] == ["Ada 1", "Ada 2"]
    assert len(world.leads()) == 2


def test_a_chatwoot_that_cannot_be_read_puts_a_removal_off(
    world: World, chatwoot: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    contacts = people(world)
    gone(chatwoot, contacts)
    run_id = planned(world, DELETES)

    def away(_: DatabaseSource) -> None:
        raise ChatwootUnreachable(where="chatwoot", reason="down")

    with monkeypatch.context() as patched:
        patched.setattr(DatabaseSource, "snapshot", away)
        run = repair(world.sync(**DELETES), run_id)
    assert run.state == "done"
    assert len(world.persons()) == 3
    assert world.rows(
        "SELECT DISTINCT state, attempts, error_class FROM operation WHERE payload ? 'retire'"
    ) == [("planned", 0, "chatwoot_not_seen")]
    world.rows("UPDATE operation SET next_attempt_at = now() WHERE state = 'planned' RETURNING id")
    world.run(**DELETES)
    assert world.persons() == []


def test_a_deletion_that_turns_out_to_be_a_merge_is_decided_anew(
    world: World, chatwoot: psycopg.Connection
) -> None:
    loser, survivor = people(world, 2)
    changes.delete_contact(chatwoot, loser)
    run_id = planned(world, DELETES)
    # The same addresses: now it is seen where the contact went.
    world.change(survivor, email="ada0@example.com")
    repair(world.sync(**DELETES), run_id)
    assert len(world.persons()) == 2
    ((error, message),) = world.rows(
        "SELECT error_class, error_message FROM operation WHERE payload ? 'retire' AND state = 'superseded'"
    )
    assert error == "withdrawn"
    assert "the next comparison decides anew" in message


# --- undone ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seen_by", ["comparison", "sync", "webhook"])
def test_a_closed_lead_is_reopened_at_its_stage_when_its_contact_is_back(
    world: World, chatwoot: psycopg.Connection, sync_db: psycopg.Connection, seen_by: str
) -> None:
    contacts = people(world)
    move(world, world.leads()[1]["id"], QUALIFIED)
    before = stages(world)
    gone(chatwoot, contacts)
    reconcile(world, CLOSES)
    assert stages(world) == [LOST] * 3
    back(chatwoot, contacts)
    if seen_by == "comparison":
        reconcile(world, CLOSES, depth="changed")
    elif seen_by == "sync":
        world.run(**CLOSES)
    else:
        world.run(RunRequest(kind=RunKind.EVENTS, contact_ids=frozenset(contacts)), **CLOSES)
    assert stages(world) == before
    assert all(lead["closed_at"] is None for lead in world.leads())
    assert world.rows("SELECT DISTINCT ended_as FROM removal") == [("reopened",)]
    reconcile(world, CLOSES)
    assert counts(world)["in_sync"] == 3
    assert health(world, sync_db).verdict == "Healthy"


def test_a_lead_that_somebody_moved_since_we_closed_it_stays_where_it_is(
    world: World, chatwoot: psycopg.Connection
) -> None:
    contacts = people(world)
    gone(chatwoot, contacts)
    reconcile(world, CLOSES)
    first, second, third = (lead["id"] for lead in world.leads())
    move(world, first, QUALIFIED)
    world.api("PUT", f"leads/attributes/edit/{second}", {"lost_reason": "Went to a competitor"})
    back(chatwoot, contacts)
    reconcile(world, CLOSES)
    assert stages(world) == [QUALIFIED, LOST, FIRST_STAGE]
    assert third == world.leads()[2]["id"]
    assert world.rows("SELECT ended_as FROM removal ORDER BY crm_id") == [("left",), ("left",), ("reopened",)]


def test_until_leads_are_reopened_report_and_page_say_so(
    world: World, chatwoot: psycopg.Connection, sync_db: psycopg.Connection
) -> None:
    contacts = people(world)
    gone(chatwoot, contacts)
    reconcile(world, CLOSES)
    back(chatwoot, contacts)
    careful = {**CLOSES, "max_changes_without_approval": {"number": 1, "share": 0.01}}
    reconcile(world, careful)
    assert stages(world) == [LOST] * 3, "so many changes are asked about"
    assert counts(world)["in_sync"] == 0
    assert counts(world)["moved_stage"] == 3
    shown = health(world, sync_db)
    assert shown.verdict == "Works, needs you"
    assert any("3 leads were closed by this sync" in reason for reason in shown.reasons)
    answer(sync_db, asked(sync_db).approval_id, approved=True, decided_by="ann")
    world.run(**careful)
    assert stages(world) == [FIRST_STAGE] * 3
    reconcile(world, careful)
    assert counts(world)["in_sync"] == 3


@pytest.mark.parametrize("approved", [True, False])
def test_what_was_deleted_is_made_again_only_after_a_yes(
    world: World, chatwoot: psycopg.Connection, sync_db: psycopg.Connection, *, approved: bool
) -> None:
    contacts = people(world)
    gone(chatwoot, contacts[:1])
    reconcile(world, DELETES)
    assert len(world.persons()) == 2
    back(chatwoot, contacts[:1])
    run = world.run(**DELETES)
    assert run.summary["held"] == 1
    assert len(world.persons()) == 2
    assert any(
        "1 record" not in one and "2 records were deleted" in one for one in health(world, sync_db).reasons
    )
    question = asked(sync_db)
    assert question.fields == {"contact.made_again": 1}
    answer(sync_db, question.approval_id, approved=approved, decided_by="ann")
    world.run(**DELETES)
    assert len(world.persons()) == len(world.leads()) == (3 if approved else 2)
    assert world.run(RunRequest(full=True), **DELETES).summary["held"] == 0


# --- lead and person together, at Krayin's pace ---------------------------------------------------


def test_lead_and_person_go_together_or_not_at_all(world: World, chatwoot: psycopg.Connection) -> None:
    contacts = people(world, 2)
    person = world.persons()[0]["id"]
    foreign = {**world.leads()[0], "title": "Salesperson's", "person": {"id": person}}
    made = world.api(
        "POST",
        "leads",
        {
            "title": foreign["title"],
            "lead_value": 5,
            "lead_source_id": 1,
            "lead_type_id": 1,
            "lead_pipeline_id": 1,
            "lead_pipeline_stage_id": 1,
            "person": {"id": person},
        },
    )["data"]["id"]
    gone(chatwoot, contacts)
    reconcile(world, DELETES)
    assert [one["id"] for one in world.persons()] == [person]
    assert len(world.leads()) == 2
    assert made in {lead["id"] for lead in world.leads()}
    assert [row[2] for row in world.operations("quarantined")] == ["person_has_leads"]


def test_more_deletions_than_krayin_allows_an_hour_wait_for_it(
    world: World, chatwoot: psycopg.Connection, sync_db: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(person_deletions, "PERSON_DELETIONS", 3)
    contacts = people(world, 6)
    gone(chatwoot, contacts[:5])
    run = reconcile(world, DELETES)
    assert run.state == "done"
    assert run.message is not None
    assert run.message.startswith("2 removals wait for Krayin's limit of ")
    assert run.summary["forecast_seconds"] == 5 * 1200, "five at three an hour"
    assert len(world.persons()) == len(world.leads()) == 3
    assert (
        world.rows("SELECT state, attempts, error_class FROM operation WHERE error_class IS NOT NULL")
        == [("planned", 0, "deletions_limited")] * 2
    )
    ((minutes,),) = world.rows(
        "SELECT extract(epoch FROM min(next_attempt_at) - now()) / 60 FROM operation WHERE state = 'planned'"
    )
    assert 55 < minutes <= 60
    newcomer = world.add(name="New", email="new@example.com")
    assert world.run(**DELETES).summary["created"] == {"person": 1, "lead": 1}, newcomer
    an_hour_later(sync_db)
    assert world.run(**DELETES).message is None
    assert [person["name"] for person in world.persons()] == ["Ada 5", "New"]


def test_deletions_that_others_used_up_are_no_outage(world: World, chatwoot: psycopg.Connection) -> None:
    others = [
        world.api(
            "POST",
            "contacts/persons",
            {
                "name": f"Other {n}",
                "emails": [{"value": f"other{n}@example.com", "label": "work"}],
                "contact_numbers": [{"value": f"+4930{n:06}", "label": "work"}],
            },
        )["data"]["id"]
        for n in range(100)
    ]
    contacts = people(world, 8)
    for person in others:
        world.api("DELETE", f"contacts/persons/{person}")
    gone(chatwoot, contacts[:7])
    run = reconcile(world, DELETES)
    assert run.state == "done"
    assert run.message is not None
    assert "7 removals wait" in run.message
    assert len(world.persons()) == 8
    assert len(world.leads()) == 7, "one was asked for in vain, the others were not begun"
    calls = world.rows("SELECT count(*) FROM api_call WHERE method = 'DELETE' AND route LIKE 'contacts%%'")
    assert calls == [(1,)]
    world.krayin.advance(3600)
    world.rows("UPDATE operation SET next_attempt_at = now() WHERE state = 'planned' RETURNING id")
    world.rows("UPDATE rate_budget SET blocked_until = '-infinity' WHERE key LIKE 'person-%%' RETURNING key")
    world.run(**DELETES)
    assert len(world.persons()) == len(world.leads()) == 1


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("approved", [True, False])
def test_many_true_deletions_are_asked_about_once_and_go_at_krayin_s_pace(
    world: World,
    chatwoot: psycopg.Connection,
    sync_db: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    *,
    approved: bool,
) -> None:
    """A thousand of 10,000 contacts at Krayin's own limit with SOAK=1, else a tenth of all that."""
    everybody, number, returning, hourly = (10_000, 1000, 20, 100) if SOAK else (1000, 100, 20, 10)
    monkeypatch.setattr(person_deletions, "PERSON_DELETIONS", hourly)
    contacts = people(world, everybody)
    removed = contacts[:number]
    gone(chatwoot, removed)
    settings = {"reconcile": {"repair": "repair"}, "on_source_delete": "delete"}
    reconcile(world, settings)
    question = asked(sync_db)
    assert question.removals["person.deleted"][0] == number
    assert question.seconds == number * 3600 // hourly
    back(chatwoot, removed[:returning])
    answer(sync_db, question.approval_id, approved=approved, decided_by="ann")
    hours = 0
    while (run := world.run(**settings)).message is not None:
        assert run.state == "done"
        hours += 1
        assert len(world.persons()) == len(world.leads()) == everybody - hours * hourly
        an_hour_later(sync_db)
        world.krayin.advance(3600)
    reconcile(world, settings)
    left = {person["name"] for person in world.persons()}
    assert len(world.leads()) == len(left)
    deletions = "SELECT status, count(*) FROM api_call WHERE method = 'DELETE' GROUP BY 1"
    if approved:
        assert hours == (number - returning - 1) // hourly
        assert left == {f"Ada {n}" for n in range(everybody) if not returning <= n < number}
        assert world.rows(deletions) == [(200, 2 * (number - returning))], "none was refused"
    else:
        assert len(left) == everybody
        assert world.rows(deletions) == []
    assert world.rows("SELECT count(*) FROM approval") == [(1,)]


def an_hour_later(sync_db: psycopg.Connection) -> None:
    """Let the sync database's clock of what was planned and granted be an hour ahead."""
    sync_db.execute("UPDATE krayin_sync.operation SET next_attempt_at = now() WHERE state = 'planned'")
    sync_db.execute(
        "UPDATE krayin_sync.rate_budget_slot SET free_at = free_at - interval '1 hour' "
        "WHERE key LIKE 'person-deletions/%'"
    )
    sync_db.execute(
        "UPDATE krayin_sync.rate_budget SET first_free_at = '-infinity' WHERE key LIKE 'person-deletions/%'"
    )
