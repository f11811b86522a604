"""Attributes and organizations beyond the recorded calls."""

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


def test_a_number_is_taken_when_a_text_starts_with_it(api):
    """The database compares a bound number with texts as numbers, where a word is 0."""
    organizations = "/api/v1/contacts/organizations"
    for name in ("Acme", "5 Brothers"):
        assert api.post(organizations, json={"name": name}).status_code == 200
    taken = {"name": ["The value has already been taken."]}
    assert api.post(organizations, json={"name": 0}).json()["errors"] == taken
    assert api.post(organizations, json={"name": 5}).json()["errors"] == taken
    assert api.post(organizations, json={"name": "5"}).status_code == 200
    assert api.post(organizations, json={"name": 6}).status_code == 200


def test_an_owner_that_is_blank_is_none(api, krayin):
    organizations = "/api/v1/contacts/organizations"
    for number, owner in enumerate(("", 0, "0", False)):
        assert api.post(organizations, json={"name": f"N{number}", "user_id": owner}).status_code == 200
        api.put(f"{organizations}/{number + 1}", json={"user_id": 1})
        assert api.put(f"{organizations}/{number + 1}", json={"user_id": owner}).status_code == 200
    assert {row["user_id"] for row in krayin.records("organizations")["organizations"]} == {None}
