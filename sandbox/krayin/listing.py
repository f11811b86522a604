"""Lists: every query key is a column, with sorting and pages."""

from __future__ import annotations

import json
import re
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from sandbox.krayin import pagination, php
from sandbox.krayin.errors import QueryError, ServerError, ValidationError, type_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.krayin.requests import Call
    from sandbox.krayin.server import Krayin
    from sandbox.krayin.tables import Row, Table

DIRECTIONS = frozenset({"asc", "desc"})
# Lists that take any key even where the others refuse what is no column.
UNCHECKED = frozenset({"users", "roles"})
NOT_COLUMNS = frozenset({"entity_type", "limit", "page", "pagination", "order", "sort"})
BRACKETS = re.compile(r"(\[[^\]]+\])+\Z")
PATH_STEP = re.compile(r"\[(\d+|\*|last)\]")


def listed(
    krayin: Krayin, call: Call, table: str, show: Callable[[Row], Any], *, only: int | None = None
) -> dict[str, Any]:
    """Answer a list request.

    ``show`` makes the JSON of one row; with ``only`` the list holds no other row than the one of this id.

    Raises:
        ServerError: unknown columns, array values, bad limits and directions.
        ValidationError: unknown columns and directions, where the list checks its keys.
    """
    values = call.all
    source = krayin.database[table]
    if krayin.version.strict_list_keys and table not in UNCHECKED:
        _refuse_unknown(source, values)
    filters = [] if only is None else [("id", [str(only)])]
    filters += [(name, _wanted(value)) for name, value in values.items() if name not in NOT_COLUMNS]
    order = _order(values)
    pages = values.get("pagination") is None or php.truthy(values.get("pagination"))
    column, descending = order
    ordered = f" order by {_quoted(column)} {'desc' if descending else 'asc'}"
    if not pages:
        statement = _statement("*", table, filters, ordered)
        rows = _matching(source, filters, statement)
        return {"data": [show(row) for row in sort(source, rows, *order, statement=statement)]}
    rows = _matching(source, filters, _statement("count(*) as aggregate", table, filters))
    ordered = _statement("*", table, filters, ordered)
    product = source.database.storage.product
    page = pagination.page_of(values.get("limit"), values.get("page"), len(rows), ordered, product)
    if rows:
        limited = f"{ordered} limit {page.size} offset {page.offset}"
        rows = sort(source, rows, *order, statement=limited)[page.offset : page.offset + page.size]
    address = f"{call.host}/{call.path}"
    return pagination.paginated(
        [show(row) for row in rows], page, address, numbered=krayin.version.links_numbered
    )


def _refuse_unknown(table: Table, values: dict[str, Any]) -> None:
    """Let nothing but columns reach the database.

    Raises:
        ValidationError: naming the first key, or the sort or its order, that is none.
    """
    unknown = [name for name in values if name not in NOT_COLUMNS and name not in table.columns]
    column, direction = values.get("sort"), values.get("order")
    if php.truthy(column):
        unknown += ["sort"] if php.text_of(column) not in table.columns else []
        descends = direction is None or php.text_of(direction).lower() in DIRECTIONS
        unknown += [] if descends else ["order"]
    if unknown:
        raise ValidationError({unknown[0]: [f"The selected {unknown[0]} is invalid."]})


def _statement(selected: str, table: str, filters: list[tuple[str, list[str]]], rest: str = "") -> str:
    """Return the SQL of a list, as APP_DEBUG=true shows it in errors."""
    clauses = " and ".join(f"{_quoted(name)} in ({', '.join(wanted)})" for name, wanted in filters)
    return f"select {selected} from `{table}`{' where ' if clauses else ''}{clauses}{rest}"


def _quoted(name: str) -> str:
    return ".".join(f"`{part}`" for part in name.split("."))


def _wanted(value: Any) -> list[str]:
    if php.is_array(value):
        message = "explode(): Argument #2 ($string) must be of type string, array given"
        raise type_error(message)
    return [part.strip() for part in php.text_of(value).split(",")]


def _order(values: dict[str, Any]) -> tuple[str, bool]:
    column = values.get("sort")
    if not php.truthy(column):
        return "id", True
    direction = values.get("order")
    return php.text_of(column), is_descending("desc" if direction is None else direction)


def is_descending(direction: Any) -> bool:
    """Read a sort direction.

    Raises:
        ServerError: it is neither asc nor desc.
    """
    lowered = php.text_of(direction).lower()
    if lowered not in DIRECTIONS:
        message = 'Order direction must be "asc" or "desc".'
        raise ServerError(message, "InvalidArgumentException")
    return lowered == "desc"


def column_name(table: Table, name: str, statement: str = "", clause: str = "WHERE") -> str:
    """Return a column's own name; names may be qualified and are not case-sensitive.

    The statement and its clause are what APP_DEBUG=true shows when there is no such column.

    Raises:
        QueryError: the table has no such column.
    """
    lowered = name.lower()
    head, dot, tail = lowered.rpartition(".")
    own = tail if dot and head == table.name else lowered
    if own not in table.columns:
        message = (
            f"SQLSTATE[42S22]: Column not found: 1054 Unknown column '{name}' in '{clause}' "
            f"(Connection: mysql, SQL: {statement})"
        )
        raise QueryError(message)
    return own


def _matching(table: Table, filters: list[tuple[str, list[str]]], statement: str) -> list[Row]:
    rows: list[Row] | None = None
    tests: list[Callable[[Row], bool]] = []
    for name, wanted in filters:
        head, arrow, path = name.partition("->")
        column = column_name(table, head, statement)
        if arrow:
            tests.append(_json_test(column, path, wanted, escaped=table.database.storage.json_is_text))
        elif column == "id" and rows is None:
            keys = {php.number_of(text) for text in wanted}
            rows = [
                table.rows[int(key)] for key in sorted(keys) if key == int(key) and int(key) in table.rows
            ]
        elif (column,) in table.shape.uniques and rows is None:
            keys = {table.columns[column].matches(text) for text in wanted}
            rows = [row for key in keys if (row := table.by_unique(column, key)) is not None]
        elif column in table.shape.indexes and rows is None:
            keys = {php.number_of(text) for text in wanted}
            rows = [row for key in keys if key == int(key) for row in table.found(column, int(key))]
        else:
            tests.append(table.equals(column, wanted))
    found = list(table) if rows is None else rows
    return [row for row in found if all(test(row) for test in tests)] if tests else found


def _json_test(column: str, path: str, wanted: list[str], *, escaped: bool) -> Callable[[Row], bool]:
    steps = _steps(path)
    keys = set(wanted)
    # What is not in the text is not at the path, unless escapes hide it or it is printed with other blanks.
    composite = "*" in steps or any(set(text) & set("{[") for text in wanted)

    def test(row: Row) -> bool:
        stored = row[column]
        if not isinstance(stored, str):
            return False
        if not composite and "\\" not in stored and not any(text in stored for text in wanted):
            return False
        taken, value = php.decode_json(stored)
        found = _extract(value, steps) if taken else []
        if not found:
            return False
        if "*" in steps:
            return json.dumps(found, ensure_ascii=escaped) in keys
        text = found[0] if isinstance(found[0], str) else json.dumps(found[0], ensure_ascii=escaped)
        return text in keys

    return test


def _steps(path: str) -> list[Any]:
    """Split an arrow path as Laravel does: names are keys, ``[n]`` and ``[*]`` index lists."""
    steps: list[Any] = []
    for segment in path.split("->"):
        match = BRACKETS.search(segment)
        if match is None:
            steps.append(segment)
            continue
        if segment[: match.start()]:
            steps.append(segment[: match.start()])
        found = PATH_STEP.findall(match.group())
        if len(found) != match.group().count("["):
            message = "SQLSTATE[HY000]: Syntax error in JSON path"
            raise QueryError(message)
        steps.extend(int(step) if step.isdigit() else step for step in found)
    return steps


def _extract(value: Any, steps: list[Any]) -> list[Any]:
    found = [value]
    for step in steps:
        if step == "*":
            found = [item for value in found if isinstance(value, list) for item in value]
        elif step == "last":
            found = [value[-1] for value in found if isinstance(value, list) and value]
        elif isinstance(step, int):
            # A path index on something that is no list means the thing itself at 0.
            found = [
                value[step] if isinstance(value, list) else value
                for value in found
                if (isinstance(value, list) and step < len(value))
                or (not isinstance(value, list) and step == 0)
            ]
        else:
            found = [value[step] for value in found if isinstance(value, dict) and step in value]
    return found


def sort(
    table: Table,
    rows: list[Row],
    name: str,
    descending: bool,  # noqa: FBT001
    statement: str = "",
) -> list[Row]:
    """Order rows by a column; NULL comes first ascending, equal rows stay oldest first.

    Raises:
        QueryError: the table has no such column.
    """
    head, arrow, _ = name.partition("->")
    column = table.columns[column_name(table, head, statement, "ORDER BY")]
    if arrow or column.name == "id":
        return sorted(rows, key=itemgetter("id"), reverse=descending and not arrow)

    def key(row: Row) -> tuple[bool, Any]:
        value = row[column.name]
        return (False, 0) if value is None else (True, column.key(value))

    return sorted(sorted(rows, key=itemgetter("id")), key=key, reverse=descending)
