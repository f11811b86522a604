"""Whole runs over a few contacts, read back from the stand-in field by field."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciliation.run.request import RunRequest
from reconciliation.store.run_rows import RunState

if TYPE_CHECKING:
    from tests.reconciliation.world import World


def test_a_new_contact_is_one_call_and_makes_person_lead_and_organization(world: World) -> None:
    world.add(
        name="Ada Lovelace",
        email="ada@example.com",
        phone_number="+14155550123",
        additional_attributes={"company_name": "Analytical Engines", "city": "London", "country": "UK"},
        custom_attributes={"job_title": "Countess", "lead_value": "1200.50"},
    )
    run = world.run(sync_to_organization=True)

    assert run.state is RunState.DONE
    writes = [call for call in world.calls(run.id) if call[0] != "GET"]
    assert writes == [("POST", "leads", 200)]
    (person,) = world.persons()
    assert (person["name"], person["job_title"]) == ("Ada Lovelace", "Countess")
    assert person["emails"] == [{"value": "ada@example.com", "label": "work"}]
    assert person["contact_numbers"] == [{"value": "+14155550123", "label": "work"}]
    assert person["organization"]["name"] == "Analytical Engines"
    (lead,) = world.leads()
    assert (lead["title"], float(lead["lead_value"])) == ("Ada Lovelace", 1200.5)
    assert lead["person"]["id"] == person["id"]
    assert "Location: London, UK" in lead["description"]
    assert run.summary["created"] == {"person": 1, "lead": 1, "organization": 1}


def test_running_again_makes_no_call_at_all(world: World) -> None:
    world.add(name="Ada", email="ada@example.com")
    world.run()
    again = world.run()
    assert world.calls(again.id) == []
    assert again.summary["read"] == 0
    full = world.run(RunRequest(full=True))
    assert world.calls(full.id) == []
    assert full.summary["unchanged"] == 1


def test_a_changed_contact_updates_only_what_differs(world: World) -> None:
    contact = world.add(name="Ada", email="ada@example.com", phone_number="+14155550123")
    world.run()
    world.change(contact, phone_number="+14155550199")
    run = world.run()
    writes = [call[:2] for call in world.calls(run.id) if call[0] != "GET"]
    assert writes == [("PUT", "contacts/persons/{id}"), ("PUT", "leads/attributes/edit/{id}")]
    (person,) = world.persons()
    assert [row["value"] for row in person["contact_numbers"]] == ["+14155550199"]
    world.change(contact, last_activity_at="2026-11-01T10:00:00")
    assert world.calls(world.run().id) == []
