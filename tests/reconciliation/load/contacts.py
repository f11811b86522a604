"""Operations on contact 7, Ada."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciliation.model.desired_contact import DesiredContact

from tests.reconciliation.load.bench import operation

if TYPE_CHECKING:
    from reconciliation.store.ledger import Operation

    from tests.reconciliation.load.bench import Bench

PERSON = {
    "name": "Ada",
    "emails": ["ada@example.com"],
    "phones": ["+14155550123"],
    "job_title": None,
    "organization": None,
    "custom": {},
}
LEAD = {"title": "Ada", "lead_value": None, "description": "Chatwoot: here/contacts/7", "custom": {}}
SENT = {name: value for name, value in PERSON.items() if name != "custom"}
SENT_LEAD = {name: value for name, value in LEAD.items() if name != "custom"}


def contact(
    person: dict[str, Any] | None = None,
    lead: dict[str, Any] | None = None,
    *,
    more: dict[str, Any] | None = None,
    **columns: Any,
) -> Operation:
    """An operation that wants Ada with these fields different; `more` goes into its payload."""
    wanted = DesiredContact(7, {**PERSON, **(person or {})}, {**LEAD, **(lead or {})})
    payload = {
        "person": wanted.person,
        "lead": wanted.lead,
        "person_hash": wanted.person_hash().hex(),
        "lead_hash": wanted.lead_hash().hex(),
        "organization": None,
        "adopt": {},
        **(more or {}),
    }
    return operation("contact", payload, **columns)


def ada(bench: Bench, **lead: Any) -> tuple[int, int]:
    """Have Ada and her lead in Krayin, as we made them but for fields of the lead; return their ids."""
    emails = [{"value": "ada@example.com", "label": "work"}]
    phones = [{"value": "+14155550123", "label": "work"}]
    (person,) = bench.krayin.seed(persons=[{"name": "Ada", "emails": emails, "contact_numbers": phones}])[
        "persons"
    ]
    made = {"title": "Ada", "description": LEAD["description"], "person_id": person, **lead}
    (lead_id,) = bench.krayin.seed(leads=[made])["leads"]
    return person, lead_id
