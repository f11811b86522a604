"""What endpoints of many kinds share: mass requests, typed ids, cascades."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.krayin import php, records, validation
from sandbox.krayin.errors import QueryError, ServerError, type_error
from sandbox.krayin.validation import INTEGER, Rules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.krayin.records import Entity, Record
    from sandbox.krayin.requests import Call
    from sandbox.krayin.server import Krayin

DESTROY: Rules = {"indices": ["required", "array"], "indices.*": ["integer"]}
UPDATE: Rules = {**DESTROY, "value": ["required"]}


def typed_id(call: Call) -> int:
    """Return the id of the path for handlers that declare it as int.

    Raises:
        ServerError: it is no integer.
    """
    text = call.params["id"]
    if INTEGER.match(text) is None and not (text.isdigit() and text.isascii()):
        message = "Argument #1 ($id) must be of type int, string given"
        raise type_error(message)
    number = int(text)
    if abs(number) > php.LARGEST_INT:
        message = "Argument #1 ($id) must be of type int, string given"
        raise type_error(message)
    return number


def shown_record(krayin: Krayin, call: Call, entity: Entity) -> Record:
    """Return the record of a show request.

    Raises:
        RecordNotFoundError: there is no such record, and this Krayin looks.
        ServerError: there is none, and the resource reads its id all the same.
    """
    if krayin.version.missing_is_404:
        return records.find_or_fail(krayin, entity, typed_id(call))
    record = records.find(krayin, entity, typed_id(call))
    if record is None:
        message = 'Attempt to read property "id" on null'
        raise ServerError(message)
    return record


def cloned_nothing() -> ServerError:
    """Return the error of the repository's delete for a record that is not there."""
    return ServerError("__clone method called on non-object", "Error", caught=False)


def indices(krayin: Krayin, call: Call, rules: Rules = DESTROY) -> list[int]:
    """Return the ids of a mass request.

    Raises:
        ValidationError: they are missing or no integers.
    """
    validation.validate(krayin.clock, call.all, rules)
    return [int(php.number_of(number)) for _, number in php.items_of(call.input("indices"))]


def present(krayin: Krayin, call: Call, entity: Entity, rules: Rules = DESTROY) -> Iterator[Record]:
    """Yield the records of a mass request one after the other, skipping missing ones."""
    for number in indices(krayin, call, rules):
        record = records.find(krayin, entity, number)
        if record is not None:
            yield record


def delete_values(krayin: Krayin, entity_type: str, entity_id: int) -> None:
    """Delete the attribute values of a record."""
    table = krayin.database["attribute_values"]
    for row in table.found("entity", (entity_type, entity_id)):
        table.delete(row["id"])


def delete_logged(krayin: Krayin, record: Record) -> None:
    """Delete a person or lead as Eloquent does: first attribute values and activities, then the row.

    Raises:
        QueryError: the row is still needed; values and activities are gone all the same.
    """
    database = krayin.database
    delete_values(krayin, record.entity.table, record.id)
    assert record.entity.link is not None
    pivot, column = record.entity.link
    for row in database[pivot].found(column, record.id):
        database["activities"].delete(row["activity_id"])
    database[record.entity.table].delete(record.id)


def is_restricted(error: ServerError) -> bool:
    """Say whether the database refused because a row is still needed."""
    return isinstance(error, QueryError)
