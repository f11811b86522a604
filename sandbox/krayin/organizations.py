"""Organizations: create, change, delete, and find by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.krayin import attributes, listing, massive, php, records, resources, validation
from sandbox.krayin.answers import wrapped
from sandbox.krayin.records import ORGANIZATION, Record

if TYPE_CHECKING:
    from sandbox.krayin.requests import Call
    from sandbox.krayin.server import Krayin


def check(krayin: Krayin, call: Call, entity_type: str) -> None:
    """Validate a request against the attributes it sends (Krayin's AttributeForm).

    Raises:
        ValidationError: with the messages of every field.
    """
    data = call.all
    own = data["id"] if "id" in data else call.params.get("id")
    sent = attributes.Sent(frozenset(data), own, "quick_add" in data)
    rules = attributes.rules(krayin, entity_type, sent)
    validation.validate(krayin.clock, data, rules)


def _without_blank_owner(data: dict[str, Any]) -> dict[str, Any]:
    """Return the data with no owner where the owner sent is "", 0 or false."""
    return data if php.truthy(data.get("user_id", 1)) else {**data, "user_id": None}


def make(krayin: Krayin, call: Call, data: dict[str, Any]) -> Record:
    """Insert an organization with its attribute values."""
    data = _without_blank_owner(data)
    record = records.create(krayin, ORGANIZATION, data)
    attributes.save(krayin, call, {**data, "entity_id": record.id})
    return record


def fetch_or_make(krayin: Krayin, call: Call, name: str) -> Record:
    """Return the organization of a name (compared as the column compares), made when there is none."""
    table = krayin.database["organizations"]
    wanted = table.columns["name"].matches(name)
    for row in table:
        if table.columns["name"].key(row["name"]) == wanted:
            return Record(ORGANIZATION, dict(row))
    return make(krayin, call, {"entity_type": "organizations", "name": name})


def index(krayin: Krayin, call: Call) -> Any:
    """List organizations."""
    return listing.listed(
        krayin,
        call,
        "organizations",
        lambda row: resources.organization(krayin, Record(ORGANIZATION, row)),
    )


def show(krayin: Krayin, call: Call) -> Any:
    """Show an organization."""
    record = massive.shown_record(krayin, call, ORGANIZATION)
    return {"data": resources.organization(krayin, record)}


def store(krayin: Krayin, call: Call) -> Any:
    """Create an organization."""
    call.body["entity_type"] = "organizations"
    check(krayin, call, "organizations")
    krayin.pause()
    record = make(krayin, call, call.all)
    return {
        "data": resources.organization(krayin, record),
        "message": "Organization created successfully.",
    }


def update(krayin: Krayin, call: Call) -> Any:
    """Change what is sent of an organization."""
    call.body["entity_type"] = "organizations"
    check(krayin, call, "organizations")
    record = records.find_or_fail(krayin, ORGANIZATION, call.params["id"])
    data = _without_blank_owner(call.all)
    records.update(krayin, record, data)
    attributes.save(krayin, call, {**data, "entity_id": record.id})
    return {
        "data": resources.organization(krayin, record),
        "message": "Organization updated successfully.",
    }


def remove(krayin: Krayin, record: Record) -> None:
    """Delete an organization with its attribute values; its persons stay, without organization."""
    massive.delete_values(krayin, "organizations", record.id)
    krayin.database["organizations"].delete(record.id)


def destroy(krayin: Krayin, call: Call) -> Any:
    """Delete an organization; a missing one is answered 200 with another message."""
    record = records.find(krayin, ORGANIZATION, call.params["id"])
    if record is None:
        return wrapped("Organization delete failed.")
    remove(krayin, record)
    return wrapped("Organization deleted successfully.")


def mass_destroy(krayin: Krayin, call: Call) -> Any:
    """Delete organizations by id, skipping missing ones."""
    for record in massive.present(krayin, call, ORGANIZATION):
        remove(krayin, record)
    return wrapped("Organization deleted successfully.")
