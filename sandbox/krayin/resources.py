"""The JSON shapes in which the API shows records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.krayin import attributes, php, records

if TYPE_CHECKING:
    from sandbox.krayin.records import Record
    from sandbox.krayin.server import Krayin
    from sandbox.krayin.tables import Row

JSON = dict[str, Any]
# Where a stage stands, which not every Krayin shows.
STAGE_ORDER = ("sort_order", "lead_pipeline_id")


def _times(krayin: Krayin, row: Row) -> JSON:
    return {
        "created_at": krayin.clock.shown(row.get("created_at")),
        "updated_at": krayin.clock.shown(row.get("updated_at")),
    }


def named(krayin: Krayin, row: Row) -> JSON:
    """Show a source, a type or another record that only has a name."""
    return {"id": row["id"], "name": row.get("name"), **_times(krayin, row)}


def role(krayin: Krayin, row: Row) -> JSON:
    """Show a role."""
    permissions = row.get("permissions")
    return {
        "id": row["id"],
        "name": row.get("name"),
        "description": row.get("description"),
        "permission_type": row.get("permission_type"),
        "permissions": None if permissions is None else php.decode_json(permissions)[1],
        **_times(krayin, row),
    }


def group(krayin: Krayin, row: Row) -> JSON:
    """Show a user group."""
    return {
        "id": row["id"],
        "name": row.get("name"),
        "description": row.get("description"),
        **_times(krayin, row),
    }


def user(krayin: Krayin, row: Row) -> JSON:
    """Show a user with the role."""
    own = krayin.database["roles"].get(records.row_key(row.get("role_id")))
    image = row.get("image")
    return {
        "id": row["id"],
        "name": row.get("name"),
        "email": row.get("email"),
        "status": row.get("status"),
        "view_permission": row.get("view_permission"),
        "role": None if own is None else role(krayin, own),
        **_times(krayin, row),
        "image": image,
        "image_url": None if image is None else f"/storage/{image}",
    }


def organization(krayin: Krayin, record: Record) -> JSON:
    """Show an organization; its owner is not part of it."""
    return {
        "id": record.id,
        "name": attributes.read(krayin, record, "name"),
        "address": attributes.read(krayin, record, "address"),
        **_times(krayin, record.attributes),
    }


def person(krayin: Krayin, record: Record) -> JSON:
    """Show a person; organization and sales owner are there only when set."""
    shown: JSON = {
        "id": record.id,
        "name": attributes.read(krayin, record, "name"),
        "emails": attributes.read(krayin, record, "emails"),
        "contact_numbers": attributes.read(krayin, record, "contact_numbers"),
    }
    if "organization" in record.relations:
        own = record.relations["organization"]
    else:
        own = organization_of(krayin, record)
    if own is not None:
        shown["organization"] = organization(krayin, own)
    shown["job_title"] = attributes.read(krayin, record, "job_title")
    owner = related_user(krayin, record)
    if owner is not None:
        shown["sales_owner"] = user(krayin, owner)
    return {**shown, **_times(krayin, record.attributes)}


def organization_of(krayin: Krayin, record: Record) -> Record | None:
    """Return the organization of a person."""
    key = attributes.read(krayin, record, "organization_id")
    return None if key is None else records.find(krayin, records.ORGANIZATION, key)


def related_user(krayin: Krayin, record: Record) -> Row | None:
    """Return the row of a record's owner."""
    key = attributes.read(krayin, record, "user_id")
    return None if key is None else krayin.database["users"].get(records.row_key(key))


def product(krayin: Krayin, record: Record) -> JSON:
    """Show a product."""
    read = {name: attributes.read(krayin, record, name) for name in ("sku", "name", "description")}
    return {
        "id": record.id,
        **read,
        "quantity": record.attributes.get("quantity"),
        "price": record.attributes.get("price"),
        **_times(krayin, record.attributes),
    }


def lead_product(krayin: Krayin, row: Row) -> JSON:
    """Show a product of a lead."""
    own = records.find(krayin, records.PRODUCT, row["product_id"])
    return {
        "id": row["id"],
        "quantity": row["quantity"],
        "price": row["price"],
        "amount": row["amount"],
        "product": None if own is None else product(krayin, own),
        **_times(krayin, row),
    }


def lead(krayin: Krayin, record: Record) -> JSON:
    """Show a lead with its person, owner and products."""

    def read(name: str) -> Any:
        return attributes.read(krayin, record, name)

    owner = related_user(krayin, record)
    person_id = read("person_id")
    own = None if person_id is None else records.find(krayin, records.PERSON, person_id)
    products = krayin.database["lead_products"].found("lead_id", record.id)
    return {
        "id": record.id,
        "title": read("title"),
        "description": read("description"),
        "lead_value": read("lead_value"),
        "status": record.attributes.get("status"),
        "lost_reason": record.attributes.get("lost_reason"),
        "closed_at": _date(krayin, record.attributes.get("closed_at")),
        "user": None if owner is None else user(krayin, owner),
        "person": None if own is None else person(krayin, own),
        "lead_products": [lead_product(krayin, row) for row in products],
        "lead_source_id": read("lead_source_id"),
        "lead_type_id": read("lead_type_id"),
        "lead_pipeline_id": read("lead_pipeline_id"),
        "lead_pipeline_stage_id": read("lead_pipeline_stage_id"),
        **_times(krayin, record.attributes),
        "expected_close_date": _date(krayin, read("expected_close_date")),
    }


def _date(krayin: Krayin, value: Any) -> str | None:
    """Show a date attribute; what was just set is read as Carbon reads it."""
    if value is None:
        return None
    if isinstance(value, str) and value.startswith("0000-00-00"):
        return krayin.clock.shown(value)
    return krayin.clock.shown(krayin.clock.moment(value))


def activity(krayin: Krayin, record: Record) -> JSON:
    """Show an activity with its participants and files."""
    row = record.attributes
    database = krayin.database
    author = database["users"].get(records.row_key(row.get("user_id")))
    participants = database["activity_participants"].found("activity_id", record.id)
    additional = row.get("additional")
    if additional is not None and not php.is_array(additional):
        additional = php.decode_json(php.text_of(additional))[1]
    return {
        "id": record.id,
        "parent_id": None,
        "title": row.get("title"),
        "type": row.get("type"),
        "comment": row.get("comment"),
        "additional": additional,
        "schedule_from": _date(krayin, row.get("schedule_from")),
        "schedule_to": _date(krayin, row.get("schedule_to")),
        "is_done": row.get("is_done"),
        "user": None if author is None else _author(krayin, author),
        "files": [
            {"id": file["id"], "name": file["name"], "path": file["path"], **_times(krayin, file)}
            for file in database["activity_files"].found("activity_id", record.id)
        ],
        "participants": [_participant(krayin, row) for row in participants],
        "location": row.get("location"),
        **_times(krayin, row),
    }


def _author(krayin: Krayin, row: Row) -> JSON:
    """Show the author of an activity; Krayin puts the name where ``updated_at`` should be."""
    return {
        "id": row["id"],
        "name": row["name"],
        "email": row["email"],
        "image": row["image"],
        "created_at": krayin.clock.shown(row["created_at"]),
        "updated_at": row["name"],
    }


def _participant(krayin: Krayin, row: Row) -> JSON:
    if row["user_id"] is not None:
        return {"user": user(krayin, krayin.database["users"].rows[row["user_id"]])}
    own = records.find(krayin, records.PERSON, row["person_id"])
    return {"person": None if own is None else person(krayin, own)}


def stage(krayin: Krayin, row: Row, lead_value: Any = None) -> JSON:
    """Show a pipeline stage.

    ``lead_value`` is the sum of the leads in it, where the kanban asks for it.
    """
    return {
        "id": row["id"],
        "code": row["code"],
        "name": row["name"],
        "lead_value": lead_value,
        "formatted_lead_value": attributes.money(lead_value),
        "is_user_defined": None,
        **({name: row[name] for name in STAGE_ORDER} if krayin.version.stages_ordered else {}),
        "created_at": None,
        "updated_at": None,
    }


def stages_of(krayin: Krayin, pipeline_id: int) -> list[Row]:
    """Return the stages of a pipeline in their order."""
    own = [row for row in krayin.database["lead_pipeline_stages"] if row["lead_pipeline_id"] == pipeline_id]
    return sorted(own, key=lambda row: row["sort_order"])


def pipeline(krayin: Krayin, row: Row) -> JSON:
    """Show a pipeline with its stages."""
    return {
        "id": row["id"],
        "name": row.get("name"),
        "is_default": row.get("is_default"),
        "rotten_days": row.get("rotten_days"),
        "stages": [stage(krayin, own) for own in stages_of(krayin, row["id"])],
        **_times(krayin, row),
    }


def attribute(krayin: Krayin, row: Row) -> JSON:
    """Show an attribute with its options."""
    names = ("code", "name", "type", "lookup_type", "entity_type", "sort_order", "validation")
    flags = ("is_required", "is_unique", "quick_add", "is_user_defined")
    options = krayin.database["attribute_options"].found("attribute_id", row["id"])
    return {
        "id": row["id"],
        **{name: row.get(name) for name in (*names, *flags)},
        "options": [dict(option) for option in options],
        **_times(krayin, row),
    }


def tag(krayin: Krayin, row: Row) -> JSON:
    """Show a tag with the user who made it."""
    owner = krayin.database["users"].get(records.row_key(row.get("user_id")))
    return {
        "id": row["id"],
        "name": row.get("name"),
        "color": row.get("color"),
        "user": None if owner is None else user(krayin, owner),
        **_times(krayin, row),
    }


def workflow(krayin: Krayin, row: Row) -> JSON:
    """Show a workflow; not every REST API gets its event right."""
    event = row.get("event" if krayin.version.workflow_events_shown else "entity_type")
    decoded = {
        name: None if row.get(name) is None else php.decode_json(row[name])[1]
        for name in ("conditions", "actions")
    }
    return {
        "id": row["id"],
        "name": row.get("name"),
        "description": row.get("description"),
        "entity_type": row.get("entity_type"),
        "event": event,
        "condition_type": row.get("condition_type"),
        **decoded,
        **_times(krayin, row),
    }
