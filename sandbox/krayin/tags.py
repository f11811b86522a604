"""Tags on persons and leads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.krayin import massive, php, records, validation
from sandbox.krayin.errors import ServerError

if TYPE_CHECKING:
    from sandbox.krayin.records import Entity, Record
    from sandbox.krayin.requests import Call
    from sandbox.krayin.server import Krayin


def attach(krayin: Krayin, call: Call, entity: Entity, pivot: str, column: str) -> None:
    """Put the tag of a request on a record, once; without a tag it does nothing, a list puts each.

    Raises:
        ServerError: there is no such tag or no such record.
        ValidationError, RecordNotFoundError: the same, where this Krayin looks.
    """
    record = _tagged(krayin, call, entity)
    tag_id = call.input("tag_id")
    table = krayin.database[pivot]
    if not php.is_array(tag_id):
        present = {row["tag_id"] for row in table.found(column, record.id)}
        if tag_id is None or records.row_key(tag_id) in present:
            return
    for _, number in php.items_of(tag_id if php.is_array(tag_id) else [tag_id]):
        table.insert({column: record.id, "tag_id": number})


def detach(krayin: Krayin, call: Call, entity: Entity, pivot: str, column: str) -> None:
    """Take the tag of a request off a record; without a tag, all of them.

    Raises:
        ServerError: there is no such record.
        ValidationError, RecordNotFoundError: no such tag or record, where this Krayin looks.
    """
    record = _tagged(krayin, call, entity)
    tag_id = call.input("tag_id")
    table = krayin.database[pivot]
    keys = _keys(tag_id)
    for row in table.found(column, record.id):
        if tag_id is None or row["tag_id"] in keys:
            table.delete(row["id"])


def _keys(tag_id: Any) -> set[int | None]:
    wanted = [number for _, number in php.items_of(tag_id)] if php.is_array(tag_id) else [tag_id]
    return {records.row_key(number) for number in wanted}


def _tagged(krayin: Krayin, call: Call, entity: Entity) -> Record:
    if krayin.version.tags_checked:
        table = krayin.database["tags"]
        exists = validation.Exists(lambda value: all(key in table.rows for key in _keys(value)))
        validation.validate(krayin.clock, call.all, {"tag_id": ["required", exists]})
        return records.find_or_fail(krayin, entity, massive.typed_id(call))
    record = records.find(krayin, entity, massive.typed_id(call))
    if record is None:
        message = 'Attempt to read property "tags" on null'
        raise ServerError(message)
    return record
