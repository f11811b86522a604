"""Searches: the request criteria of l5-repository, with its quirks."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from sandbox.krayin import listing, php
from sandbox.krayin.collation import fold, folded_like, like
from sandbox.krayin.errors import QueryError, ServerError, type_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.krayin.requests import Call
    from sandbox.krayin.server import Krayin
    from sandbox.krayin.tables import Row

CONDITIONS = ("=", "like", "in")
DEFAULT_LIMIT = 10

SEARCHABLE: dict[str, tuple[str, ...]] = {
    "persons": (
        "name",
        "emails",
        "contact_numbers",
        "organization_id",
        "job_title",
        "organization.name",
        "user_id",
        "user.name",
    ),
    "leads": (
        "title",
        "lead_value",
        "status",
        "user_id",
        "user.name",
        "person_id",
        "person.name",
        "lead_source_id",
        "lead_type_id",
        "lead_pipeline_id",
        "lead_pipeline_stage_id",
        "created_at",
        "closed_at",
        "expected_close_date",
    ),
    "users": ("name", "email", "status", "role_id"),
    "products": ("sku", "name", "description"),
    "tags": ("name", "color", "user_id"),
}

# Columns with an index of their own, along which the database reads.
INDEXED = {
    "persons": frozenset({"organization_id", "user_id", "unique_id"}),
    "leads": frozenset(
        {
            "user_id",
            "person_id",
            "lead_source_id",
            "lead_type_id",
            "lead_pipeline_id",
            "lead_pipeline_stage_id",
        }
    ),
}

# table -> relation -> (table it leads to, own column that names it)
_BELONGS: dict[str, dict[str, tuple[str, str]]] = {
    "persons": {"organization": ("organizations", "organization_id"), "user": ("users", "user_id")},
    "leads": {
        "person": ("persons", "person_id"),
        "user": ("users", "user_id"),
        "type": ("lead_types", "lead_type_id"),
        "source": ("lead_sources", "lead_source_id"),
        "pipeline": ("lead_pipelines", "lead_pipeline_id"),
        "stage": ("lead_pipeline_stages", "lead_pipeline_stage_id"),
    },
    "organizations": {"user": ("users", "user_id")},
    "users": {"role": ("roles", "role_id")},
    "tags": {"user": ("users", "user_id")},
    "lead_products": {"product": ("products", "product_id")},
}
# table -> relation -> (table that names it, its column)
_HAS_MANY: dict[str, dict[str, tuple[str, str]]] = {
    "persons": {"leads": ("leads", "person_id")},
    "leads": {"products": ("lead_products", "lead_id")},
    "organizations": {"persons": ("persons", "organization_id")},
}
# table -> relation -> (pivot table, own column there, other column there, other table)
_MANY: dict[str, dict[str, tuple[str, str, str, str]]] = {
    "persons": {
        "activities": ("person_activities", "person_id", "activity_id", "activities"),
        "tags": ("person_tags", "person_id", "tag_id", "tags"),
    },
    "leads": {
        "activities": ("lead_activities", "lead_id", "activity_id", "activities"),
        "tags": ("lead_tags", "lead_id", "tag_id", "tags"),
    },
    "users": {"groups": ("user_groups", "user_id", "group_id", "groups")},
}
_CUSTOM = frozenset({"persons", "leads", "organizations", "products"})


def searched(krayin: Krayin, call: Call, table: str, *, scoped: bool = False) -> list[Row]:
    """Return the rows a /search request finds, oldest first unless it says otherwise.

    A scoped endpoint limits results to a user's view permission; Krayin 2.1.5 fails there for everyone
    whose permission is not global.

    Raises:
        ServerError: unknown fields, relations, columns or directions.
    """
    if scoped and call.user is not None and call.user["view_permission"] != "global":
        message = "Method Illuminate\\Database\\Eloquent\\Collection::findWhereIn does not exist."
        raise ServerError(message, "BadMethodCallException", caught=False)
    rows = criteria(krayin, call, table)
    limit = call.input("limit")
    return rows[: _limit(DEFAULT_LIMIT if limit is None else limit)]


def _limit(value: Any) -> int | None:
    """Return how many rows LIMIT lets through; a negative limit is no limit."""
    if php.is_array(value):
        message = "Unsupported operand types: array >= int"
        raise type_error(message)
    if not php.is_numeric(value):
        return int(php.number_of(value))
    number = int(php.number_of(value))
    return number if number >= 0 else None


def criteria(krayin: Krayin, call: Call, table: str) -> list[Row]:
    """Apply ``search``, ``searchFields``, ``searchJoin``, ``orderBy``, ``with`` and ``filter``."""
    rows = list(krayin.database[table])
    search = call.input("search")
    if php.truthy(search) and table in SEARCHABLE:
        test = _where(krayin, call, table, php.text_of(search))
        rows = [row for row in rows if test(row)] if test else rows
    rows = _ordered(krayin, call, table, sorted(rows, key=_natural_order(call, table)))
    for name in ("with", "withCount"):
        wanted = call.input(name)
        if php.truthy(wanted):
            names = wanted if isinstance(wanted, list) else php.text_of(wanted).split(";")
            for relation in names:
                _relation_exists(table, php.text_of(relation))
    kept = call.input("filter")
    if php.truthy(kept):
        names = kept if isinstance(kept, list) else php.text_of(kept).split(";")
        return _selected(krayin, table, rows, [php.text_of(name) for name in names])
    return rows


def _natural_order(call: Call, table: str) -> Callable[[Row], Any]:
    """Return the order in which the database finds rows: by id, or along the index of an ``in`` search."""
    fields, search = call.input("searchFields"), call.input("search")
    if isinstance(fields, str) and isinstance(search, str) and fields.endswith(":in") and ";" not in fields:
        name = fields.removesuffix(":in")
        if name in INDEXED.get(table, ()) and search.startswith(f"{name}:"):
            return lambda row: (row[name] is not None, row[name], row["id"])
    return itemgetter("id")


def _selected(krayin: Krayin, table: str, rows: list[Row], names: list[str]) -> list[Row]:
    columns = {listing.column_name(krayin.database[table], name.strip()) for name in names}
    if columns >= {
        name for name in ("id", "created_at", "updated_at") if name in krayin.database[table].columns
    }:
        return [{name: row[name] for name in columns} for row in rows]
    message = "Call to a member function on null"
    raise ServerError(message, "Error", caught=False)


def _ordered(krayin: Krayin, call: Call, table: str, rows: list[Row]) -> list[Row]:
    order = call.input("orderBy")
    if not php.truthy(order):
        return rows
    direction = call.input("sortedBy")
    directions = php.text_of(direction if php.truthy(direction) else "asc").split(";")
    columns = php.text_of(order).split(";")
    for index in reversed(range(len(columns))):
        descending = listing.is_descending(directions[index if index < len(directions) else 0].strip())
        source = krayin.database[table]
        name = listing.column_name(source, columns[index].strip())
        column = source.columns[name]

        def key(row: Row, name: str = name, column: Any = column) -> tuple[bool, Any]:
            return (False, 0) if row[name] is None else (True, column.key(row[name]))

        rows = sorted(rows, key=key, reverse=descending)
    return rows


def _fields(table: str, search_fields: Any, asked: list[str]) -> dict[str, str]:
    """Return field -> condition for a search.

    Raises:
        ServerError: none of the fields asked for is accepted.
    """
    originals: dict[str | int, str] = dict(enumerate(SEARCHABLE[table]))
    if search_fields is None or search_fields == []:
        return dict.fromkeys(SEARCHABLE[table], "=")
    wanted = search_fields if isinstance(search_fields, list) else php.text_of(search_fields).split(";")
    wanted = [php.text_of(field) for field in wanted]
    for index, field in enumerate(wanted):
        name, colon, condition = field.partition(":")
        if colon and condition in CONDITIONS:
            place = next((key for key, original in originals.items() if original == name), 0)
            originals.pop(place, None)
            originals[name] = condition
            wanted[index] = name
    accepted = {*asked, *wanted}
    fields = {
        (condition if isinstance(field, int) else field): ("=" if isinstance(field, int) else condition)
        for field, condition in originals.items()
    }
    fields = {field: condition for field, condition in fields.items() if field in accepted}
    if not fields:
        message = f"Fields {','.join(wanted)} are not accepted in query search"
        raise ServerError(message, "Exception")
    return fields


def _parts(search: str) -> tuple[dict[str, str], str | None]:
    """Split ``field:value;field:value``; the first part without a colon is the value of all fields."""
    if search.find(":") <= 0 and search.find(";") <= 0:
        return {}, search
    pieces = [row.split(":") for row in search.split(";")]
    named = {piece[0]: piece[1] for piece in pieces if len(piece) > 1} if search.find(":") > 0 else {}
    return named, next((piece[0] for piece in pieces if len(piece) == 1), None)


def _where(krayin: Krayin, call: Call, table: str, search: str) -> Callable[[Row], bool] | None:
    named, general = _parts(search)
    tests: list[Callable[[Row], bool]] = []
    for field, condition in _fields(table, call.input("searchFields"), list(named)).items():
        value = named.get(field)
        if value is None and condition != "in":
            value = general
        if value is None and condition == "in":
            # Without a value of its own an "in" explodes nothing, which finds a blank and drops the field.
            continue
        assert value is not None or condition != "in"
        if value is None:
            continue
        relation, _, name = field.rpartition(".") if field.find(".") > 0 else ("", "", field)
        if condition == "in" and value.split(",")[0].strip() in {"", name}:
            continue
        tests.append(_test(krayin, table, relation, _Wanted(name, condition, value)))
    if not tests:
        return None
    if php.text_of(call.input("searchJoin") or "").lower() == "and":
        return lambda row: all(test(row) for test in tests)
    return lambda row: any(test(row) for test in tests)


class _Wanted(NamedTuple):
    """A column, a condition and the text it is compared with."""

    name: str
    condition: str
    value: str


def _test(krayin: Krayin, table: str, relation: str, wanted: _Wanted) -> Callable[[Row], bool]:
    if not relation:
        return _own(krayin, table, wanted)
    first, _, rest = relation.partition(".")
    if first == "attribute_values" and table in _CUSTOM and not rest:
        return _by_attribute(krayin, table, wanted)
    if first in _BELONGS.get(table, {}):
        other, column = _BELONGS[table][first]
        inner = _test(krayin, other, rest, wanted)
        ids = {row["id"] for row in krayin.database[other] if inner(row)}
        return lambda row: row[column] in ids
    if first in _HAS_MANY.get(table, {}):
        other, column = _HAS_MANY[table][first]
        inner = _test(krayin, other, rest, wanted)
        ids = {row[column] for row in krayin.database[other] if inner(row)}
        return lambda row: row["id"] in ids
    if first in _MANY.get(table, {}):
        pivot, own, foreign, other = _MANY[table][first]
        inner = _test(krayin, other, rest, wanted)
        found = {row["id"] for row in krayin.database[other] if inner(row)}
        ids = {row[own] for row in krayin.database[pivot] if row[foreign] in found}
        return lambda row: row["id"] in ids
    raise _unknown_relation(first)


def _unknown_relation(name: str) -> ServerError:
    return ServerError(f"Call to undefined relationship [{name}]", "RelationNotFoundException")


def _relation_exists(table: str, relation: str) -> None:
    first, _, rest = relation.partition(".")
    first = first.partition(":")[0]
    if first == "attribute_values" and table in _CUSTOM and not rest:
        return
    if first in _BELONGS.get(table, {}):
        other = _BELONGS[table][first][0]
    elif first in _HAS_MANY.get(table, {}):
        other = _HAS_MANY[table][first][0]
    elif first in _MANY.get(table, {}):
        other = _MANY[table][first][3]
    elif first in {"emails", "quotes"} and table == "leads":
        return
    else:
        raise _unknown_relation(first)
    if rest:
        _relation_exists(other, rest)


def _by_attribute(krayin: Krayin, table: str, sought: _Wanted) -> Callable[[Row], bool]:
    name, condition, value = sought
    values = krayin.database["attribute_values"]
    if name == "text_value" and condition in {"=", "in"}:
        wanted = [value] if condition == "=" else value.split(",")
        rows = [row for text in wanted for row in values.found("text", (table, fold(text)))]
    else:
        inner = _own(krayin, "attribute_values", sought)
        rows = [row for row in values if row["entity_type"] == table and inner(row)]
    ids = {row["entity_id"] for row in rows}
    return lambda row: row["id"] in ids


def _own(krayin: Krayin, table: str, sought: _Wanted) -> Callable[[Row], bool]:
    name, condition, value = sought
    source = krayin.database[table]
    column = source.columns[_column(krayin, table, name)]
    own = column.name
    if condition == "like":
        if column.kind in {"string", "text"}:
            folded = folded_like(f"%{value}%")
            return lambda row: row[own] is not None and folded.fullmatch(fold(row[own])) is not None
        pattern = like(f"%{value}%")
        if column.kind == "json" and not set(value) & {"%", "_", "\\"}:
            return lambda row: row[own] is not None and value in row[own]
        return lambda row: row[own] is not None and pattern.fullmatch(str(row[own])) is not None
    return source.equals(own, [value] if condition == "=" else value.split(","))


def _column(krayin: Krayin, table: str, name: str) -> str:
    if "->" in name:
        message = "SQLSTATE[42000]: JSON paths are not supported in searches here"
        raise QueryError(message)
    return listing.column_name(krayin.database[table], name)
