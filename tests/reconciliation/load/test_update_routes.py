"""Every route by which a record is changed leaves everything else in it as a salesperson left it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.reconciliation.world import World

PAST, FUTURE = "2020-01-02", "2131-05-06"
SETTINGS = {"sync_to_organization": True}
# What any write of Krayin moves by itself.
DERIVED = {"updated_at", "unique_id"}
TABLES = (
    "persons", "leads", "organizations", "lead_products", "person_tags", "lead_tags", "attribute_values",
    "lead_quotes", "emails",
)  # fmt: skip


@pytest.fixture
def contact(world: World) -> int:
    """A contact with person, lead and organization, all of them worked on by a salesperson."""
    world.krayin.seed(
        users=[{"name": "Sales", "email": "sales@example.com", "password": "x"}],
        products=[{"name": "Widget", "sku": "w", "price": 5, "quantity": 9}],
        tags=[{"name": "VIP"}],
        attributes=[
            {"code": f"{kind}_{one}", "type": kind, "entity_type": one}
            for one in ("persons", "leads", "organizations")
            for kind in ("boolean", "text", "textarea", "price", "date")
        ],
    )
    number = world.add(
        name="Ada",
        email="ada@example.com",
        phone_number="+14155550123",
        additional_attributes={"company_name": "Acme", "company_city": "Pune"},
    )
    world.run(**SETTINGS)
    return number


def custom(entity: str) -> dict[str, Any]:
    return {
        f"boolean_{entity}": 1,
        f"text_{entity}": "typed",
        f"textarea_{entity}": "typed\nlines",
        f"price_{entity}": 12.5,
        f"date_{entity}": "2030-06-07",
    }


def work_on(world: World, close_date: str) -> None:
    """Set everything that a write of ours could lose."""
    (person,) = world.persons()
    world.api("PUT", "contacts/persons/1", {
        **{key: person[key] for key in ("name", "emails", "contact_numbers")},
        "organization_id": 1, "user_id": 2, "job_title": "Countess", **custom("persons"),
    })  # fmt: skip
    world.api("PUT", "leads/1", {
        "title": "Ada", "lead_pipeline_stage_id": 3,
        "products": {"product_0": {"product_id": 1, "name": "Widget", "price": 5, "quantity": 2, "amount": 10}},
    })  # fmt: skip
    world.api("PUT", "leads/attributes/edit/1", {
        "user_id": 2, "lead_source_id": 3, "lead_type_id": 2, "expected_close_date": close_date, **custom("leads"),
    })  # fmt: skip
    world.api("PUT", "contacts/organizations/1", {"user_id": 2, **custom("organizations")})
    world.api("POST", "contacts/persons/1/tags", {"tag_id": 1})
    world.api("POST", "leads/1/tags", {"tag_id": 1})


def everything(world: World) -> dict[str, Any]:
    tables = world.krayin.records()
    return {
        f"{table}.{place}.{name}": value
        for table in TABLES
        if table in tables
        for place, row in enumerate(tables[table])
        for name, value in row.items()
        if name not in DERIVED
    } | {
        f"shown.{one}.{name}": value
        for one in ("persons", "leads", "organizations")
        for name, value in world.stored(one, 1).items()
        if name not in DERIVED | {"attribute_values", "organization", "person"}
    }


def rename(world: World, contact: int) -> None:
    world.change(contact, name="Ada Lovelace")


def renumber(world: World, contact: int) -> None:
    world.change(contact, phone_number="+14155550199")


def value_the_lead(world: World, contact: int) -> None:
    world.change(contact, custom_attributes={"lead_value": "1200"})


def move_company(world: World, contact: int) -> None:
    attributes = {"company_name": "Acme", "company_city": "Oslo"}
    world.change(contact, additional_attributes=attributes)


# What changes in Chatwoot, the route it takes, and the fields that may differ afterwards.
ROUTES: dict[Callable[[World, int], None], tuple[set[str], set[str]]] = {
    rename: (
        {"contacts/persons/{id}", "leads/attributes/edit/{id}"},
        {"persons.0.name", "leads.0.title", "shown.persons.name", "shown.leads.name"},
    ),
    renumber: (
        {"contacts/persons/{id}", "leads/attributes/edit/{id}"},
        {
            "persons.0.contact_numbers", "leads.0.description",
            "shown.persons.contact_numbers",
        },
    ),
    value_the_lead: ({"leads/attributes/edit/{id}"}, {"leads.0.lead_value", "shown.leads.lead_value"}),
    move_company: (
        {"contacts/organizations/{id}"}, {"organizations.0.address", "shown.organizations.address"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("close_date", [PAST, FUTURE])
@pytest.mark.parametrize("change", ROUTES, ids=lambda change: change.__name__)
def test_a_write_changes_what_it_is_for_and_nothing_else(
    world: World, contact: int, change: Callable[[World, int], None], close_date: str
) -> None:
    work_on(world, close_date)
    before = everything(world)
    assert before["shown.leads.expected_close_date"] == close_date
    routes, fields = ROUTES[change]
    change(world, contact)
    run = world.run(**SETTINGS)
    assert {route for method, route, _ in world.calls(run.id) if method != "GET"} == routes
    after = everything(world)
    differing = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    copies = {name for name in differing if name.startswith("attribute_values.")}
    assert differing - copies == fields
    # Krayin keeps a copy of each field as an attribute value; those of other fields stay.
    tables = world.krayin.records("attributes", "attribute_values")
    codes = {row["id"]: (row["entity_type"], row["code"]) for row in tables["attributes"]}
    changed = {codes[tables["attribute_values"][int(name.split(".")[1])]["attribute_id"]] for name in copies}
    assert changed <= {tuple(name.split(".")[1:]) for name in fields if name.startswith("shown.")}


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "Pacific/Honolulu", "Pacific/Auckland", "UTC"])
def test_a_close_date_without_a_copy_stays(world: World, contact: int, zone: str) -> None:
    """Krayin's own import of leads writes no copies, and an import over a lead leaves an old one behind."""
    world.krayin.configure(timezone=zone)
    world.krayin.edit(leads=[{"id": 1, "expected_close_date": FUTURE}])
    assert world.stored("leads", 1)["expected_close_date"] is None
    value_the_lead(world, contact)
    assert world.run(**SETTINGS).summary["updated"] == {"lead": 1}
    assert world.krayin.records("leads")["leads"][0]["expected_close_date"] == FUTURE
    assert world.stored("leads", 1)["expected_close_date"] == FUTURE
    world.krayin.edit(leads=[{"id": 1, "expected_close_date": PAST}])
    rename(world, contact)
    world.run(**SETTINGS)
    assert world.krayin.records("leads")["leads"][0]["expected_close_date"] == PAST


def test_addresses_with_a_gap_between_them_stay(world: World, contact: int) -> None:
    """A row left blank in Krayin's form makes the list an object."""
    rows = {
        "0": {"value": "ada@example.com", "label": "work"},
        "2": {"value": "ada@home.example", "label": "home"},
    }
    world.krayin.edit(persons=[{"id": 1, "emails": rows}])
    rename(world, contact)
    world.run(**SETTINGS)
    (person,) = world.persons()
    assert (person["name"], person["emails"]) == ("Ada Lovelace", list(rows.values()))


def test_a_lead_that_is_added_to_an_adopted_person_leaves_the_person_alone(
    world: World, contact: int
) -> None:
    work_on(world, PAST)
    before = everything(world)
    world.krayin.seed(persons=[
        {"name": "Bob", "emails": [{"value": "bob@example.com", "label": "home", "note": "kept"}],
         "contact_numbers": None, "user_id": 2, **custom("persons")},
    ])  # fmt: skip
    stored = world.stored("persons", 2)
    world.add(name="Robert", email="BOB@example.com")
    run = world.run(**SETTINGS)
    assert [(method, route) for method, route, _ in world.calls(run.id) if method != "GET"] == [
        ("POST", "leads")
    ]
    after = world.stored("persons", 2)
    assert {name for name in stored if stored[name] != after[name]} <= {"updated_at"}
    now = everything(world)
    assert {name for name, value in before.items() if now.get(name) != value} == set()


def test_a_contact_that_is_renamed_again_and_again_is_followed_every_time(world: World) -> None:
    """Krayin keeps old copies of a lead's title and description; they are not taken for edits."""
    contact = world.add(name="First", email="ada@example.com", phone_number="+14155550100")
    world.run()
    for number, name in enumerate(("Second", "Third", "Fourth"), 1):
        world.change(contact, name=name, phone_number=f"+1415555010{number}")
        world.run()
        (person,), (lead,) = world.persons(), world.leads()
        assert (person["name"], lead["title"]) == (name, name)
        assert f"Phone: +1415555010{number}" in lead["description"]
    world.api("PUT", "leads/attributes/edit/1", {"title": "Typed by Sales"})
    world.change(contact, name="Fifth")
    world.run()
    (lead,) = world.leads()
    assert lead["title"] == "Typed by Sales"
