from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from chatwoot.database import rows
from chatwoot.records import BrokenRow, Contact, ContactInbox

WHEN = datetime(2026, 5, 1, 12, 30, 0, 123456)  # noqa: DTZ001 - as the column without a zone gives it


def row(**changes: Any) -> Any:
    values: dict[str, Any] = {
        "id": 7, "account_id": 1, "name": "Ada", "last_name": "", "middle_name": "", "email": "ada@example.com",
        "phone_number": None, "identifier": None, "contact_type": 1, "blocked": False, "location": "",
        "country_code": "", "additional_attributes": '{"city": "Pune"}', "custom_attributes": "{}",
        "last_activity_at": None, "created_at": WHEN, "updated_at": WHEN,
        "labels": ["vip", "lead"], "inbox_ids": [5, 3], "source_ids": ["b", "a"], "unreadable": [],
        "in_scope": True, "wants_lead": True,
    }  # fmt: skip
    return SimpleNamespace(**(values | changes))


def test_a_plain_row_becomes_a_contact_in_utc() -> None:
    contact = rows.contact(row())
    assert isinstance(contact, Contact)
    assert contact.created_at == WHEN.replace(tzinfo=UTC)
    assert contact.last_activity_at is None
    assert contact.additional_attributes == {"city": "Pune"}
    assert contact.labels == ("lead", "vip")
    assert contact.inboxes == (ContactInbox(3, "a"), ContactInbox(5, "b"))


def test_nulls_of_an_importer_read_as_nothing_said() -> None:
    contact = rows.contact(
        row(
            name=None,
            last_name=None,
            email="",
            additional_attributes=None,
            custom_attributes="null",
            labels=None,
            inbox_ids=None,
            source_ids=None,
            contact_type=None,
            blocked=None,
        )
    )
    assert isinstance(contact, Contact)
    assert (contact.name, contact.last_name, contact.email, contact.contact_type) == ("", "", None, 0)
    assert contact.additional_attributes == contact.custom_attributes == {}
    assert contact.labels == contact.inboxes == ()
    assert contact.blocked is False


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"custom_attributes": '"secret"'}, "custom_attributes: a JSON str instead of an object"),
        ({"additional_attributes": "[1, 2]"}, "additional_attributes: a JSON list instead of an object"),
        ({"custom_attributes": "3"}, "custom_attributes: a JSON int instead of an object"),
        (
            {"custom_attributes": '{"n": ' + "9" * 5000 + "}"},
            "custom_attributes: JSON beyond what Python reads",
        ),
        (
            {"custom_attributes": "[" * 100_000 + "]" * 100_000},
            "custom_attributes: JSON beyond what Python reads",
        ),
        ({"unreadable": ["updated_at"]}, "updated_at: no time of the years 1 to 9999"),
        ({"created_at": None}, "created_at: NULL"),
    ],
)
def test_an_unreadable_row_is_named_without_its_contents(changes: dict[str, Any], reason: str) -> None:
    assert rows.contact(row(**changes)) == BrokenRow(7, reason)


def test_the_repr_of_a_contact_tells_ids_only() -> None:
    text = repr(
        rows.contact(row(name="Ada Lovelace", phone_number="+12025550100", source_ids=["x@y", "secret"]))
    )
    assert "id=7" in text
    for private in ("Ada", "ada@example.com", "+1202", "Pune", "secret"):
        assert private not in text
