"""What a whole run costs in calls, and that nothing in Krayin is duplicated or wiped by it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from reconciliation.run.request import RunRequest

from sandbox.chatwoot import changes
from tests.soak import SOAK

if TYPE_CHECKING:
    from tests.reconciliation.world import World

SETUP_READS = 7
COMPANIES = 40


def add_many(world: World, number: int) -> list[int]:
    with psycopg.connect(world.chatwoot_url) as connection:
        return [
            changes.add_contact(
                connection,
                1,
                name=f"Contact {one}",
                email=f"contact{one}@example.com",
                phone_number=f"+1415555{one:04d}",
                additional_attributes={
                    "company_name": f"Company {one % COMPANIES}",
                    **({"company_city": "Pune", "company_country": "IN"} if one % COMPANIES < 10 else {}),
                },
            )
            for one in range(number)
        ]


def writes(world: World, run_id: int) -> Counter[str]:
    return Counter(route for method, route, _ in world.calls(run_id) if method != "GET")


@pytest.mark.slow
def test_new_contacts_cost_one_call_each_and_a_second_run_none(world: World) -> None:
    """A thousand of them with SOAK=1, else two hundred."""
    number = 1000 if SOAK else 200
    add_many(world, number)
    run = world.run(sync_to_organization=True)

    assert run.summary["created"] == {"lead": number, "person": number, "organization": 40}
    with_address = 10
    assert run.summary["calls"] <= number + 20 + with_address
    assert writes(world, run.id) == {"leads": number, "contacts/organizations/{id}": with_address}
    emails = Counter(row["value"] for person in world.persons() for row in person["emails"])
    assert len(emails) == number
    assert set(emails.values()) == {1}
    assert Counter(lead["person"]["id"] for lead in world.leads()).most_common(1)[0][1] == 1
    organizations = {row["name"]: row["address"] for row in world.organizations()}
    assert len(organizations) == COMPANIES
    assert sum(1 for address in organizations.values() if address) == with_address
    assert organizations["Company 3"] == {
        "address": "", "city": "Pune", "state": "", "country": "IN", "postcode": "",
    }  # fmt: skip

    again = world.run(RunRequest(full=True), sync_to_organization=True)
    assert again.summary["unchanged"] == number
    assert len(world.calls(again.id)) == 0


def test_of_fifty_changed_contacts_only_those_with_mapped_changes_are_written_and_nothing_is_wiped(
    world: World,
) -> None:
    """Owner, close date (past ones too), products, tags, custom booleans and texts are read back field by field."""
    world.krayin.seed(
        users=[{"name": "Sales", "email": "sales@example.com", "password": "x"}],
        products=[{"name": "Widget", "sku": "w", "price": 5, "quantity": 9}],
        tags=[{"name": "VIP"}],
        attributes=[
            {"code": "newsletter", "name": "Newsletter", "type": "boolean", "entity_type": "persons"},
            {"code": "region", "name": "Region", "type": "text", "entity_type": "persons"},
            {"code": "hot", "name": "Hot", "type": "boolean", "entity_type": "leads"},
            {"code": "campaign", "name": "Campaign", "type": "text", "entity_type": "leads"},
        ],
    )
    contacts = add_many(world, 50)
    world.run(sync_to_organization=True)
    for number, (person, lead) in enumerate(zip(world.persons(), world.leads(), strict=True)):
        work_on(world, person, lead, close_date="2131-05-06" if number % 2 else "2020-01-02")
    before = state_of(world)

    for number, contact in enumerate(contacts):
        if number < 30:
            world.change(contact, name=f"Renamed {number}")
        else:
            world.change(contact, last_activity_at="2026-11-01 10:00:00", location="Berlin")
    run = world.run(sync_to_organization=True)

    assert run.summary["read"] == 50
    assert run.summary["unchanged"] == 20
    assert writes(world, run.id) == {"contacts/persons/{id}": 30, "leads/attributes/edit/{id}": 30}
    after = state_of(world)
    assert [row[0] for row in after[:30]] == [
        (f"Renamed {number}", f"Renamed {number}") for number in range(30)
    ]
    assert [row[1:] for row in after] == [row[1:] for row in before]
    assert {row[1]["user_id"] for row in after} == {2}
    assert {row[1]["newsletter"] for row in after} == {1}
    assert {row[2]["hot"] for row in after} == {1}
    assert {row[2]["expected_close_date"] for row in after} == {"2131-05-06", "2020-01-02"}
    assert all(row[4] for row in after), "every lead keeps its product"
    again = world.run(sync_to_organization=True)
    assert world.calls(again.id) == []


def work_on(world: World, person: dict[str, Any], lead: dict[str, Any], *, close_date: str) -> None:
    """Do what a salesperson does to a person and a lead."""
    stored = world.stored("persons", person["id"])
    world.api(
        "PUT",
        f"contacts/persons/{person['id']}",
        {
            "name": person["name"],
            "emails": person["emails"],
            "contact_numbers": person["contact_numbers"],
            "organization_id": stored["organization_id"],
            "user_id": 2,
            "newsletter": 1,
            "region": "EMEA",
        },
    )
    product = {"product_id": 1, "name": "Widget", "price": 5, "quantity": 2, "amount": 10}
    world.api("PUT", f"leads/{lead['id']}", {
        "title": lead["title"], "lead_pipeline_stage_id": 1, "products": {"product_0": product},
    })  # fmt: skip
    world.api("PUT", f"leads/attributes/edit/{lead['id']}", {
        "user_id": 2, "hot": 1, "campaign": "Spring", "expected_close_date": close_date,
    })  # fmt: skip
    world.api("POST", f"contacts/persons/{person['id']}/tags", {"tag_id": 1})
    world.api("POST", f"leads/{lead['id']}/tags", {"tag_id": 1})


def state_of(world: World) -> list[tuple[Any, ...]]:
    """Names apart, everything a salesperson could have set on each contact's person and lead."""
    records = world.krayin.records()
    rows = []
    for person, lead in zip(world.persons(), world.leads(), strict=True):
        stored_person, stored_lead = world.stored("persons", person["id"]), world.stored("leads", lead["id"])
        rows.append((
            (person["name"], lead["title"]),
            {key: stored_person[key] for key in (
                "user_id", "organization_id", "emails", "contact_numbers", "newsletter", "region", "job_title",
            )},
            {key: stored_lead[key] for key in ("user_id", "expected_close_date", "hot", "campaign")},
            {key: lead[key] for key in (
                "user", "lead_value", "lead_pipeline_stage_id", "closed_at", "status", "expected_close_date",
            )},
            [row for row in records["lead_products"] if row["lead_id"] == lead["id"]],
            [row for row in records["person_tags"] if row["person_id"] == person["id"]],
            [row for row in records["lead_tags"] if row["lead_id"] == lead["id"]],
        ))  # fmt: skip
    return rows
