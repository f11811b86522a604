"""Attribute definitions beyond the recorded calls."""

from __future__ import annotations

import pytest

ATTRIBUTES = "/api/v1/settings/attributes"
CHOICE = {"code": "choice", "name": "Choice", "type": "select", "entity_type": "leads"}


@pytest.fixture
def address(api):
    """Create a choice with the options A and B; returns its URL."""
    made = api.post(ATTRIBUTES, json={**CHOICE, "options": [{"name": "A"}, {"name": "B"}]}).json()["data"]
    return f"{ATTRIBUTES}/{made['id']}"


def names(answer):
    return [option["name"] for option in answer.json()["data"]["options"]]


def test_options_that_are_not_listed_stay(api, address):
    assert names(api.put(address, json=CHOICE)) == ["A", "B"]
    changed = {"1": {"isNew": "false", "isDelete": "false", "name": "AA"}}
    assert names(api.put(address, json={**CHOICE, "options": changed})) == ["AA", "B"]


def test_options_say_whether_they_are_new_or_to_be_deleted(api, address):
    options = {"option_1": {"isNew": "true", "name": "C"}, "2": {"isNew": "false", "isDelete": "true"}}
    assert names(api.put(address, json={**CHOICE, "options": options})) == ["A", "C"]


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"1": {"name": "x"}}, 500),
        ({"1": {"isNew": "false"}}, 500),
        ({"9": {"isNew": "false", "isDelete": "false"}}, 404),
        ({"9": {"isNew": "false", "isDelete": "true"}}, 500),
    ],
)
def test_options_that_say_too_little_or_are_missing_are_errors(api, address, options, status):
    assert api.put(address, json={**CHOICE, "options": options}).status_code == status
