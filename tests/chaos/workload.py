"""What happens in Chatwoot and at the salespeople's desks during a chaos run, decided by a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg

from sandbox.chatwoot import changes
from tests.chaos.conversations import Talks

if TYPE_CHECKING:
    from tests.chaos.served import Served

ACCOUNT = 1
COMPANIES = 12
CITIES = ("Pune", "Kraków", "Zürich", "São Paulo")


@dataclass
class Workload:
    """Rounds of changes; two of the same seed make the same changes in two worlds."""

    chatwoot_url: str
    krayin: Served
    seed: int
    size: int
    contacts: list[int] = field(default_factory=list)
    talks: Talks = field(default_factory=Talks)
    _number: int = 0

    def prepare(self) -> None:
        """Make what salespeople work with, before anything is synced."""
        self.krayin.seed(
            users=[{"name": "Sales", "email": "sales@example.com", "password": "x"}],
            products=[{"name": "Widget", "sku": "w", "price": 5, "quantity": 9}],
            tags=[{"name": "VIP"}],
            attributes=[
                {"code": "newsletter", "name": "Newsletter", "type": "boolean", "entity_type": "persons"},
                {"code": "region", "name": "Region", "type": "text", "entity_type": "persons"},
                {"code": "hot", "name": "Hot", "type": "boolean", "entity_type": "leads"},
            ],
        )
        self.add(self.size // 2)

    def round(self, number: int) -> None:
        """Change contacts, add new ones, some of whom Krayin knows already, and have them talk."""
        chance = random.Random(f"{self.seed}/{number}")
        known = chance.sample(self.contacts, min(len(self.contacts), self.size // 3))
        self.talks.begin_round()
        self.talks.go_on_with_earlier()
        self._plant_known(chance, self.size // 6)
        self.add(self.size - len(known) - self.size // 6)
        with psycopg.connect(self.chatwoot_url) as connection:
            for contact in known:
                # Messages keep the name their sender had when they were read last.
                silent = contact not in self.talks.talkers
                changes.update_contact(
                    connection, contact, **_changed(chance, contact, number, with_name=silent)
                )
            for contact in chance.sample(self.contacts, self.size // 3):
                self.talks.begin(connection, chance, contact)
            self.talks.go_on(connection, chance, self.size // 3)

    def meanwhile(self, number: int) -> None:
        """Have people talk while what `round` changed is being brought over."""
        chance = random.Random(f"{self.seed}/{number}/meanwhile")
        with psycopg.connect(self.chatwoot_url) as connection:
            self.talks.go_on(connection, chance, self.size // 4)

    def add(self, many: int) -> None:
        """Add contacts that Krayin does not know."""
        with psycopg.connect(self.chatwoot_url) as connection:
            for _ in range(many):
                self._number += 1
                self.contacts.append(changes.add_contact(connection, ACCOUNT, **contact(self._number)))

    def _plant_known(self, chance: random.Random, many: int) -> None:
        for _ in range(many):
            self._number += 1
            columns = contact(self._number) | {"email": f"known{self._number}@example.com"}
            email = str(columns["email"])
            (person,) = self.krayin.seed(
                persons=[
                    {
                        "name": f"Typed by sales {self._number}",
                        "emails": [
                            {"value": email.capitalize() if chance.random() < 0.3 else email, "label": "home"}
                        ],
                        "contact_numbers": [],
                        "user_id": 2,
                        "newsletter": 1,
                        "region": "EMEA",
                        "tags": [1],
                    }
                ]
            )["persons"]
            if chance.random() < 0.5:
                self.krayin.seed(
                    leads=[
                        {
                            "title": f"Typed lead {self._number}",
                            "person_id": person,
                            "lead_pipeline_id": 1,
                            "lead_pipeline_stage_id": 3,
                            "lead_source_id": 1,
                            "lead_type_id": 1,
                            "user_id": 2,
                            "expected_close_date": "2131-05-06",
                            "hot": 1,
                            "tags": [1],
                            "products": [{"product_id": 1, "price": 5, "quantity": 2}],
                        }
                    ]
                )
            with psycopg.connect(self.chatwoot_url) as connection:
                added = changes.add_contact(connection, ACCOUNT, **columns)
                self.contacts.append(added)
                if chance.random() < 0.3:
                    self.talks.plant_earlier(connection, self.krayin, added, person)

    def work_on_everything(self) -> None:
        """Do what salespeople do to the persons and leads that are there."""
        records = self.krayin.records("persons", "leads")
        for person in records["persons"]:
            if _number_in(person["name"]) % 3 == 0:
                self.krayin.edit(persons=[{"id": person["id"], "user_id": 2}])
        for lead in records["leads"]:
            number = _number_in(lead["title"])
            if number % 2 == 0:
                self.krayin.edit(
                    leads=[
                        {
                            "id": lead["id"],
                            "user_id": 2,
                            "expected_close_date": "2131-05-06" if number % 4 else "2020-01-02",
                            "lead_pipeline_stage_id": 2,
                        }
                    ]
                )


def contact(number: int) -> dict[str, Any]:
    """Return the columns of a new contact; every seventh has a phone only."""
    company = number % COMPANIES
    attributes: dict[str, Any] = {"city": CITIES[number % 4]}
    if number % 4:
        attributes["company_name"] = f"Company {company}"
        if company < 4:
            attributes |= {"company_city": CITIES[company], "company_country": "IN"}
    return {
        "name": f"Contact {number}",
        "email": None if number % 7 == 0 else f"contact{number}@example.com",
        "phone_number": f"+1415555{number:04d}",
        "additional_attributes": attributes,
        "custom_attributes": {"job_title": f"Job {number % 5}", "lead_value": str(number)},
    }


def _number_in(name: str) -> int:
    # Ids depend on which of four workers came first.
    return int(name.rpartition(" ")[2])


def _changed(chance: random.Random, contact_id: int, number: int, *, with_name: bool) -> dict[str, Any]:
    new = {
        "name": f"Renamed {contact_id} in {number}",
        "phone_number": f"+1312{contact_id:05d}{number:02d}",
        "email": f"moved{contact_id}-{number}@example.com",
        "custom_attributes": {"job_title": f"Job of {number}", "lead_value": str(number * 1000 + contact_id)},
        "additional_attributes": {
            "city": CITIES[number % 4],
            "company_name": f"Company {chance.randrange(COMPANIES)}",
        },
    }
    if not with_name:
        del new["name"]
    names = chance.sample(sorted(new), chance.randint(1, 3))
    return {name: new[name] for name in names}
