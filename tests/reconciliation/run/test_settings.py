"""Each setting that decides what reaches Krayin, read back from the stand-in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from reconciliation.errors import SettingsDoNotFitKrayinError
from reconciliation.run.request import RunRequest

from sandbox.krayin.testing import usual_krayin
from tests.reconciliation.world import on_each_krayin

if TYPE_CHECKING:
    from tests.reconciliation.world import World

# A person without e-mail is taken there.
MYSQL = usual_krayin()["database"] == "mysql"

WON = 5
NUMBER = "+14155550123"


def optional_emails(world: World) -> None:
    world.krayin.edit(attributes=[{"id": 29, "is_required": 0}])


# --- contacts without an e-mail, a name, or with too much of either ----------------------------


def test_a_contact_with_only_a_phone_gets_a_reserved_address_and_loses_it_with_a_real_one(
    world: World,
) -> None:
    contact = world.add(name="Phone", phone_number=NUMBER)
    world.run()
    (person,) = world.persons()
    reserved = [] if MYSQL else [f"contact-{contact}@account-1.chatwoot.invalid"]
    assert [one["value"] for one in person["emails"] or ()] == reserved
    world.change(contact, email="real@example.com")
    world.run()
    (person,) = world.persons()
    assert [one["value"] for one in person["emails"]] == ["real@example.com"]
    assert [one["value"] for one in person["contact_numbers"]] == [NUMBER]


def test_where_emails_are_optional_nothing_is_made_up(world: World) -> None:
    optional_emails(world)
    world.add(name="Phone", phone_number=NUMBER)
    world.run(phone_only_contacts="skip")
    (person,) = world.persons()
    assert person["emails"] == []
    assert [one["value"] for one in person["contact_numbers"]] == [NUMBER]


def test_contacts_with_only_a_phone_can_be_skipped(world: World) -> None:
    contact = world.add(name="Phone", phone_number=NUMBER)
    run = world.run(phone_only_contacts="skip")
    assert world.persons() == []
    assert run.summary["skipped"] == {"phone_only": 1}
    assert run.summary["skipped_examples"] == {"phone_only": [contact]}


def test_nameless_contacts_are_named_after_their_address(world: World) -> None:
    world.add(name="", email="ada.lovelace@example.com")
    world.add(name=None, phone_number=NUMBER)
    world.run()
    assert [person["name"] for person in world.persons()] == ["ada.lovelace", NUMBER]
    assert [lead["title"] for lead in world.leads()] == ["ada.lovelace", NUMBER]


def test_a_name_of_invisible_characters_is_none(world: World) -> None:
    """Messengers take them, and a CRM would show a person without a name."""
    world.add(name="\u3164", phone_number=NUMBER)
    world.add(
        name="\u200e\u2800", email="grace@example.com", additional_attributes={"company_name": "\u3164"}
    )
    world.run(sync_to_organization=True)
    assert [person["name"] for person in world.persons()] == [NUMBER, "grace"]
    assert world.organizations() == []


def test_what_is_too_long_or_too_large_is_cut_by_us_and_seen(world: World) -> None:
    contact = world.add(
        name="N" * 300,
        email="long@example.com",
        additional_attributes={"description": "d\u00e4" * 60_000},
        custom_attributes={"lead_value": "999999999999", "job_title": "J" * 300},
    )
    run = world.run()
    (person,), (lead,) = world.persons(), world.leads()
    assert (len(person["name"]), len(person["job_title"]), len(lead["title"])) == (255, 255, 255)
    assert person["name"].endswith("\u2026 [cut]")
    assert lead["description"].endswith("\u2026 [cut]")
    assert len(lead["description"].encode()) <= 65_535
    assert float(lead["lead_value"]) == 99_999_999.9999
    assert run.summary["warning_examples"]["name cut to 255 characters"] == [contact]
    assert world.calls(world.run(RunRequest(full=True)).id) == []


# --- custom attributes and owner ----------------------------------------------------------------

KINDS = {"text": ("Gold", "Gold", "Silver"), "textarea": ("a\nb", "a\nb", "c"), "boolean": (True, 1, False),
         "price": ("12.5", 12.5, "13"), "date": ("2031-02-03T00:00:00Z", "2031-02-03", "2032-03-04")}  # fmt: skip
ENTITIES = {"person": "persons", "lead": "leads", "organization": "organizations"}


@pytest.mark.parametrize("kind", KINDS)
def test_custom_attributes_of_every_kind_are_filled_changed_and_cleared(world: World, kind: str) -> None:
    value, stored, later = KINDS[kind]
    world.krayin.seed(
        attributes=[{"code": f"{one}_x", "type": kind, "entity_type": many} for one, many in ENTITIES.items()]
    )
    settings: dict[str, Any] = {
        "sync_to_organization": True,
        "custom_fields": {one: {"source": f"{one}_x"} for one in ENTITIES},
    }
    company = {"additional_attributes": {"company_name": "Acme"}}
    contact = world.add(name="Ada", email="a@example.com", custom_attributes={"source": value}, **company)
    world.run(**settings)
    for one, many in ENTITIES.items():
        assert same(world.stored(many, 1)[f"{one}_x"], stored), many
    world.change(contact, custom_attributes={"source": later})
    world.run(**settings)
    for one, many in ENTITIES.items():
        assert same(world.stored(many, 1)[f"{one}_x"], 0 if later is False else later), many
    world.change(contact, custom_attributes={})
    world.run(**settings)
    for one, many in ENTITIES.items():
        assert not world.stored(many, 1)[f"{one}_x"], many
    assert world.calls(world.run(RunRequest(full=True), **settings).id) == []


def same(here: Any, wanted: Any) -> bool:
    if isinstance(here, str) and isinstance(wanted, str):
        return here == wanted
    return float(here) == float(wanted)


def test_an_attribute_of_the_wrong_kind_is_found_before_anything_is_sent(world: World) -> None:
    world.krayin.seed(attributes=[{"code": "pick", "type": "image", "entity_type": "persons"}])
    world.add(name="Ada", email="a@example.com")
    with pytest.raises(SettingsDoNotFitKrayinError, match="'pick' is of type image"):
        world.run(custom_fields={"person": {"source": "pick", "other": "missing"}})
    assert world.persons() == []


LEVELS = {"options": [{"name": name} for name in ("Gold", "Silver", "Über, alles", "Bronze")]}
CHOICES = {
    "custom_fields": {
        "person": {"level": "level", "tags": "tags", "boxes": "boxes", "agent": "agent"},
        "lead": {"level": "lead_level", "tags": "lead_tags"},
    }
}


@on_each_krayin
def test_choices_are_filled_by_the_names_of_krayins_options(world: World) -> None:
    """Krayin stores whatever is sent for a choice: a name as 0, and of several nothing but a list."""
    made = {
        code: world.api(
            "POST", "settings/attributes", {"code": code, "name": code, "type": kind, **LEVELS, **of}
        )
        for code, kind, of in (
            ("level", "select", {"entity_type": "persons"}),
            ("tags", "multiselect", {"entity_type": "persons"}),
            ("boxes", "checkbox", {"entity_type": "persons"}),
            ("lead_level", "select", {"entity_type": "leads"}),
            ("lead_tags", "multiselect", {"entity_type": "leads"}),
        )
    }
    lookup = {
        "code": "agent",
        "name": "agent",
        "type": "lookup",
        "lookup_type": "users",
        "entity_type": "persons",
    }
    world.api("POST", "settings/attributes", lookup)
    ids = {code: [one["id"] for one in row["data"]["options"]] for code, row in made.items()}
    (user,) = world.krayin.seed(users=[{"name": "Bo", "email": "bo@example.com", "password": "x"}])["users"]
    chosen = {
        "level": "gold ",
        "tags": ["Silver", "Über, alles"],
        "boxes": "Bronze, gold",
        "agent": "BO@example.com",
    }
    contact = world.add(name="Ada", email="a@example.com", custom_attributes=chosen)
    wrong = {"level": "Platinum", "tags": ["Gold", "Tin"], "boxes": ["", None], "agent": "nobody"}
    other = world.add(name="Bob", email="b@example.com", custom_attributes=wrong)
    run = world.run(**CHOICES)
    ada, bob = world.stored("persons", 1), world.stored("persons", 2)
    assert (ada["level"], ada["agent"]) == (ids["level"][0], user)
    assert ada["tags"] == f"{ids['tags'][1]},{ids['tags'][2]}"
    assert ada["boxes"] == f"{ids['boxes'][0]},{ids['boxes'][3]}"
    lead = world.stored("leads", 1)
    assert (lead["lead_level"], lead["lead_tags"]) == (
        ids["lead_level"][0],
        f"{ids['lead_tags'][1]},{ids['lead_tags'][2]}",
    )
    assert [bob.get(code) for code in ("level", "tags", "agent")] == [None, None, None]
    assert run.summary["warnings"]["level: is none of Krayin's options, left out"] == 1
    assert run.summary["warning_examples"]["tags: is none of Krayin's options, left out"] == [other]
    assert "Platinum" not in str(run.summary)
    assert world.calls(world.run(RunRequest(full=True), **CHOICES).id) == []

    world.change(contact, custom_attributes={**chosen, "level": "Bronze", "tags": "Gold"})
    world.run(**CHOICES)
    ada = world.stored("persons", 1)
    assert (ada["level"], ada["tags"]) == (ids["level"][3], str(ids["tags"][0]))
    # What a salesperson chose stays; what is chosen no more in Chatwoot is emptied.
    world.krayin.edit(
        attribute_values=[
            {"id": row["id"], "integer_value": ids["level"][1]}
            for row in world.krayin.records("attribute_values")["attribute_values"]
            if row["attribute_id"] == made["level"]["data"]["id"] and row["entity_id"] == 1
        ]
    )
    world.change(contact, custom_attributes={"level": "Bronze"}, name="Ada B.")
    world.run(**CHOICES)
    ada = world.stored("persons", 1)
    assert (ada["name"], ada["level"], ada["tags"]) == ("Ada B.", ids["level"][1], "")
    world.compared(repairing=False, **CHOICES)
    assert world.rows("SELECT field, side FROM finding WHERE ended_at IS NULL") == [
        ("custom.level", "theirs")
    ]


def test_new_records_get_the_owner_and_one_a_salesperson_sets_stays(world: World) -> None:
    (sales, other) = world.krayin.seed(
        users=[{"name": name, "email": f"{name}@example.com", "password": "x"} for name in ("sales", "other")]
    )["users"]
    contact = world.add(name="Ada", email="a@example.com")
    world.run(lead_owner=sales)
    assert (world.stored("persons", 1)["user_id"], world.stored("leads", 1)["user_id"]) == (sales, sales)
    numbers = [{"value": "", "label": "work"}]
    emails = world.persons()[0]["emails"]
    typed = {"user_id": other, "contact_numbers": numbers, "emails": emails}
    world.api("PUT", "contacts/persons/1", typed)
    world.api("PUT", "leads/attributes/edit/1", {"user_id": other})
    world.change(contact, name="Ada Lovelace")
    world.run(lead_owner=sales)
    (person,), (lead,) = world.persons(), world.leads()
    assert (person["name"], lead["title"]) == ("Ada Lovelace", "Ada Lovelace")
    assert (world.stored("persons", 1)["user_id"], world.stored("leads", 1)["user_id"]) == (other, other)


# --- what is over, deleted, blocked or old -------------------------------------------------------


def close(world: World, lead_id: int, stage: int = WON) -> None:
    world.api("PUT", f"leads/stage/edit/{lead_id}", {"lead_pipeline_stage_id": stage})


def write_in(world: World, contact: int, minutes: int) -> None:
    """Let the contact write to us, so many minutes from now."""
    world.change(contact, last_activity_at=datetime.now(UTC) + timedelta(minutes=minutes))


def test_a_customer_who_writes_after_the_lead_was_closed_gets_a_new_one(world: World) -> None:
    contact = world.add(name="Ada", email="a@example.com")
    quiet = world.add(name="Quiet", email="q@example.com")
    world.run(new_lead_after_close=True)
    close(world, 1)
    close(world, 2)
    world.change(quiet, name="Quiet, renamed")
    before = world.stored("leads", 1)
    write_in(world, contact, 5)
    dry = world.run(RunRequest(dry_run=True), new_lead_after_close=True)
    run = world.run(new_lead_after_close=True)
    assert run.summary["created"] == {"lead": 1}
    assert abs(run.summary["calls"] - dry.summary["forecast_calls"]) <= max(5, 0.05 * run.summary["calls"])
    old, _, new = world.leads()
    assert (old["lead_pipeline_stage_id"], new["lead_pipeline_stage_id"]) == (WON, 1)
    assert old["person"]["id"] == new["person"]["id"]
    assert world.stored("leads", 1) == before
    # The new one is open: writing again changes nothing, and later changes go to the new one.
    write_in(world, contact, 10)
    assert [call for call in world.calls(world.run(new_lead_after_close=True).id) if call[0] != "GET"] == []
    world.change(contact, name="Ada Lovelace")
    world.run(new_lead_after_close=True)
    assert [lead["title"] for lead in world.leads()] == ["Ada", "Quiet, renamed", "Ada Lovelace"]
    close(world, 3)
    write_in(world, contact, 15)
    world.run(new_lead_after_close=True)
    assert len(world.leads()) == 4
    assert world.rows("SELECT former_crm_ids FROM mapping WHERE crm_id = 4 AND crm_kind = 'lead'") == [
        ([1, 3],)
    ]


def test_without_the_setting_or_before_the_closing_there_is_no_new_lead(world: World) -> None:
    contact = world.add(name="Ada", email="a@example.com")
    world.run()
    write_in(world, contact, -60)
    close(world, 1)
    world.run(new_lead_after_close=True)
    assert len(world.leads()) == 1
    write_in(world, contact, 5)
    world.run()
    assert len(world.leads()) == 1


@pytest.mark.parametrize("recreate", [False, True])
def test_what_was_deleted_in_krayin_stays_deleted_or_is_made_again(world: World, *, recreate: bool) -> None:
    contacts = [world.add(name=f"c{n}", email=f"c{n}@example.com") for n in range(2)]
    world.run(recreate_deleted=recreate)
    world.api("DELETE", "leads/1")
    world.api("DELETE", "contacts/persons/1")
    world.api("DELETE", "leads/2")
    world.run(recreate_deleted=recreate)
    assert len(world.persons()) == 1
    for contact in contacts:
        world.change(contact, name="changed")
    world.run(recreate_deleted=recreate)
    assert [person["name"] for person in world.persons()] == ["changed"] * (1 + recreate)
    assert [lead["title"] for lead in world.leads()] == ["changed"] * (2 * recreate)


def test_blocked_contacts_are_left_out_unless_wanted(world: World) -> None:
    world.add(name="Blocked", email="b@example.com", blocked=True)
    assert world.run().summary["skipped"] == {"blocked": 1}
    assert world.persons() == []
    world.run(skip_blocked=False)
    assert [person["name"] for person in world.persons()] == ["Blocked"]


def test_history_leaves_out_who_was_last_heard_of_before(world: World) -> None:
    now = datetime.now(UTC)
    old = world.add(name="Old", email="o@example.com", created_at=now - timedelta(days=200))
    world.add(name="New", email="n@example.com", created_at=now - timedelta(days=10))
    world.add(
        name="Back", email="b@example.com",
        created_at=now - timedelta(days=200), last_activity_at=now - timedelta(days=1),
    )  # fmt: skip
    run = world.run(history="90 days")
    assert sorted(person["name"] for person in world.persons()) == ["Back", "New"]
    assert run.summary["skipped"] == {"before_history": 1}
    write_in(world, old, 0)
    world.run(history="90 days")
    assert sorted(person["name"] for person in world.persons()) == ["Back", "New", "Old"]
