"""Records as Eloquent models: raw attributes, casts, change tracking and the custom-attribute fallback."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.krayin import php
from sandbox.krayin.errors import RecordNotFoundError, ServerError, type_error

if TYPE_CHECKING:
    from sandbox.krayin.server import Krayin
    from sandbox.krayin.tables import Row


@dataclass(frozen=True, slots=True)
class Entity:
    """One kind of record.

    Attributes:
        table: where its rows are; also its entity_type among attributes.
        model: the PHP class, as debug messages name it.
        fillable: columns that mass assignment may set, in the order they are written.
        json: columns cast to arrays.
        dates: columns read as dates when set (the zone is dropped).
        custom: it has custom attributes, and a NULL column falls back to them.
        logged: its changes are written down as system activities.
        link: pivot table that joins it to activities, and the column there that names it.
    """

    table: str
    model: str
    fillable: tuple[str, ...]
    json: frozenset[str] = frozenset()
    dates: frozenset[str] = frozenset()
    shown_as_dates: frozenset[str] = frozenset()
    custom: bool = False
    logged: bool = False
    link: tuple[str, str] | None = None
    timestamps: bool = True


PERSON = Entity(
    "persons",
    "Webkul\\Contact\\Models\\Person",
    ("name", "emails", "contact_numbers", "job_title", "user_id", "organization_id", "unique_id"),
    json=frozenset({"emails", "contact_numbers"}),
    custom=True,
    logged=True,
    link=("person_activities", "person_id"),
)
LEAD = Entity(
    "leads",
    "Webkul\\Lead\\Models\\Lead",
    (
        "title",
        "description",
        "lead_value",
        "status",
        "lost_reason",
        "expected_close_date",
        "closed_at",
        "user_id",
        "person_id",
        "lead_source_id",
        "lead_type_id",
        "lead_pipeline_id",
        "lead_pipeline_stage_id",
    ),
    shown_as_dates=frozenset({"closed_at", "expected_close_date"}),
    custom=True,
    logged=True,
    link=("lead_activities", "lead_id"),
)
ORGANIZATION = Entity(
    "organizations",
    "Webkul\\Contact\\Models\\Organization",
    ("name", "address", "user_id"),
    json=frozenset({"address"}),
    custom=True,
)
PRODUCT = Entity(
    "products",
    "Webkul\\Product\\Models\\Product",
    ("name", "sku", "description", "quantity", "price"),
    custom=True,
)
ACTIVITY = Entity(
    "activities",
    "Webkul\\Activity\\Models\\Activity",
    (
        "title",
        "type",
        "location",
        "comment",
        "additional",
        "schedule_from",
        "schedule_to",
        "is_done",
        "user_id",
    ),
    dates=frozenset({"schedule_from", "schedule_to"}),
)
LEAD_PRODUCT = Entity(
    "lead_products",
    "Webkul\\Lead\\Models\\Product",
    ("quantity", "price", "amount", "product_id", "lead_id"),
)
PIPELINE = Entity("lead_pipelines", "Webkul\\Lead\\Models\\Pipeline", ("name", "rotten_days", "is_default"))
STAGE = Entity(
    "lead_pipeline_stages",
    "Webkul\\Lead\\Models\\Stage",
    ("code", "name", "probability", "sort_order", "lead_pipeline_id"),
    timestamps=False,
)
SOURCE = Entity("lead_sources", "Webkul\\Lead\\Models\\Source", ("name",))
TYPE = Entity("lead_types", "Webkul\\Lead\\Models\\Type", ("name",))
TAG = Entity("tags", "Webkul\\Tag\\Models\\Tag", ("name", "color", "user_id"))
ROLE = Entity(
    "roles",
    "Webkul\\User\\Models\\Role",
    ("name", "description", "permission_type", "permissions"),
    json=frozenset({"permissions"}),
)
GROUP = Entity("groups", "Webkul\\User\\Models\\Group", ("name", "description"))
USER = Entity(
    "users",
    "Webkul\\User\\Models\\User",
    ("name", "email", "image", "password", "role_id", "status", "view_permission"),
)
ATTRIBUTE = Entity(
    "attributes",
    "Webkul\\Attribute\\Models\\Attribute",
    (
        "code",
        "name",
        "type",
        "entity_type",
        "lookup_type",
        "is_required",
        "is_unique",
        "quick_add",
        "validation",
        "is_user_defined",
    ),
)
WORKFLOW = Entity(
    "workflows",
    "Webkul\\Automation\\Models\\Workflow",
    ("name", "description", "entity_type", "event", "condition_type", "conditions", "actions"),
    json=frozenset({"conditions", "actions"}),
)
BY_TABLE = {entity.table: entity for entity in (PERSON, LEAD, ORGANIZATION, PRODUCT)}


@dataclass(slots=True)
class Record:
    """One record in hand: its attributes as they were read or set, before the database changes them.

    Attributes:
        attributes: raw values; after a write they still hold what was sent, as Eloquent's do.
        relations: related records that were loaded before a write and are shown as they were then.
    """

    entity: Entity
    attributes: dict[str, Any]
    relations: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> int:
        """The record's key."""
        return int(self.attributes["id"])


def row_key(value: Any) -> int | None:
    """Return the id that SQL compares with when a value is used as a key; '12abc' is 12, 'abc' is 0."""
    if php.is_array(value):
        return None
    number = php.number_of(value)
    return int(number) if number == int(number) else None


def find(krayin: Krayin, entity: Entity, key: Any) -> Record | None:
    """Return the record with a key, or None."""
    row = krayin.database[entity.table].get(row_key(key))
    return None if row is None else Record(entity, dict(row))


def find_or_fail(krayin: Krayin, entity: Entity, key: Any) -> Record:
    """Return the record with a key.

    Raises:
        RecordNotFoundError: there is none.
        ServerError: the key is a list, which finds a collection that has no columns.
    """
    if php.is_array(key) and all(find(krayin, entity, item) for _, item in php.items_of(key)):
        message = "Property [id] does not exist on this collection instance."
        raise ServerError(message, "Exception")
    record = find(krayin, entity, key)
    if record is None:
        raise RecordNotFoundError(entity.model, key)
    return record


def cast_in(krayin: Krayin, entity: Entity, name: str, value: Any) -> Any:
    """Return a value as the model keeps it after it was set."""
    if value is None:
        return None
    if name in entity.json:
        return php.encode_json(value)
    if name in entity.dates:
        if php.is_array(value):
            message = "DateTime cannot be made of an array"
            raise type_error(message)
        return krayin.clock.local_text(value) if php.truthy(value) else value
    return value


def create(krayin: Krayin, entity: Entity, data: dict[str, Any]) -> Record:
    """Insert a record.

    The data holds values by column; what is not fillable is ignored.

    Returns:
        The record with the values as sent (not as stored) and its new id.
    """
    attributes = {name: cast_in(krayin, entity, name, data[name]) for name in entity.fillable if name in data}
    if entity.timestamps:
        attributes["updated_at"] = attributes["created_at"] = krayin.clock.now_text()
    row = krayin.database[entity.table].insert(attributes)
    return Record(entity, {**attributes, "id": row["id"]})


def update(krayin: Krayin, record: Record, data: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Write changed attributes of a record.

    Returns:
        name -> (new, old) of the attributes that Eloquent takes for changed.
    """
    entity = record.entity
    original = record.attributes
    sent = {name: cast_in(krayin, entity, name, data[name]) for name in entity.fillable if name in data}
    dirty = {
        name: (value, original.get(name))
        for name, value in sent.items()
        if not _equivalent(krayin, entity, name, value, original.get(name))
    }
    record.attributes = {**original, **sent}
    if dirty:
        changes = {name: new for name, (new, _) in dirty.items()}
        if entity.timestamps:
            changes["updated_at"] = record.attributes["updated_at"] = krayin.clock.now_text()
        krayin.database[entity.table].update(record.id, changes)
    return dirty


def _equivalent(krayin: Krayin, entity: Entity, name: str, new: Any, old: Any) -> bool:
    if new is old or (type(new) is type(old) and new == old):
        return True
    if new is None or old is None:
        return False
    if name in entity.json:
        return bool(php.decode_json(new)[1] == php.decode_json(old)[1])
    if name in entity.shown_as_dates:
        return krayin.clock.local_text(new) == krayin.clock.local_text(old)
    return php.is_numeric(new) and php.is_numeric(old) and php.text_of(new) == php.text_of(old)


def stored_row(krayin: Krayin, record: Record) -> Row | None:
    """Return what the database holds of a record now."""
    return krayin.database[record.entity.table].get(record.id)
