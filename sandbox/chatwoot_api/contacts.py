"""Contacts: list, filter, search, one of them, its conversations and labels, and changes to it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sandbox.chatwoot_api.conditions import condition
from sandbox.chatwoot_api.errors import AnsweredError, UnprocessableError, not_found
from sandbox.chatwoot_api.shapes import (
    CONTACT,
    CONTACT_INBOXES,
    CONVERSATION,
    tidy_contact,
    tidy_conversation,
)

if TYPE_CHECKING:
    from sandbox.chatwoot_api.calls import Call

PAGE = 15
OF_CONTACT = 20
_SORTS = {
    "name": "lower(contact.name)",
    "email": "contact.email",
    "phone_number": "contact.phone_number",
    "last_activity_at": "contact.last_activity_at",
    "created_at": "contact.created_at",
    "company_name": "contact.additional_attributes ->> 'company_name'",
    "city": "contact.additional_attributes ->> 'city'",
    "country": "contact.additional_attributes ->> 'country'",
}
_FILTERS = {
    "name": ("contact.name", "text"),
    "email": ("contact.email", "text"),
    "phone_number": ("contact.phone_number", "text"),
    "identifier": ("contact.identifier", "text"),
    "country_code": ("contact.additional_attributes ->> 'country_code'", "text"),
    "city": ("contact.additional_attributes ->> 'city'", "text"),
    "company_name": ("contact.additional_attributes ->> 'company_name'", "text"),
    "created_at": ("contact.created_at", "day"),
    "last_activity_at": ("contact.last_activity_at", "day"),
}
# Only those who can be reached or recognised.
_RESOLVED = (
    "(coalesce(contact.email, '') <> '' OR coalesce(contact.phone_number, '') <> '' "
    "OR coalesce(contact.identifier, '') <> '')"
)
_LABELLED = (
    "EXISTS (SELECT FROM taggings AS tagging JOIN tags AS tag ON tag.id = tagging.tag_id "
    "WHERE tagging.taggable_type = 'Contact' AND tagging.taggable_id = contact.id "
    "AND tagging.context = 'labels' AND tag.name = %(label)s)"
)
_WRITTEN = ("name", "identifier", "email", "phone_number", "blocked")
_MERGED = ("additional_attributes", "custom_attributes")


def index(call: Call) -> Any:
    """`GET /contacts`."""
    if "labels[]" in call.query:
        return _listed(call, f"{_RESOLVED} AND {_LABELLED}", {"label": call.query["labels[]"]})
    return _listed(call, _RESOLVED, {})


def filtered(call: Call) -> Any:
    """`POST /contacts/filter`."""
    return _listed(call, *condition(call.json(), _FILTERS))


def search(call: Call) -> Any:
    """`GET /contacts/search`."""
    if not call.query.get("q"):
        said = "Specify search string with parameter q"
        raise UnprocessableError(said)
    return _listed(
        call,
        "(contact.name ILIKE %(q)s OR contact.email ILIKE %(q)s OR contact.phone_number ILIKE %(q)s)",
        {"q": f"%{call.query['q']}%"},
    )


def show(call: Call) -> Any:
    """`GET /contacts/{id}`."""
    return {"payload": _one(call)}


def update(call: Call) -> Any:
    """`PUT /contacts/{id}`: attributes are merged; a save that changes nothing writes nothing."""
    _one(call)
    body = call.json()
    given = {name: body[name] for name in _WRITTEN if name in body}
    for name in ("email", "identifier"):
        if given.get(name) and call.documents(
            f"SELECT id FROM contacts WHERE {name} = %(value)s "
            "AND account_id = %(account_id)s AND id <> %(id)s",
            value=given[name],
        ):
            raise AnsweredError(
                422, {"message": f"{name.capitalize()} has already been taken", "attributes": [name]}
            )
    merged = {name: json.dumps(body[name]) for name in _MERGED if isinstance(body.get(name), dict)}
    sets = [f"{name} = %({name})s" for name in given]
    sets += [f"{name} = coalesce({name}, '{{}}') || %({name})s::jsonb" for name in merged]
    news = [f"{name} IS DISTINCT FROM %({name})s" for name in given]
    news += [f"coalesce({name}, '{{}}') || %({name})s::jsonb IS DISTINCT FROM {name}" for name in merged]
    if sets:
        call.rows(
            f"UPDATE contacts SET {', '.join(sets)}, updated_at = clock_timestamp() AT TIME ZONE 'UTC' "
            f"WHERE id = %(id)s AND account_id = %(account_id)s AND ({' OR '.join(news)})",
            **given,
            **merged,
        )
    return {"payload": _one(call)}


def labels(call: Call) -> Any:
    """`GET /contacts/{id}/labels`."""
    _one(call)
    found = call.documents(
        "SELECT tag.name FROM taggings AS tagging JOIN tags AS tag ON tag.id = tagging.tag_id "
        "WHERE tagging.taggable_type = 'Contact' AND tagging.taggable_id = %(id)s "
        "AND tagging.context = 'labels' ORDER BY tagging.id"
    )
    return {"payload": found}


def conversations(call: Call) -> Any:
    """`GET /contacts/{id}/conversations`: the latest twenty, whatever their status."""
    _one(call)
    found = call.documents(
        f"SELECT {CONVERSATION} FROM conversations AS conversation WHERE conversation.contact_id = %(id)s "
        "AND conversation.account_id = %(account_id)s ORDER BY conversation.last_activity_at DESC "
        f"LIMIT {OF_CONTACT}"
    )
    return {"payload": [tidy_conversation(row) for row in found]}


def _one(call: Call) -> Any:
    found = call.documents(
        f"SELECT {CONTACT} || {CONTACT_INBOXES} FROM contacts AS contact "
        "WHERE contact.id = %(id)s AND contact.account_id = %(account_id)s"
    )
    if not found:
        raise not_found()
    return tidy_contact(found[0])


def _listed(call: Call, where: str, parameters: dict[str, Any]) -> Any:
    where = f"contact.account_id = %(account_id)s AND {where}"
    count = call.number(f"SELECT count(*) FROM contacts AS contact WHERE {where}", **parameters)
    inboxes = (
        CONTACT_INBOXES if call.query.get("include_contact_inboxes", "true") == "true" else "'{}'::jsonb"
    )
    found = call.documents(
        f"SELECT {CONTACT} || {inboxes} FROM contacts AS contact WHERE {where} ORDER BY {_order(call)} "
        f"LIMIT {PAGE} OFFSET %(offset)s",
        offset=(call.page - 1) * PAGE,
        salt=str(call.page),
        **parameters,
    )
    return {
        "meta": {"count": count, "current_page": call.query.get("page", 1)},
        "payload": [tidy_contact(row) for row in found],
    }


def _order(call: Call) -> str:
    given = call.query.get("sort", "")
    if not given:
        return "contact.id"
    name = given.removeprefix("-")
    if name not in _SORTS:
        raise AnsweredError(400, {"errors": {"sort": ["has invalid attribute"]}})
    # Rows of one value come in no order: another one for each page is what PostgreSQL may do.
    direction = "DESC" if given.startswith("-") else "ASC"
    return f"{_SORTS[name]} {direction} NULLS LAST, md5(contact.id::text || %(salt)s)"
