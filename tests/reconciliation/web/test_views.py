"""The documented views over a sync database that whole runs have filled, and over rows laid by hand."""

from __future__ import annotations

import os
import re
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from krayin.classification import Meaning
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row
from reconciliation.drift.finding import FindingClass
from reconciliation.run.events import act_on_events
from reconciliation.run.request import RunRequest
from reconciliation.run.summary import lines_of
from reconciliation.store.run_rows import RunKind

from sandbox.chatwoot import changes, conversations, webhooks
from tests.reconciliation.ledger_rows import Ledger
from tests.reconciliation.run.test_events import receive
from tests.reconciliation.web.view_reference import COLUMNS, PERSONAL, render

if TYPE_CHECKING:
    from tests.reconciliation.world import World

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "data-model.md"


def view(url: str, query: str, *parameters: Any) -> list[dict[str, Any]]:
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
        return connection.execute(f"SELECT * FROM krayin_sync.{query}", parameters).fetchall()


def test_the_document_is_the_rendered_one(sync_db: psycopg.Connection) -> None:
    rendered = render(sync_db)
    if os.environ.get("WRITE_REFERENCE"):
        DOCUMENT.write_text(rendered, encoding="utf-8")
    assert DOCUMENT.read_text(encoding="utf-8") == rendered, "make reference writes it anew"


def test_every_view_and_column_is_explained(sync_db: psycopg.Connection) -> None:
    rows = sync_db.execute(COLUMNS).fetchall()
    assert len({row[0] for row in rows}) == 18
    assert [row for row in rows if not row[1] or not row[4]] == []


def test_the_role_of_the_document_sees_the_views_and_no_table(sync_db_url: str) -> None:
    recipe = re.search(r"```sql\n(CREATE ROLE.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert recipe
    # Roles are the server's, not the database's: other tests must not meet it.
    with psycopg.connect(sync_db_url, autocommit=True) as connection:
        connection.execute(recipe[1].replace("krayin_reports", "reports_of_a_test"))
        try:
            views = [row[0] for row in connection.execute(COLUMNS)]
            theirs = make_conninfo(sync_db_url, user="reports_of_a_test", password="choose one")
            with psycopg.connect(theirs, autocommit=True) as reader:
                for name in dict.fromkeys(views):
                    assert reader.execute(f"SELECT * FROM krayin_sync.{name}").fetchall() == []
                for table in ("mapping", "operation", "api_call", "inbox_event", "finding", "report_file"):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        reader.execute(f"SELECT * FROM krayin_sync.{table}")
        finally:
            connection.execute("DROP OWNED BY reports_of_a_test")
            connection.execute("DROP ROLE reports_of_a_test")


def test_the_recipe_tells_personal_data_apart() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    harmless = text[text.index("GRANT SELECT ON\n") : text.index("TO krayin_reports;\nGRANT")]
    assert f"krayin_sync.{PERSONAL}," not in harmless


def test_the_krayin_records_of_a_contact(world: World) -> None:
    settings = {"sync_to_organization": True, "sync_conversations": True, "sync_messages": True}
    ada = world.add(
        name="Ada", email="ada@example.com", additional_attributes={"company_name": "Analytical Engines"}
    )
    bob = world.add(name="Bob", email="bob@example.com")
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        inbox = connection.execute(
            "SELECT id FROM inboxes WHERE account_id = 1 AND channel_type = 'Channel::WebWidget'"
        ).fetchone()
        assert inbox
        talk = conversations.add_conversation(connection, ada, inbox[0])
        conversations.add_message(connection, talk, "Hello")
        nobody = changes.add_contact(connection, 1, name="No address at all")
    world.run(**settings)

    rows = {row["contact_id"]: row for row in view(world.sync_url, "external_ids")}
    assert set(rows) == {ada, bob}
    assert nobody not in rows
    persons = {one["emails"][0]["value"]: one["id"] for one in world.persons()}
    leads = {one["person"]["id"]: one["id"] for one in world.leads()}
    person, lead = persons["ada@example.com"], leads[persons["ada@example.com"]]
    (organization,) = (one["id"] for one in world.organizations() if one["name"] == "Analytical Engines")
    activities = sorted(
        one["id"] for one in world.api("GET", "activities?pagination=0&type=note,call,email")["data"]
    )
    assert len(activities) == 2
    assert rows[ada]["external_ids"] == (
        f"krayin:person:{person}|krayin:lead:{lead}|krayin:organization:{organization}"
        f"|krayin:activity:{activities[0]}|krayin:activity:{activities[1]}"
    )
    assert (rows[ada]["activity_ids"], rows[ada]["former_lead_ids"]) == (activities, [])
    assert rows[bob]["external_ids"] == "krayin:person:{}|krayin:lead:{}".format(
        persons["bob@example.com"], leads[persons["bob@example.com"]]
    )
    assert (rows[bob]["organization_id"], rows[bob]["activity_ids"]) == (None, [])
    assert rows[ada]["krayin"].endswith("/api/v1")

    covered = {
        (row["source_kind"], row["crm_kind"]): (
            row["records"],
            row["linked"],
            row["in_step"],
            row["coverage"],
        )
        for row in view(world.sync_url, "coverage")
    }
    assert covered["contact", "person"] == (2, 2, 2, Decimal(1))
    assert covered["contact", "lead"] == (2, 2, 2, Decimal(1))
    assert covered["conversation", "activity"][:2] == (1, 1)


def test_activities_that_hang_on_the_lead_are_the_contacts_too(world: World) -> None:
    ada = world.add(name="Ada", email="ada@example.com")
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        row = connection.execute("SELECT min(id) FROM inboxes WHERE account_id = 1").fetchone()
        assert row
        conversations.add_conversation(connection, ada, row[0])
    world.run(sync_conversations=True, activity_link="lead")
    (row,) = view(world.sync_url, "external_ids")
    assert len(row["activity_ids"]) == 1


def test_calls_are_counted_by_minute_hour_and_day(sync_db_url: str) -> None:
    ledger = Ledger(sync_db_url)
    run = ledger.run()
    for second in range(5):
        ledger.call(run, f"2026-11-22 09:59:{second:02}+00", method="POST", lane=0)
    ledger.call(run, "2026-11-22 10:00:00+00", lane=4, outcome=str(Meaning.RATE_LIMITED))
    ledger.call(run, "2026-11-23 10:00:00+00", lane=1)
    minutes = view(sync_db_url, "calls_per_minute ORDER BY minute")
    assert [(row["calls"], row["writes"], row["refused"], row["live"], row["drift"]) for row in minutes] == [
        (5, 5, 0, 5, 0),
        (1, 0, 1, 0, 1),
        (1, 0, 0, 0, 0),
    ]
    hours = view(sync_db_url, "calls_per_hour ORDER BY hour")
    assert [(row["calls"], row["busiest_minute"]) for row in hours] == [(5, 5), (1, 1), (1, 1)]
    days = view(sync_db_url, "calls_per_day ORDER BY day")
    assert [(row["calls"], row["writes"], row["refused"]) for row in days] == [(6, 5, 1), (1, 0, 0)]


def test_the_budget_tells_what_is_allowed_and_used(world: World) -> None:
    world.add(name="Ada", email="ada@example.com")
    run = world.run()
    (row,) = view(world.sync_url, "budget_use")
    calls = len(world.calls(run.id))
    assert (row["used_last_minute"], row["used_last_hour"], row["used_last_day"]) == (calls, calls, calls)
    assert row["setting"] == 6_000
    # Krayin 2.2 says no limit of its own.
    assert row["allowed_per_minute"] == min(row["setting"], row["server_limit"] or row["setting"])
    assert (row["api_user"], row["refused_day"], row["waiting"], row["blocked_until"]) == (1, 0, 0, None)


def test_errors_and_quarantine_by_reason(sync_db_url: str) -> None:
    ledger = Ledger(sync_db_url)
    run = ledger.run()
    ledger.operation(
        run, "1", state="quarantined", error_class="address_refused", finished_at="2026-11-20 10:00+00"
    )
    last = ledger.operation(
        run, "2", state="quarantined", error_class="address_refused", finished_at="2026-11-21 10:00+00"
    )
    ledger.operation(run, "3", state="planned", error_class="server_failed")
    ledger.operation(run, "4", state="done", error_class=None)
    ledger.operation(run, "5", state="superseded", error_class="address_refused")
    (row,) = view(sync_db_url, "quarantine_by_reason")
    assert (row["error_class"], row["operations"], row["newest_operation"]) == ("address_refused", 2, last)
    assert (row["oldest"].day, row["newest"].day) == (20, 21)
    errors = view(sync_db_url, "error_summary ORDER BY error_class")
    assert [(row["error_class"], row["state"], row["operations"], row["records"]) for row in errors] == [
        ("address_refused", "quarantined", 2, 2),
        ("server_failed", "planned", 1, 1),
    ]


def test_the_backlog_by_lane_and_state(sync_db_url: str) -> None:
    ledger = Ledger(sync_db_url)
    run = ledger.run()
    ledger.operation(run, "1", lane=1)
    ledger.operation(run, "2", lane=1, next_attempt_at="2999-01-01+00")
    ledger.operation(run, "3", lane=1, next_attempt_at="infinity")
    ledger.operation(run, "4", lane=3, state="held")
    ledger.operation(run, "5", lane=3, state="done")
    rows = view(sync_db_url, "backlog ORDER BY lane")
    assert [
        (row["lane_name"], row["state"], row["operations"], row["due"], row["waiting_for_others"])
        for row in rows
    ] == [("scheduled", "planned", 3, 1, 1), ("backfill", "held", 1, 0, 0)]
    assert rows[0]["forecast_calls"] == 3


def test_findings_with_their_pages(sync_db_url: str) -> None:
    ledger = Ledger(sync_db_url)
    run = ledger.run(kind="reconcile")
    compared = ledger.reconciliation(run, {"in_scope": 200, "in_sync": 197, "changed": 2, "missing": 1})
    ledger.finding(compared, "changed", contact_id=7, crm_kind="person", crm_id=70, field="emails",
                   detail={"ours": "a@example.com", "theirs": "b@example.com"})  # fmt: skip
    ledger.finding(compared, "changed", contact_id=8, crm_kind="lead", crm_id=80, field="emails")
    ledger.finding(compared, "missing", contact_id=9)
    ledger.finding(compared, "missing", contact_id=10, state="resolved")
    rows = view(sync_db_url, "open_findings ORDER BY finding_id")
    assert [(row["contact_id"], row["krayin_page"], row["run_id"]) for row in rows] == [
        (7, "https://crm.example.com/admin/contacts/persons/view/70", run),
        (8, "https://crm.example.com/admin/leads/view/80", run),
        (9, None, run),
    ]
    assert rows[0]["detail"]["theirs"] == "b@example.com"
    by_field = view(sync_db_url, "open_findings_by_field ORDER BY class, crm_kind")
    assert [(row["class"], row["crm_kind"], row["field"], row["findings"]) for row in by_field] == [
        ("changed", "lead", "emails", 1),
        ("changed", "person", "emails", 1),
        ("missing", "", "", 1),
    ]
    (history,) = view(sync_db_url, "coverage_history")
    assert (history["in_scope"], history["in_sync"], history["coverage"]) == (200, 197, Decimal("0.985"))
    counted = view(sync_db_url, "differences_history ORDER BY class")
    assert [(row["class"], row["findings"]) for row in counted] == [("changed", 2), ("missing", 1)]


def test_every_class_of_findings_has_its_history_and_nothing_else(sync_db_url: str) -> None:
    ledger = Ledger(sync_db_url)
    others = {"in_scope": 9, "in_sync": 9, "waiting": 9, "compared": 9, "repair_calls": 9}
    counts = {str(kind): number for number, kind in enumerate(FindingClass)}
    ledger.reconciliation(ledger.run(kind="reconcile"), counts | others)
    counted = {row["class"]: row["findings"] for row in view(sync_db_url, "differences_history")}
    assert counted == counts


def test_a_comparison_of_nothing_has_no_share(sync_db_url: str) -> None:
    ledger = Ledger(sync_db_url)
    ledger.reconciliation(ledger.run(kind="reconcile"), {"in_scope": 0, "in_sync": 0})
    (history,) = view(sync_db_url, "coverage_history")
    assert history["coverage"] is None


def test_how_long_a_webhook_and_a_change_take(world: World) -> None:
    contact = world.add(name="Before", email="ann@example.com")
    other = world.add(name="Other", email="other@example.com")
    scheduled = RunRequest(kind=RunKind.SCHEDULED)
    world.run(scheduled)
    assert view(world.sync_url, "change_latency") == []  # the first load says nothing of latency

    world.change(contact, name="After")
    receive(world, webhooks.contact_updated(contact, name="After"))
    receive(world, webhooks.contact_updated(other, name="Other"))
    act_on_events(world.sync())
    events = {row["event_id"]: row for row in view(world.sync_url, "webhook_latency")}
    changed, unchanged = (events[key] for key in sorted(events))
    assert changed["received_at"] <= changed["planned_at"] <= changed["acked_at"]
    assert 0 <= changed["planned_seconds"] <= changed["acked_seconds"]
    assert (changed["open"], unchanged["open"], unchanged["acked_at"]) == (0, 0, None)
    (change,) = view(world.sync_url, "change_latency")
    assert (change["contact_id"], change["kind"]) == (contact, "events")
    assert change["changed_at"] <= change["read_at"] <= change["acked_at"]
    assert change["acked_seconds"] >= change["read_seconds"] >= 0

    days = view(world.sync_url, "latency_by_day ORDER BY path")
    assert [(row["path"], row["changes"]) for row in days] == [("change", 1), ("webhook", 1)]
    assert days[1]["p50_seconds"] == days[1]["max_seconds"] == changed["acked_seconds"]


def test_runs_with_their_numbers(world: World) -> None:
    world.add(name="Ada", email="ada@example.com")
    run = world.run()
    (row,) = view(world.sync_url, "runs")
    assert (row["run_id"], row["kind"], row["state"]) == (run.id, "manual", "done")
    assert (row["contacts_read"], row["calls"], row["refused"]) == (1, run.summary["calls"], 0)
    assert row["seconds"] > 0


def test_a_run_counts_those_that_its_plan_set_aside(world: World) -> None:
    for number in (1, 2):
        person = {
            "entity_type": "persons",
            "name": f"Person {number}",
            "emails": [{"value": f"p{number}@example.com", "label": "work"}],
            "contact_numbers": [{"value": f"+49301234567{number}", "label": "work"}],
        }
        world.api("POST", "contacts/persons", person)
    world.add(name="Ada", email="p1@example.com", phone_number="+493012345672")
    run = world.run()
    assert run.summary["quarantine"] == {"ambiguous_person": 1}
    assert "  quarantined         1 ambiguous_person" in lines_of(run)
    (row,) = view(world.sync_url, "runs")
    assert row["quarantined"] == 1
