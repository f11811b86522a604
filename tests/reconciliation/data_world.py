"""A world with something of everything that the data team asks about: the answers in the guide are its."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
from reconciliation.run.request import RunRequest
from reconciliation.store.run_rows import RunKind

from sandbox.chatwoot import conversations
from tests.reconciliation.world import EVERYTHING

if TYPE_CHECKING:
    from tests.reconciliation.world import World

COMPANIES = ("Analytical Engines", "Difference & Sons", "Plum")


def fill(world: World) -> list[int]:
    """Load, change, compare, repair and compare again; return the ids of the contacts in Chatwoot.

    Afterwards one contact is ambiguous, a salesperson has changed a name, a person was deleted in Krayin.
    """
    contacts = add_contacts(world)
    world.run(RunRequest(kind=RunKind.SCHEDULED))
    for contact in contacts[:3]:
        world.change(contact, name=f"Renamed {contact}")
    world.run(RunRequest(kind=RunKind.SCHEDULED))
    world.compared(repairing=False)
    persons = world.persons()
    row = next(one for one in persons if one["name"] == "Person 5")
    body = {"name": "Typed", "emails": row["emails"], "contact_numbers": row["contact_numbers"], "user_id": 1}
    world.api("PUT", f"contacts/persons/{row['id']}", body)
    lead = next(one for one in world.leads() if one["person"]["name"] == "Person 6")
    world.api("DELETE", f"leads/{lead['id']}")
    world.compared(repairing=False)
    return contacts


def add_contacts(world: World) -> list[int]:
    """Add 13 contacts, two whom Krayin has and one whom it has twice, with four conversations; return their ids."""
    world.settings |= EVERYTHING
    known = [
        {"name": f"Known {number}", "emails": [{"value": f"p{number}@example.com", "label": "work"}]}
        for number in (1, 2)
    ]
    world.krayin.seed(persons=known)
    contacts = [
        world.add(
            name=f"Person {number}",
            email=f"p{number}@example.com",
            phone_number=f"+49301234{number:03}",
            additional_attributes={"company_name": COMPANIES[number % 3]},
        )
        for number in range(1, 13)
    ]
    numbers = [{"value": "+4930999", "label": "work"}]
    mails = [{"value": "twice@example.com", "label": "work"}]
    world.krayin.seed(
        persons=[
            {"name": "One", "emails": mails},
            {"name": "Other", "emails": [], "contact_numbers": numbers},
        ]
    )
    contacts.append(world.add(name="Whose", email="twice@example.com", phone_number="+4930999"))
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        for contact in contacts[:4]:
            talk = conversations.add_conversation(connection, contact, 1)
            conversations.add_message(
                connection, talk, "Hello", sender_type="Contact", sender_id=contact, message_type=0
            )
    return contacts
