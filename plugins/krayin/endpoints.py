"""The routes of Krayin's REST API that we use, with what must be known to call them safely."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

EntityType = Literal["persons", "leads", "organizations"]
ENTITY_TYPES: Final[dict[str, EntityType]] = {
    "person": "persons",
    "lead": "leads",
    "organization": "organizations",
}
"""What Krayin calls the kinds of records that have custom attributes, by what we call them."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One route.

    Attributes:
        method: the HTTP method.
        template: the path below the API's base address; `{id}` stands for a record's id.
        repeatable: whether sending it twice has the effect of sending it once.
        retries_server_errors: whether a 500 from it may be a passing trouble worth repeating.
        own_limiter: calls an hour by a limiter of its own, whose headers say nothing of the minute.
        overwrites: whether it sets values, so that a call carried out late undoes a later one.
        shown_by: the list that shows a record which the route changes.
    """

    method: str
    template: str
    repeatable: bool
    retries_server_errors: bool = True
    own_limiter: int | None = None
    overwrites: bool = False
    shown_by: Endpoint | None = None

    def path(self, record_id: int | None = None) -> str:
        """Return the path of the route for one record."""
        return self.template.replace("{id}", str(record_id))

    def where(self, status: int | None = None) -> dict[str, Any]:
        """Return the facts of a call that an error keeps."""
        return {"method": self.method, "route": self.template, "status": status}


def _read(template: str, *, retries_server_errors: bool = True) -> Endpoint:
    return Endpoint("GET", template, repeatable=True, retries_server_errors=retries_server_errors)


def _create(template: str) -> Endpoint:
    return Endpoint("POST", template, repeatable=False)


def _change(template: str, shown_by: Endpoint) -> Endpoint:
    return Endpoint("PUT", template, repeatable=True, overwrites=True, shown_by=shown_by)


WHOAMI: Final = _read("get")
PIPELINES: Final = _read("settings/pipelines")
SOURCES: Final = _read("settings/sources")
LEAD_TYPES: Final = _read("settings/types")
ATTRIBUTES: Final = _read("settings/attributes")
TAGS: Final = _read("settings/tags")
USERS: Final = _read("settings/users")
WORKFLOWS: Final = _read("settings/workflows")

PERSONS: Final = _read("contacts/persons")
# A 500 from the search means that this user may not search, which asking again does not change.
PERSON_SEARCH: Final = _read("contacts/persons/search", retries_server_errors=False)
LEADS: Final = _read("leads")
ORGANIZATIONS: Final = _read("contacts/organizations")
ORGANIZATION_LOOKUP: Final = _read("settings/attributes/lookup/organizations")
ACTIVITIES: Final = _read("activities")
ACTIVITIES_OF: Final = {
    "person": _read("contacts/persons/{id}/activities"),
    "lead": _read("leads/{id}/activities"),
}
LOOKUP_ENTITY: Final = {
    entity: _read(f"settings/attributes/lookup-entity/{entity}") for entity in ENTITY_TYPES.values()
}

CREATE_PERSON: Final = _create("contacts/persons")
CREATE_LEAD: Final = _create("leads")
CREATE_TAG: Final = _create("settings/tags")
CREATE_SOURCE: Final = _create("settings/sources")
CREATE_LEAD_TYPE: Final = _create("settings/types")
# A tag that is there already is put on no second time, and one that is not comes off all the same.
PUT_TAG_ON: Final = {
    "person": Endpoint("POST", "contacts/persons/{id}/tags", repeatable=True),
    "lead": Endpoint("POST", "leads/{id}/tags", repeatable=True),
}
TAKE_TAG_OFF: Final = {
    "person": Endpoint("DELETE", "contacts/persons/{id}/tags", repeatable=True),
    "lead": Endpoint("DELETE", "leads/{id}/tags", repeatable=True),
}
CREATE_ACTIVITY: Final = _create("activities")

UPDATE_PERSON: Final = _change("contacts/persons/{id}", PERSONS)
UPDATE_LEAD: Final = _change("leads/attributes/edit/{id}", LEADS)
REPLACE_LEAD: Final = _change("leads/{id}", LEADS)
UPDATE_ORGANIZATION: Final = _change("contacts/organizations/{id}", ORGANIZATIONS)
# Sent twice it would add its options twice.
UPDATE_ATTRIBUTE: Final = Endpoint("PUT", "settings/attributes/{id}", repeatable=False)
UPDATE_ACTIVITY: Final = _change("activities/{id}", ACTIVITIES)

# A POST, but one that sets a value: the second time changes nothing more.
MARK_ACTIVITIES: Final = Endpoint("POST", "activities/mass-update", repeatable=True, overwrites=True)

# Krayin 2.1.5 and 2.2.3: `throttle:100,60`. Its 500 stands for "does not exist" and for "has leads",
# neither of which passes.
DELETE_PERSON: Final = Endpoint(
    "DELETE", "contacts/persons/{id}", repeatable=True, retries_server_errors=False, own_limiter=100
)
DELETE_LEAD: Final = Endpoint("DELETE", "leads/{id}", repeatable=True)
DELETE_ACTIVITY: Final = Endpoint("DELETE", "activities/{id}", repeatable=True)
