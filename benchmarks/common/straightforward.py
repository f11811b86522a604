"""The calls of the integration this replaces: each record searched, created, linked and read on its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass(slots=True)
class Straightforward:
    """Calls Krayin as a plain workflow does, contact by contact, and counts its calls."""

    url: str
    token: str
    calls: int = 0
    _client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        """Open the client."""
        headers = {"Accept": "application/json", "Authorization": f"Bearer {self.token}"}
        self._client = httpx.Client(
            base_url=f"{self.url}/api/v1/", headers=headers, timeout=30, trust_env=False
        )

    def call(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        """Make one call; it must succeed."""
        self.calls += 1
        answer = self._client.request(method, path, json=body, params=query)
        answer.raise_for_status()
        return answer.json()["data"]

    def search(self, kind: str, field_name: str, value: str) -> Any:
        """Search one kind of record by one field, as Krayin's own search does."""
        return self.call(
            "GET", f"{kind}/search", search=f"{field_name}:{value};", searchFields=f"{field_name}:like;"
        )

    def new_contact(self, name: str, email: str, phone: str, company: str) -> tuple[int, int]:
        """Bring over a new contact with its company; return the ids of person and lead."""
        self.search("contacts/persons", "emails", email)
        self.search("contacts/persons", "contact_numbers", phone)
        person = self.person(name, email, phone)
        person_id = self.call("POST", "contacts/persons", person)["id"]
        known = self.call("GET", "contacts/organizations", name=company)
        there = [row["id"] for row in known if row["name"] == company]
        organization_id = (
            there[0] if there else self.call("POST", "contacts/organizations", {"name": company})["id"]
        )
        self.call("PUT", f"contacts/persons/{person_id}", {**person, "organization_id": organization_id})
        self.search("leads", "title", name)
        lead_id = self.call(
            "POST", "leads", {"title": name, "lead_pipeline_stage_id": 1, "person": {"id": person_id}}
        )["id"]
        self.call("GET", f"leads/{lead_id}")
        self.call("PUT", f"leads/stage/edit/{lead_id}", {"lead_pipeline_stage_id": 1})
        return person_id, lead_id

    def changed_contact(self, person_id: int, lead_id: int, name: str, email: str, phone: str) -> None:
        """Bring over a changed name."""
        self.search("contacts/persons", "emails", email)
        self.call("PUT", f"contacts/persons/{person_id}", self.person(name, email, phone))
        self.search("leads", "title", name)
        self.call("PUT", f"leads/attributes/edit/{lead_id}", {"title": name})

    def said(self, person_id: int, email: str, title: str) -> None:
        """Bring over a conversation or message as a note."""
        self.search("contacts/persons", "emails", email)
        self.call("GET", f"contacts/persons/{person_id}/activities")
        self.call(
            "POST", "activities", {"type": "note", "title": title, "comment": title, "person_id": person_id}
        )

    def moved(self, lead_id: int, title: str, stage: int) -> None:
        """Move a lead to another stage."""
        self.search("leads", "title", title)
        self.call("GET", f"leads/{lead_id}")
        self.call("PUT", f"leads/stage/edit/{lead_id}", {"lead_pipeline_stage_id": stage})

    @staticmethod
    def person(name: str, email: str, phone: str) -> dict[str, Any]:
        """Return the body of a person."""
        return {
            "name": name,
            "emails": [{"value": email, "label": "work"}],
            "contact_numbers": [{"value": phone, "label": "work"}],
        }
