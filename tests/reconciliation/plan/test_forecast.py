"""What a dry run says a run will cost is what the run that follows costs, within 5 %."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from krayin.permits import Lane
from psycopg.types.json import Jsonb
from reconciliation.plan.estimate import (
    COMPANY,
    LEADS,
    LEADS_OF,
    MOVED_LEADS,
    ORGANIZATIONS,
    PERSONS,
    Expected,
    batch_size,
    forecast,
    groups_of,
    load_calls,
    read_calls,
)
from reconciliation.run.request import RunRequest
from reconciliation.run.summary import lines_of, numbers_of
from reconciliation.store.run_rows import Run, RunKind, RunState

from sandbox.chatwoot import changes
from sandbox.krayin.testing import usual_krayin
from tests.reconciliation.ledger_rows import Ledger
from tests.reconciliation.populated_crm import plant

if TYPE_CHECKING:
    from tests.reconciliation.world import World

# A person without e-mail is taken there.
MYSQL = usual_krayin()["database"] == "mysql"


def forecast_and_run(world: World, **settings: Any) -> tuple[Run, Run]:
    """Run dry, then for real, and compare the calls."""
    tables = ("mapping", "operation", "organization_member", "watermark", "staged_contact")
    before = [world.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables]
    records = world.krayin.records("persons", "leads", "organizations", "attribute_values")
    dry = world.run(RunRequest(dry_run=True), **settings)
    assert [call for call in world.calls(dry.id) if call[0] != "GET"] == []
    assert [world.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables] == before
    assert world.krayin.records("persons", "leads", "organizations", "attribute_values") == records

    real = world.run(**settings)
    assert len(world.calls(real.id)) == real.summary["calls"]
    # A few calls are found needful only when they are made: the attributes, a try to do without an e-mail.
    near = max(5, 0.05 * real.summary["calls"])
    assert abs(dry.summary["forecast_calls"] - real.summary["calls"]) <= near
    assert abs(real.summary["forecast_calls"] - real.summary["calls"]) <= near
    assert real.summary["planned"] == dry.summary["planned"]
    pace = dry.summary["requests_per_minute"]
    assert dry.summary["forecast_seconds"] == round(dry.summary["forecast_calls"] * 60 / pace)
    return dry, real


def add_office(world: World, number: int) -> list[int]:
    """Contacts of whom some name companies, some with an address; two of the names hold commas."""
    companies = ["Acme", "Beta, Inc.", "Gamma", "Delta, Sons & Co."]
    with psycopg.connect(world.chatwoot_url) as connection:
        return [
            changes.add_contact(
                connection,
                1,
                name=f"Contact {one}",
                email=f"c{one}@example.com" if one % 7 else None,
                phone_number=f"+1415555{one:04d}" if one % 3 == 0 or one % 7 == 0 else None,
                additional_attributes={
                    **({"company_name": companies[one % 4]} if one % 5 else {}),
                    **({"company_city": f"City {one}"} if one % 2 else {}),
                },
            )
            for one in range(number)
        ]


def test_a_first_load_with_organizations_and_addresses(world: World) -> None:
    add_office(world, 61)
    world.krayin.seed(organizations=[{"name": "beta, inc.", "address": {"city": "Typed"}}])
    dry, real = forecast_and_run(world, sync_to_organization=True)
    assert dry.summary["planned"] == {"create": 61}
    # Of the companies with an address, the one whose organization has a city already keeps it.
    assert dry.summary["planned_organizations"] == 2
    # The first contact has no e-mail: whether Krayin takes a person without shows by trying.
    assert real.summary["writes"] == 61 + 1 + (not MYSQL)
    cities = {row["name"]: (row["address"] or {}).get("city") for row in world.organizations()}
    assert cities["beta, inc."] == "Typed"


@pytest.mark.parametrize("pace", [60_000, 6_000])
def test_a_first_run_on_a_krayin_in_use(world: World, pace: int) -> None:
    world.access_options = {"pace": pace}
    plant(world, 250, 150, 3)
    dry, _ = forecast_and_run(world)
    assert dry.summary["planned"]["adopt"] > 50
    assert dry.summary["planned_quarantine"] == {"ambiguous_person": 6, "person_taken": 3}
    refused = dry.summary["planned_quarantine_sample"]
    assert len(refused) == 9
    assert {len(one["candidates"]) for one in refused} == {1, 2}
    assert all("Krayin person" in one["message"] for one in refused)


def test_changes_of_an_incremental_run(world: World) -> None:
    world.krayin.seed(attributes=[
        {"code": "vip", "name": "VIP", "type": "boolean", "entity_type": "persons"},
        {"code": "hot", "name": "Hot", "type": "boolean", "entity_type": "leads"},
    ])  # fmt: skip
    contacts = add_office(world, 60)
    settings = {"sync_to_organization": True, "custom_fields": {"person": {"plan": "vip"}}}
    world.run(**settings)
    persons = world.persons()
    # What a salesperson changes stays, and what is there already needs no call.
    edited = persons[10]
    numbers = [{"value": "", "label": "work"}]
    typed = {"name": "Typed by Sales", "emails": edited["emails"], "contact_numbers": numbers}
    world.api("PUT", f"contacts/persons/{edited['id']}", typed)
    for number, contact in enumerate(contacts[:40]):
        if number < 30:
            world.change(contact, name=f"Renamed {number}")
        elif number < 35:
            world.change(contact, custom_attributes={"plan": "yes"})
        else:
            world.change(contact, additional_attributes={"company_name": "Moved", "company_city": "Oslo"})
    add_office(world, 0)
    world.add(name="New", email="new@example.com")
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        changes.update_contact(connection, contacts[50], last_activity_at="2026-01-01T00:00:00")
    dry, real = forecast_and_run(world, **settings)
    assert dry.summary["planned"] == {"update": 40, "create": 1}
    assert real.summary["updated"]["person"] == 39
    renamed = next(one for one in dry.summary["sample"] if one["contact"] == contacts[0])
    assert renamed["changes"]["person"]["name"] == ["Contact 0", "Renamed 0"]


def test_the_sample_shows_old_and_new_values_and_stays_in_the_sync_database(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.krayin.seed(persons=[
        {"name": "Known", "emails": [{"value": "ada@example.com", "label": "work"}], "contact_numbers": None},
    ])  # fmt: skip
    world.add(name="Ada", email="ada@example.com", phone_number="+14155550123")
    world.add(name="Bob", email="bob@example.com")
    dry = world.run(RunRequest(dry_run=True))
    by_action = {one["action"]: one for one in dry.summary["sample"]}
    assert by_action["adopt"]["changes"]["person"] == {"phones": [[], ["+14155550123"]]}
    assert by_action["create"]["changes"]["person"]["emails"] == [None, ["bob@example.com"]]
    said = "\n".join([*lines_of(dry), str(numbers_of(dry)), caplog.text])
    for private in ("Ada", "ada@example.com", "+14155550123", "Bob"):
        assert private not in said


# --- the arithmetic itself --------------------------------------------------------------------

UPDATE = Expected(2, frozenset({PERSONS, LEADS}))


def test_reads_are_shared_by_all_that_are_read_at_once() -> None:
    assert read_calls([], ()) == 0
    assert read_calls([Expected(1)] * 25, ()) == 0
    assert read_calls([UPDATE] * 25, ()) == 3
    assert read_calls([UPDATE] * 25, {PERSONS}) == 4
    assert read_calls([UPDATE] * 26, {PERSONS}) == 6
    assert read_calls([Expected(1, frozenset({LEADS_OF, ORGANIZATIONS}))], {ORGANIZATIONS}) == 3


@pytest.mark.parametrize(("pace", "size"), [(1, 1), (60, 10), (150, 25), (6000, 25)])
def test_a_worker_claims_what_it_can_do_in_ten_seconds(pace: int, size: int) -> None:
    assert batch_size(pace) == size


def test_a_group_is_read_and_written_within_the_time_its_reads_stay_usable() -> None:
    assert [len(group) for group in groups_of([UPDATE] * 10, 60, ())] == [4, 4, 2]
    assert [len(group) for group in groups_of([Expected(1)] * 10, 60, ())] == [10]
    assert [len(group) for group in groups_of([UPDATE] * 3, 1, ())] == [1, 1, 1]
    assert list(groups_of([], 60, ())) == []


def test_a_plan_costs_its_writes_what_each_batch_reads_and_the_attributes() -> None:
    attributes = 1
    assert load_calls([], 6000, ()) == 0
    assert load_calls([Expected(1)] * 60, 6000, ()) == 60
    assert load_calls([UPDATE] * 60, 6000, ()) == 120 + 3 * 3 + attributes
    assert load_calls([UPDATE] * 10, 60, ()) == 20 + 3 * 3 + attributes
    assert load_calls(iter([Expected(1), UPDATE] * 25), 6000, ()) == 75 + 2 * 3 + attributes


@given(
    st.lists(
        st.builds(
            Expected,
            st.integers(0, 3),
            st.sets(st.sampled_from([PERSONS, LEADS, LEADS_OF, COMPANY])).map(frozenset),
        ),
        max_size=80,
    ),
    st.sampled_from([1, 60, 600, 6000]),
)
def test_a_batch_is_counted_in_the_parts_in_which_it_is_carried_out(
    operations: list[Expected], pace: int
) -> None:
    size = batch_size(pace)
    batches = [operations[start : start + size] for start in range(0, len(operations), size)]
    groups = [group for batch in batches for group in groups_of(batch, pace, {PERSONS})]
    told = sum(one.writes for one in operations) + sum(read_calls(group, {PERSONS}) for group in groups)
    assert 0 <= load_calls(operations, pace, {PERSONS}) - told <= 1 + told / pace


def test_what_waits_counts_if_what_it_waits_for_is_planned(sync_db_url: str) -> None:
    rows = Ledger(sync_db_url)
    run = rows.run()

    def calls(**lowest: Lane) -> int:
        with psycopg.connect(sync_db_url, autocommit=True) as connection:
            return forecast(connection, rows.target, rows.sync_name, 6000, (), **lowest).calls

    def member(contact: int, company: str) -> None:
        rows.insert_raw(
            "INSERT INTO organization_member VALUES (%s, %s, %s, %s)",
            rows.scope, contact, company, company,
        )  # fmt: skip

    for number in range(1, 31):
        rows.operation(run, str(number))
    assert calls() == 30
    for company in ("acme", "never"):
        rows.operation(
            run, company, source_kind="company", next_attempt_at="infinity", forecast_reads=[ORGANIZATIONS]
        )
    member(1, "acme")
    member(99, "never")
    attributes = 1
    assert calls() == 30 + 2 + attributes
    for number, contact in ((1, 2), (2, 99)):
        rows.operation(
            run, str(number), source_kind="message", contact_id=contact, next_attempt_at="infinity"
        )
    assert calls() == 30 + 2 + 1 + attributes
    rows.operation(run, "3", source_kind="stage", contact_id=3, forecast_reads=[MOVED_LEADS])
    assert calls() == 30 + 2 + 1 + 1 + 3 + attributes
    rows.operation(run, "98", lane=int(Lane.BACKFILL))
    assert calls() == calls(lowest=Lane.SCHEDULED) + 1


def test_an_organization_is_asked_for_once_and_not_if_it_is_known(sync_db_url: str) -> None:
    rows = Ledger(sync_db_url)
    run = rows.run()
    for number, company in enumerate(("acme", "acme", "beta", "known")):
        rows.operation(run, str(number), payload=Jsonb({"organization": company}), forecast_reads=[COMPANY])
    rows.insert(
        "mapping",
        target_id=rows.target,
        scope_id=rows.scope,
        source_kind="company",
        source_id="known",
        crm_kind="organization",
        crm_id=7,
    )
    with psycopg.connect(sync_db_url, autocommit=True) as connection:
        assert forecast(connection, rows.target, rows.sync_name, 6000, ()).calls == 4 + 2 + 1


def test_the_report_of_a_dry_run_names_contacts_and_fields() -> None:
    run = Run(
        id=1,
        sync_name="acme",
        kind=RunKind.MANUAL,
        state=RunState.DONE,
        dry_run=True,
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        finished_at=None,
        message=None,
        summary={
            "planned": {"adopt": 1},
            "mailing_workflows": ["3 (Welcome)"],
            "planned_quarantine_sample": [{"contact": 7, "message": "see persons 1, 2"}],
            "sample": [
                {
                    "contact": 5,
                    "action": "adopt",
                    "changes": {"person": {"phones": [[], ["+49"]]}, "lead": {}},
                },
                {"company": "acme", "action": "organization", "changes": {"organization": {}}},
            ],
        },
    )
    lines = lines_of(run)
    assert "  would wait          workflow 3 (Welcome) is not confirmed" in lines
    assert "  would quarantine    contact 7: see persons 1, 2" in lines
    assert "  for example         adopt contact 5: person phones" in lines
    assert "  for example         organization a company: nothing to write" in lines
    assert "+49" not in "\n".join(lines)
