"""Persons: create, change, delete, tags and activities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.krayin import (
    activities,
    attributes,
    listing,
    massive,
    organizations,
    php,
    records,
    resources,
    search,
    tags,
)
from sandbox.krayin.answers import Answer
from sandbox.krayin.errors import ServerError, type_error
from sandbox.krayin.records import PERSON, Record

if TYPE_CHECKING:
    from sandbox.krayin.requests import Call
    from sandbox.krayin.server import Krayin

DELETED = "Person deleted successfully."


def _without_blank_owner(data: dict[str, Any]) -> dict[str, Any]:
    """Return the data with its unique_id: owner, organization, first e-mail, then the first phone.

    Raises:
        ServerError: a phone list that has no first entry, or entries without a value.
    """
    data = dict(data)
    if "organization_id" in data and not php.truthy(data["organization_id"]):
        data["organization_id"] = None
    parts = [
        php.dig(data, "user_id"),
        php.dig(data, "organization_id"),
        php.dig(data, "emails", 0, "value"),
    ]
    data["unique_id"] = "|".join(php.text_of(part) for part in parts if php.truthy(part))
    if data.get("contact_numbers") is not None:
        data["contact_numbers"] = _numbers(data["contact_numbers"])
        first = php.offset(data["contact_numbers"], "0")
        data["unique_id"] += "|" + php.text_of(php.offset(first, "value"))
    return data


def _numbers(value: Any) -> Any:
    """Return a phone list without null entries, anything else made a list first (``collect``)."""
    if value is None:
        return []
    return attributes.without_nulls(value if php.is_array(value) else [value])


def _request_data(krayin: Krayin, call: Call) -> dict[str, Any]:
    """Return the request's values, with phones only where one has a value when they are optional.

    Raises:
        ServerError: ``contact_numbers`` is not there, and needed.
    """
    data = call.all
    if krayin.version.phones_optional:
        sent = data.pop("contact_numbers", None)
        rows = [sent] if isinstance(sent, str | int | float) else [row for _, row in php.items_of(sent or [])]
        numbers = [row for row in rows if php.dig(row, "value") is not None]
        return {**data, "contact_numbers": numbers} if numbers else data
    if "contact_numbers" not in data:
        message = 'Undefined array key "contact_numbers"'
        raise ServerError(message)
    return {**data, "contact_numbers": _numbers(data["contact_numbers"])}


def _with_organization(krayin: Krayin, call: Call, data: dict[str, Any]) -> dict[str, Any]:
    name = data.get("organization_name")
    if not php.truthy(name):
        return data
    if php.is_array(name):
        message = "fetchOrCreateOrganizationByName(): Argument #1 must be of type string, array given"
        raise type_error(message)
    organization = organizations.fetch_or_make(krayin, call, php.text_of(name))
    return {**data, "organization_id": organization.id}


def make(krayin: Krayin, call: Call, data: dict[str, Any]) -> Record:
    """Insert a person with its organization, activities and attribute values.

    The data holds values with ``entity_type``; an error leaves behind what was written before it.
    """
    data = _with_organization(krayin, call, _without_blank_owner(data))
    if data.get("user_id") is not None and not php.truthy(data["user_id"]):
        data["user_id"] = None
    record = records.create(krayin, PERSON, data)
    attributes.add_system_activity(krayin, call, (PERSON, record.id), "Created")
    attributes.save(krayin, call, {**data, "entity_id": record.id})
    return record


def change(krayin: Krayin, call: Call, data: dict[str, Any], key: Any) -> Record:
    """Write a person; the sales owner is cleared unless it is sent.

    Returns:
        The person, still showing the organization it had before.
    """
    data = _without_blank_owner(data)
    data["user_id"] = data["user_id"] if php.truthy(data.get("user_id")) else None
    data = _with_organization(krayin, call, data)
    record = records.find_or_fail(krayin, PERSON, key)
    # The model loads its organization together with itself and shows it as it was.
    record.relations["organization"] = resources.organization_of(krayin, record)
    log_changes(krayin, call, record, records.update(krayin, record, data))
    attributes.save(krayin, call, {**data, "entity_id": record.id})
    return record


def log_changes(krayin: Krayin, call: Call, record: Record, changes: dict[str, tuple[Any, Any]]) -> None:
    """Write down changed columns that are no custom attributes, under the column's name."""
    codes = {row["code"] for row in attributes.of_entity(krayin, record.entity.table)}
    for name, change_ in changes.items():
        new, old = (attributes.decoded(_logged(krayin, value)) for value in change_)
        if name not in codes and not php.loosely_equal(new, old):
            attributes.write_down(krayin, call, (record.entity, record.id), name, (new, old))


def _logged(krayin: Krayin, value: Any) -> Any:
    return krayin.clock.local_text(value) if hasattr(value, "astimezone") else value


def index(krayin: Krayin, call: Call) -> Any:
    """List persons."""
    return listing.listed(krayin, call, "persons", lambda row: resources.person(krayin, Record(PERSON, row)))


def find(krayin: Krayin, call: Call) -> Any:
    """Search persons."""
    rows = search.searched(krayin, call, "persons", scoped=True)
    return {"data": [resources.person(krayin, Record(PERSON, row)) for row in rows]}


def show(krayin: Krayin, call: Call) -> Any:
    """Show a person."""
    return {"data": resources.person(krayin, massive.shown_record(krayin, call, PERSON))}


def store(krayin: Krayin, call: Call) -> Any:
    """Create a person."""
    call.body["entity_type"] = "persons"
    organizations.check(krayin, call, "persons")
    krayin.pause()
    record = make(krayin, call, _request_data(krayin, call))
    return {"data": resources.person(krayin, record), "message": "Person created successfully."}


def update(krayin: Krayin, call: Call) -> Any:
    """Change a person."""
    call.body["entity_type"] = "persons"
    organizations.check(krayin, call, "persons")
    krayin.pause()
    record = change(krayin, call, _request_data(krayin, call), call.params["id"])
    return {"data": resources.person(krayin, record), "message": "Person updated successfully."}


def destroy(krayin: Krayin, call: Call) -> Any:
    """Delete a person; when a lead needs it, it stays without activities and attribute values."""
    record = records.find(krayin, PERSON, call.params["id"])
    if record is None:
        raise massive.cloned_nothing()
    try:
        massive.delete_logged(krayin, record)
    except ServerError as error:
        if not error.caught:
            raise
        return Answer(500, {"message": DELETED})
    return {"message": DELETED}


def mass_destroy(krayin: Krayin, call: Call) -> Any:
    """Delete persons by id; it stops with an error at the first that a lead needs."""
    for record in massive.present(krayin, call, PERSON):
        massive.delete_logged(krayin, record)
    return {"message": DELETED}


def attach_tag(krayin: Krayin, call: Call) -> Any:
    """Put a tag on a person."""
    tags.attach(krayin, call, PERSON, "person_tags", "person_id")
    return {"message": "Tag attached successfully."}


def detach_tag(krayin: Krayin, call: Call) -> Any:
    """Take a tag off a person."""
    tags.detach(krayin, call, PERSON, "person_tags", "person_id")
    return {"message": krayin.version.detached}


def list_activities(krayin: Krayin, call: Call) -> Any:
    """List the activities of a person, newest first, all of them."""
    return activities.of_record(krayin, "person_activities", "person_id", call.params["id"])
