"""Custom attributes: their values, their uniqueness, their labels, and the rules they put on input."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.krayin import php, records
from sandbox.krayin.clock import ZERO_DATE, ZERO_DATETIME
from sandbox.krayin.collation import fold
from sandbox.krayin.errors import ServerError, type_error
from sandbox.krayin.schema import element_keys
from sandbox.krayin.validation import Decimal, Rule, Unique

if TYPE_CHECKING:
    from sandbox.krayin.records import Record
    from sandbox.krayin.requests import Call, Upload
    from sandbox.krayin.server import Krayin
    from sandbox.krayin.tables import Row

VALUE_COLUMNS = {
    "text": "text_value",
    "textarea": "text_value",
    "price": "float_value",
    "boolean": "boolean_value",
    "select": "integer_value",
    "multiselect": "text_value",
    "checkbox": "text_value",
    "email": "json_value",
    "address": "json_value",
    "phone": "json_value",
    "lookup": "integer_value",
    "datetime": "datetime_value",
    "date": "date_value",
    "file": "text_value",
    "image": "text_value",
}
LISTS = frozenset({"email", "phone"})
# What JSON_UNESCAPED_UNICODE writes as plain json_encode does: ASCII and the two line separators.
ESCAPED_ALIKE = re.compile(r"[\x00-\x7f\u2028\u2029]*")
LOOKUPS = {
    "leads": ("leads", "title"),
    "lead_sources": ("lead_sources", "name"),
    "lead_types": ("lead_types", "name"),
    "lead_pipelines": ("lead_pipelines", "name"),
    "lead_pipeline_stages": ("lead_pipeline_stages", "name"),
    "users": ("users", "name"),
    "organizations": ("organizations", "name"),
    "persons": ("persons", "name"),
    "warehouses": ("warehouses", "name"),
    "locations": ("warehouse_locations", "name"),
}


def value_column(attribute: Row) -> str:
    """Return the column of attribute_values that an attribute's type uses.

    Raises:
        ServerError: Krayin takes any type when an attribute is made, and trips over unknown ones here.
    """
    column = VALUE_COLUMNS.get(attribute["type"])
    if column is None:
        message = f'Undefined array key "{attribute["type"]}"'
        raise ServerError(message)
    return column


def of_entity(krayin: Krayin, entity_type: str) -> list[Row]:
    """Return the attributes of an entity type, by id."""
    return [row for row in krayin.database["attributes"] if row["entity_type"] == entity_type]


def named(krayin: Krayin, code: str) -> Row | None:
    """Return the first attribute with a code, whatever entity it belongs to.

    Krayin 2.1.5 looks only at the code; the unique index (code, entity_type) orders the candidates.
    """
    found = [row for row in krayin.database["attributes"] if row["code"] == code]
    return min(found, key=lambda row: fold(row["entity_type"]), default=None)


def values_of(krayin: Krayin, entity_type: str, entity_id: int) -> list[Row]:
    """Return all attribute values of one record, in the order in which the database reads them."""
    rows = krayin.database["attribute_values"].found("entity", (entity_type, entity_id))
    if krayin.database.storage.values_in_index_order:
        return sorted(rows, key=lambda row: row["attribute_id"])
    return rows


def value_of(krayin: Krayin, entity_type: str, entity_id: int, attribute: Row | None) -> Any:
    """Return the value a record has for an attribute, JSON decoded; None when it has none."""
    column = VALUE_COLUMNS.get(attribute["type"]) if attribute else None
    if attribute is None or column is None:
        return None
    for row in values_of(krayin, entity_type, entity_id):
        if row["attribute_id"] == attribute["id"]:
            value = row[column]
            return php.stored_json(value) if column == "json_value" and value is not None else value
    return None


def read(krayin: Krayin, record: Record, name: str) -> Any:
    """Return an attribute of a record; NULL columns fall back to the custom attribute of that code.

    Raises:
        ServerError: the fallback of a JSON column, which Krayin tries to decode a second time.
    """
    value = record.attributes.get(name)
    if value is None and record.entity.custom:
        value = value_of(krayin, record.entity.table, record.id, named(krayin, name))
        if value is not None and name in record.entity.json:
            message = "json_decode(): Argument #1 ($json) must be of type string, array given"
            raise type_error(message)
        return value
    if value is not None and name in record.entity.json:
        return php.stored_json(value)
    return value


def save(krayin: Krayin, call: Call, data: dict[str, Any], attributes: list[Row] | None = None) -> None:
    """Write the custom attribute values that a request brings.

    The data holds the request's values with ``entity_type`` and ``entity_id``. With ``attributes`` only
    these are written, else all of the entity type (those of the quick form when asked). Booleans are
    written even when absent, as 0. An error leaves what was written before it.
    """
    entity_type, entity_id = data["entity_type"], data["entity_id"]
    if not attributes:
        quick = data.get("quick_add") is not None
        attributes = [row for row in of_entity(krayin, entity_type) if row["quick_add"] == 1 or not quick]
    data = dict(data)
    for attribute in attributes:
        value_column(attribute)
        code, kind = attribute["code"], attribute["type"]
        if kind == "boolean":
            data[code] = 1 if php.truthy(data.get(code)) else 0
        if code not in data:
            continue
        value = _prepared(krayin, call, kind, code, data)
        data[code] = value
        _store(krayin, call, attribute, (entity_type, entity_id), value)


def _prepared(krayin: Krayin, call: Call, kind: str, code: str, data: dict[str, Any]) -> Any:
    value = data[code]
    if kind in {"price", "date"} and value == "":
        return None
    if kind in {"multiselect", "checkbox"}:
        if not php.is_array(value):
            message = "implode(): Argument #2 ($array) must be of type ?array, string given"
            raise type_error(message)
        return ",".join(php.text_of(item) for _, item in php.items_of(value))
    if kind in LISTS:
        return without_nulls(value)
    if kind in {"image", "file"}:
        upload = call.files.get(code)
        return keep(krayin, upload, f"{data['entity_type']}/{data['entity_id']}") if upload else None
    return value


def keep(krayin: Krayin, upload: Upload, directory: str) -> str:
    """Store an uploaded file under a random name.

    Returns:
        Its path in the storage.
    """
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    name = "".join(secrets.choice(letters) for _ in range(40))
    suffix = upload.name.rpartition(".")[2] if "." in upload.name else "bin"
    path = f"{directory}/{name}.{suffix}"
    krayin.files[path] = upload.content
    return path


def without_nulls(rows: Any) -> Any:
    """Return an e-mail or phone list without the entries whose value is null.

    Raises:
        ServerError: the value is no list, or an entry has no value.
    """
    return php.array_from(
        [(key, row) for key, row in php.items_of(rows) if php.offset(row, "value") is not None]
    )


def _store(krayin: Krayin, call: Call, attribute: Row, owner: tuple[str, int], value: Any) -> None:
    table = krayin.database["attribute_values"]
    column = value_column(attribute)
    stored = php.encode_json(value) if column == "json_value" and value is not None else value
    for row in values_of(krayin, *owner):
        if row["attribute_id"] == attribute["id"]:
            old = row[column]
            if stored is not old and not (type(stored) is type(old) and stored == old):
                table.update(row["id"], {column: stored})
                _log(krayin, call, attribute, owner, (stored, _original(column, old)))
            return
    table.insert(
        {"entity_type": owner[0], "entity_id": owner[1], "attribute_id": attribute["id"], column: stored}
    )
    _log(krayin, call, attribute, owner, (stored, None))


def _original(column: str, value: Any) -> Any:
    return php.decode_json(value)[1] if column == "json_value" and value is not None else value


def _log(krayin: Krayin, call: Call, attribute: Row, owner: tuple[str, int], change: tuple[Any, Any]) -> None:
    entity = records.BY_TABLE.get(owner[0])
    if entity is None or not entity.logged or owner[1] not in krayin.database[owner[0]].rows:
        return
    new, old = (decoded(value) for value in change)
    if not php.loosely_equal(new, old):
        write_down(krayin, call, (entity, owner[1]), attribute, (new, old))


def decoded(value: Any) -> Any:
    """Return a logged value: JSON texts decoded when that gives something, arrays sorted by key."""
    if not php.is_array(value) and value is not None:
        taken, read_value = php.decode_json(php.text_of(value))
        if taken and php.truthy(read_value):
            value = read_value
    return _sorted(value) if php.is_array(value) else value


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return value


def write_down(
    krayin: Krayin,
    call: Call,
    owner: tuple[records.Entity, int],
    subject: Row | str,
    change: tuple[Any, Any],
) -> None:
    """Add the system activity that tells of one change.

    The subject is the attribute that changed, or the name of a column that is none.
    """
    attribute = None if isinstance(subject, str) else subject
    name = subject if isinstance(subject, str) else subject["name"]
    new, old = change
    additional = {
        "attribute": name,
        "new": {"value": new, "label": label(krayin, new, attribute)},
        "old": {"value": old, "label": label(krayin, old, attribute)},
    }
    add_system_activity(krayin, call, owner, f"Updated {name}", php.encode_json(additional))


def add_system_activity(
    krayin: Krayin,
    call: Call,
    owner: tuple[records.Entity, int],
    title: str,
    additional: str | None = None,
) -> None:
    """Add a system activity and join it to a record."""
    entity, entity_id = owner
    values = {"type": "system", "title": title, "is_done": 1, "user_id": call.user_id}
    if additional is not None:
        values["additional"] = additional
    activity = records.create(krayin, records.ACTIVITY, values)
    assert entity.link is not None
    table, column = entity.link
    krayin.database[table].insert({"activity_id": activity.id, column: entity_id})


def money(value: Any) -> str:
    """Return an amount as Krayin shows it in US dollars.

    Raises:
        ServerError: the value is not a number.
    """
    if value is None:
        value = 0
    if not php.is_numeric(value):
        message = "NumberFormatter::formatCurrency(): Argument #1 ($amount) must be of type float"
        raise type_error(message)
    amount = float(php.number_of(value))
    return f"{'-' if amount < 0 else ''}${abs(amount):,.2f}"


def label(krayin: Krayin, value: Any, attribute: Row | None) -> Any:
    """Return how a value is written in the activity log.

    Raises:
        ServerError: an e-mail or phone without a label, a price that is no number.
    """
    kind = attribute["type"] if attribute else None
    if attribute is None or kind not in _LABELS:
        return value
    return _LABELS[kind](krayin, value, attribute)


def _label_option(krayin: Krayin, value: Any, attribute: Row) -> Any:
    if attribute["lookup_type"]:
        return looked_up(krayin, attribute["lookup_type"], value) if php.truthy(value) else None
    for option in krayin.database["attribute_options"].found("attribute_id", attribute["id"]):
        if php.loosely_equal(option["id"], value):
            return option["name"]
    return None


def _label_options(krayin: Krayin, value: Any, attribute: Row) -> str:
    wanted = php.text_of(value).split(",")
    if attribute["lookup_type"]:
        names = [looked_up(krayin, attribute["lookup_type"], number) for number in wanted]
        return ", ".join(name for name in names if name is not None)
    options = krayin.database["attribute_options"].found("attribute_id", attribute["id"])
    return ", ".join(str(option["name"]) for option in options if str(option["id"]) in wanted)


def _label_list(_: Krayin, value: Any, __: Row) -> Any:
    if not php.is_array(value):
        return None
    return ", ".join(
        f"{php.text_of(php.offset(item, 'value'))} ({php.text_of(php.offset(item, 'label'))})"
        for _, item in php.items_of(value)
    )


def _label_address(_: Krayin, value: Any, __: Row) -> Any:
    if not php.truthy(value):
        return None
    if not php.is_array(value):
        message = "array_filter(): Argument #1 ($array) must be of type array"
        raise type_error(message)
    if not any(php.truthy(item) for _, item in php.items_of(value)):
        return None
    parts = {
        name: php.text_of(php.offset(value, name))
        for name in ("address", "postcode", "city", "state", "country")
    }
    return (
        f"{parts['address']}<br>{parts['postcode']}  {parts['city']}<br>"
        f"{parts['state']}<br>{parts['country']}<br>"
    )


def _label_date(krayin: Krayin, value: Any, attribute: Row) -> Any:
    if not php.truthy(value):
        return None
    if value in {ZERO_DATE, ZERO_DATETIME}:
        return "Wed Nov 30, -0001"
    moment = krayin.clock.moment(php.text_of(value))
    return moment.strftime("%a %b %d, %Y" + (" %H:%M %p" if attribute["type"] == "datetime" else ""))


_LABELS: dict[str, Any] = {
    "price": lambda _krayin, value, _attribute: money(value),
    "boolean": lambda _krayin, value, _attribute: "Yes" if php.truthy(value) else "No",
    "select": _label_option,
    "lookup": _label_option,
    "multiselect": _label_options,
    "checkbox": _label_options,
    "email": _label_list,
    "phone": _label_list,
    "address": _label_address,
    "date": _label_date,
    "datetime": _label_date,
}


def looked_up(krayin: Krayin, lookup: str, key: Any) -> Any:
    """Return the name of the row a lookup value points at, or None."""
    if lookup not in LOOKUPS:
        message = "Trying to access array offset on value of type null"
        raise ServerError(message)
    table, column = LOOKUPS[lookup]
    row = krayin.database[table].get(records.row_key(key))
    return None if row is None else row[column]


def is_free(krayin: Krayin, entity_id: Any, attribute: Row, value: Any) -> bool:
    """Say whether no other record has the value of a unique attribute.

    E-mails and phones are compared byte by byte at any place of the list, texts as the column compares. Where
    the list is the text PHP wrote, with escaped letters, while Laravel asks with the letters themselves,
    JSON_CONTAINS reads no escapes: there an e-mail or phone with a letter beyond ASCII is always free.

    ``entity_id`` is the record that may have it: the id of the body, else of the route, else None.
    """
    own = None if entity_id is None else records.row_key(entity_id)
    table = krayin.database["attribute_values"]
    kind = attribute["type"]
    column = value_column(attribute)
    if kind in LISTS:
        as_text = krayin.database.storage.json_is_text
        if as_text and isinstance(value, str) and not ESCAPED_ALIKE.fullmatch(value):
            return True
        keys = element_keys(attribute["id"], [{"value": value}])
        rows = table.found("element", keys[0])
    elif php.is_array(value):
        message = "Array to string conversion"
        raise ServerError(message)
    elif column == "text_value" and isinstance(value, int):
        # A number is bound as one, and the database then compares numbers: a word counts as 0.
        found = table.found("attribute_id", attribute["id"])
        rows = [row for row in found if row[column] is not None and php.number_of(row[column]) == int(value)]
    elif column == "text_value":
        found = table.found("text", (attribute["entity_type"], fold(php.text_of(value))))
        rows = [row for row in found if row["attribute_id"] == attribute["id"]]
    else:
        wanted = table.columns[column].matches(php.text_of(value))
        rows = [
            row
            for row in table.found("attribute_id", attribute["id"])
            if row[column] is not None and table.columns[column].key(row[column]) == wanted
        ]
    return all(row["entity_id"] == own for row in rows)


@dataclass(frozen=True, slots=True)
class Sent:
    """What a request sends for one entity type.

    Attributes:
        codes: keys of the request; attributes that are not sent put no rules.
        own_id: id of the record being changed, exempt from uniqueness.
        quick: only attributes of the quick form count.
        prefix: where the attributes lie in the request, as ``person.``.
    """

    codes: frozenset[str]
    own_id: Any
    quick: bool
    prefix: str = ""


def rules(krayin: Krayin, entity_type: str, sent: Sent) -> dict[str, list[Rule]]:
    """Return the validation rules for the attributes that a request sends."""
    found = [
        row
        for row in of_entity(krayin, entity_type)
        if row["code"] in sent.codes and (row["quick_add"] == 1 or not sent.quick)
    ]
    result: dict[str, list[Rule]] = {}
    # The database answers from the index on (code, entity_type), so the rules come in order of code.
    for attribute in sorted(found, key=lambda row: fold(row["code"])):
        result |= _rules_of(krayin, attribute, sent.own_id, sent.prefix + attribute["code"])
    return result


def _rules_of(krayin: Krayin, attribute: Row, own_id: Any, name: str) -> dict[str, list[Rule]]:
    kind = attribute["type"]
    needed: Rule = "required" if attribute["is_required"] else "nullable"
    if kind == "boolean":
        return {}
    unique: list[Rule] = (
        [Unique(lambda value: is_free(krayin, own_id, attribute, value))] if attribute["is_unique"] else []
    )
    if kind == "address":
        if needed == "nullable":
            return {}
        return {
            f"{name}.{part}": ["required"] for part in ("address", "country", "state", "city", "postcode")
        }
    if kind in LISTS:
        email: list[Rule] = ["email"] if kind == "email" else []
        return {
            name: [needed],
            f"{name}.*.value": [needed, *email, *unique],
            f"{name}.*.label": [needed],
        }
    own: list[Rule] = []
    if kind == "text" and attribute["validation"]:
        own = [Decimal()] if attribute["validation"] == "decimal" else [attribute["validation"]]
    if kind == "price":
        own = [Decimal()]
    if kind == "image":
        own = ["mimes"]
    return {name: [needed, *own, *unique]}
