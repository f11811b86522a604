"""Attribute definitions and look-ups under /settings/attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from sandbox.krayin import activities, attributes, listing, massive, php, records, resources, validation
from sandbox.krayin.answers import Answer, wrapped
from sandbox.krayin.collation import fold, folded_like
from sandbox.krayin.errors import RecordNotFoundError, ServerError, type_error
from sandbox.krayin.records import ATTRIBUTE, BY_TABLE, Record
from sandbox.krayin.validation import Code, Rules, Unique

if TYPE_CHECKING:
    from sandbox.krayin.requests import Call
    from sandbox.krayin.server import Krayin
    from sandbox.krayin.tables import Row

WITH_OPTIONS = frozenset({"select", "multiselect", "checkbox"})


def index(krayin: Krayin, call: Call) -> Any:
    """List attributes; ``entity_type`` does not filter."""
    return listing.listed(krayin, call, "attributes", lambda row: resources.attribute(krayin, row))


def show(krayin: Krayin, call: Call) -> Any:
    """Show an attribute."""
    return {"data": resources.attribute(krayin, massive.shown_record(krayin, call, ATTRIBUTE).attributes)}


def _rules(krayin: Krayin, entity_type: Any) -> Rules:
    def is_free(value: Any) -> bool:
        code, kind = fold(php.text_of(value)), fold(php.text_of(entity_type))
        return all(
            fold(row["code"]) != code or fold(row["entity_type"]) != kind
            for row in krayin.database["attributes"]
        )

    taken = krayin.version.attribute_types
    types = [] if taken is None else [f"in:{taken}"]
    return {
        "code": ["required", Unique(is_free, "The code has already been taken."), Code()],
        "name": ["required"],
        "type": ["required", *types],
    }


def store(krayin: Krayin, call: Call) -> Any:
    """Create an attribute; any type is taken, unless this Krayin checks it."""
    validation.validate(krayin.clock, call.all, _rules(krayin, call.input("entity_type")))
    data = {**call.all, "quick_add": 1}
    record = records.create(krayin, ATTRIBUTE, data)
    options = data.get("options")
    if record.attributes["type"] in WITH_OPTIONS and options:
        for order, (_, option) in enumerate(php.items_of(options), 1):
            _add_option(krayin, record.id, order, option)
    return {
        "data": resources.attribute(krayin, record.attributes),
        "message": "Attribute created successfully.",
    }


def _add_option(krayin: Krayin, attribute_id: int, order: int, option: Any) -> None:
    if not php.is_array(option):
        message = "array_merge(): Argument #2 must be of type array, string given"
        raise type_error(message)
    name = php.dig(option, "name")
    sort_order = php.dig(option, "sort_order")
    krayin.database["attribute_options"].insert(
        {
            "attribute_id": attribute_id,
            "name": name,
            "sort_order": order if sort_order is None else sort_order,
        }
    )


def update(krayin: Krayin, call: Call) -> Any:
    """Change an attribute; its code is compared with nothing that could collide."""
    key = massive.typed_id(call)
    validation.validate(krayin.clock, call.all, _rules(krayin, key))
    record = records.find(krayin, ATTRIBUTE, key)
    if record is None:
        message = "Call to a member function update() on null"
        raise ServerError(message, "Error", caught=False)
    records.update(krayin, record, call.all)
    _change_options(krayin, record, call.all.get("options"))
    return {
        "data": resources.attribute(krayin, record.attributes),
        "message": "Attribute updated successfully.",
    }


def _change_options(krayin: Krayin, record: Record, options: Any) -> None:
    """Add, change and delete the options that say so; those not listed stay.

    Raises:
        ServerError: an option does not say ``isNew``, or ``isDelete`` when it is not new, or is not there.
    """
    if record.attributes["type"] not in WITH_OPTIONS or options is None:
        return
    table = krayin.database["attribute_options"]
    for key, inputs in php.items_of(options):
        if php.loosely_equal(php.offset(inputs, "isNew"), "true"):
            table.insert(
                {
                    "attribute_id": record.id,
                    "name": php.dig(inputs, "name"),
                    "sort_order": php.dig(inputs, "sort_order"),
                }
            )
            continue
        gone = php.loosely_equal(php.offset(inputs, "isDelete"), "true")
        row = table.get(records.row_key(key))
        if row is None and not gone:
            model = "Webkul\\Attribute\\Models\\AttributeOption"
            raise RecordNotFoundError(model, key)
        if row is None:
            raise massive.cloned_nothing()
        if gone:
            table.delete(row["id"])
        else:
            sent = {name: value for name, value in php.items_of(inputs) if name in {"name", "sort_order"}}
            table.update(row["id"], sent)


def download(krayin: Krayin, call: Call) -> Any:
    """Send the file or image that an attribute holds."""
    return activities.stored_file(krayin, call.input("path"))


def destroy(krayin: Krayin, call: Call) -> Any:
    """Delete a user-defined attribute with all its values."""
    record = records.find_or_fail(krayin, ATTRIBUTE, massive.typed_id(call))
    if not record.attributes["is_user_defined"]:
        return wrapped("User defined attribute can not be deleted.")
    krayin.database["attributes"].delete(record.id)
    return wrapped("Attribute deleted successfully.")


def mass_destroy(krayin: Krayin, call: Call) -> Any:
    """Delete user-defined attributes by id.

    Raises:
        ServerError: one is not there; those before it are deleted.
    """
    deleted = False
    for number in massive.indices(krayin, call):
        record = records.find(krayin, ATTRIBUTE, number)
        if record is None:
            message = 'Attempt to read property "is_user_defined" on null'
            raise ServerError(message)
        if record.attributes["is_user_defined"]:
            krayin.database["attributes"].delete(record.id)
            deleted = True
    return wrapped("Attribute deleted successfully." if deleted else "Attribute delete failed.")


def _lookup(call: Call) -> tuple[str, str]:
    name = call.params.get("lookup", "")
    if name not in attributes.LOOKUPS:
        message = "Trying to access array offset on value of type null"
        raise ServerError(message)
    return attributes.LOOKUPS[name]


def lookup(krayin: Krayin, call: Call) -> Any:
    """Find records by a part of their name, shown in the shape of attributes."""
    table, column = _lookup(call)
    query = call.input("query")
    if php.is_array(query):
        message = "urldecode(): Argument #1 ($string) must be of type string, array given"
        raise type_error(message)
    pattern = folded_like(f"%{unquote_plus(php.text_of(query))}%")
    rows = sorted(krayin.database[table], key=lambda row: row["id"])
    found = [row for row in rows if pattern.fullmatch(fold(row[column] or ""))]
    if table == "users":
        found = [row for row in found if row["status"] == 1]
    return {"data": [_as_attribute(krayin, table, column, row) for row in found]}


def _as_attribute(krayin: Krayin, table: str, column: str, row: Row) -> dict[str, Any]:
    only = {"id": row["id"], "name": row[column]}
    if table == "users":
        only |= {"created_at": row["created_at"], "updated_at": row["updated_at"]}
    return {**resources.attribute(krayin, {**only, "id": -1}), "id": row["id"], "options": None}


def lookup_entity(krayin: Krayin, call: Call) -> Any:
    """Show a record, or several, with all attributes and their raw values."""
    if "lookup" not in call.params:
        message = "Too few arguments to function lookupEntity()"
        raise ServerError(message, "ArgumentCountError", caught=False)
    wanted = call.input("query")
    if not php.truthy(wanted):
        return Answer(200, {})
    table, column = _lookup(call)
    source = krayin.database[table]
    if php.is_array(wanted):
        keys = {records.row_key(key) for _, key in php.items_of(wanted)}
        rows = [source.rows[key] for key in sorted(key for key in keys if key in source.rows)]
        return Answer(200, [_raw(krayin, table, column, row) for row in rows])
    row = source.get(records.row_key(wanted))
    return Answer(200, {} if row is None else _raw(krayin, table, column, row))


def _raw(krayin: Krayin, table: str, column: str, row: Row) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": row["id"], "name": row[column]}
    if table == "users":
        shown["image_url"] = None
    if table == "leads":
        # The model counts its rotten days from its stage, but without created_at, which was not selected.
        shown["rotten_days"] = 0
    if table not in BY_TABLE:
        return shown
    own = attributes.of_entity(krayin, table)
    values = attributes.values_of(krayin, table, row["id"])
    organization: Any = None
    if table == "persons":
        # The organization that comes with every person is found through the attribute value.
        by_code = attributes.named(krayin, "organization_id")
        shown["organization_id"] = attributes.value_of(krayin, table, row["id"], by_code)
        organization = records.find(krayin, records.ORGANIZATION, shown["organization_id"])
    for attribute in own:
        shown[attribute["code"]] = attributes.value_of(krayin, table, row["id"], attribute)
    shown["attribute_values"] = [_value(value) for value in values]
    if table == "persons":
        shown["organization"] = None if organization is None else _organization(krayin, organization)
    if table == "leads":
        shown["stage"] = krayin.database["lead_pipeline_stages"].get(
            records.row_key(shown.get("lead_pipeline_stage_id"))
        )
    return shown


def _value(row: Row) -> dict[str, Any]:
    names = (
        "id",
        "entity_type",
        "text_value",
        "boolean_value",
        "integer_value",
        "float_value",
        "datetime_value",
        "date_value",
        "json_value",
        "entity_id",
        "attribute_id",
        "unique_id",
    )
    shown = {name: row[name] for name in names}
    if row["json_value"] is not None:
        shown["json_value"] = php.decode_json(row["json_value"])[1]
    return shown


def _organization(krayin: Krayin, record: Record) -> dict[str, Any]:
    row = record.attributes
    shown = {
        "id": record.id,
        "name": row["name"],
        "address": None if row["address"] is None else php.decode_json(row["address"])[1],
        "created_at": krayin.clock.shown(row["created_at"]),
        "updated_at": krayin.clock.shown(row["updated_at"]),
        "user_id": row["user_id"],
    }
    for attribute in attributes.of_entity(krayin, "organizations"):
        shown[attribute["code"]] = attributes.value_of(krayin, "organizations", record.id, attribute)
    shown["attribute_values"] = [
        _value(value) for value in attributes.values_of(krayin, "organizations", record.id)
    ]
    return shown
