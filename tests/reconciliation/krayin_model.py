"""What Krayin 2.1.5 stores after a write, in the few rules that decide whether something is lost."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any

from tests.reconciliation.samples import CUSTOM_TYPES

OWN_NUMBER = {"id": 42}


def trimmed(value: Any) -> Any:
    """Return a value as Laravel's TrimStrings leaves it; anything PHP cannot read fails here."""
    if isinstance(value, str):
        value.encode()
        assert "\0" not in value
        return re.sub(r"^[\s\ufeff\u200b]+", "", value)[::-1].lstrip("\ufeff\u200b \t\r\n\f\v\xa0\u3000")[
            ::-1
        ]
    if isinstance(value, list):
        return [trimmed(item) for item in value]
    if isinstance(value, dict):
        return {key: trimmed(item) for key, item in value.items()}
    return value


def _custom(stored: dict[str, Any], body: dict[str, Any]) -> None:
    for code, kind in CUSTOM_TYPES.items():
        if kind == "boolean":
            # An absent box is an unticked one.
            stored[code] = int(body.get(code) or 0)
        elif code in body:
            value = body[code]
            if kind == "price":
                stored[code] = None if value == "" else float(value)
            elif kind == "date":
                stored[code] = None if value == "" else value
            else:
                stored[code] = value


def _organization(stored: dict[str, Any], body: dict[str, Any]) -> None:
    if body.get("organization_name"):
        stored["organization"] = {**OWN_NUMBER, "name": body["organization_name"]}
        stored["organization_id"] = OWN_NUMBER["id"]
    elif "organization_id" in body:
        if not body["organization_id"]:
            stored["organization"] = None
        stored["organization_id"] = body["organization_id"]


def new_person(body: dict[str, Any]) -> dict[str, Any]:
    """Return the person a POST makes; `body` may be nested in a lead's."""
    body = trimmed(body)
    assert body["name"]
    stored: dict[str, Any] = dict.fromkeys(CUSTOM_TYPES)
    stored |= {
        "name": body["name"][:255],
        "emails": body["emails"],
        "organization": None,
        "organization_id": None,
    }
    stored["contact_numbers"] = body.get("contact_numbers")
    stored["job_title"] = body.get("job_title")
    stored["user_id"] = body.get("user_id")
    _organization(stored, body)
    _custom(stored, body)
    return stored


def put_person(before: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """Return the person after PUT contacts/persons/{id}."""
    body = trimmed(body)
    stored = deepcopy(before)
    # Without an entry Krayin fails; the unique key is made of the sent keys only.
    assert body["contact_numbers"]
    assert "emails" in body
    stored["user_id"] = body.get("user_id")
    for key in ("name", "emails", "contact_numbers", "job_title"):
        if key in body:
            stored[key] = body[key]
    _organization(stored, body)
    _custom(stored, body)
    return stored


def new_lead(body: dict[str, Any]) -> dict[str, Any]:
    """Return the lead a POST makes."""
    body = trimmed(body)
    assert body["title"]
    assert body["lead_pipeline_stage_id"]
    stored: dict[str, Any] = dict.fromkeys(CUSTOM_TYPES)
    stored |= {key: body.get(key) for key in ("title", "description", "expected_close_date", "user_id")}
    stored["lead_value"] = f"{body.get('lead_value', 0):.4f}"
    _custom(stored, body)
    return stored


def edit_lead(before: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """Return the lead after PUT leads/attributes/edit/{id}."""
    body = trimmed(body)
    stored = deepcopy(before)
    stored["expected_close_date"] = body.get("expected_close_date")
    for key in ("title", "description", "user_id"):
        if key in body:
            stored[key] = body[key]
    if "lead_value" in body:
        stored["lead_value"] = f"{body['lead_value']:.4f}"
    _custom(stored, body)
    return stored
