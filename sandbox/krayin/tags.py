"""Tags on persons and leads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.krayin import massive, php, records
from sandbox.krayin.errors import ServerError

if TYPE_CHECKING:
    from sandbox.krayin.records import Entity, Record
    from sandbox.krayin.requests import Call
    from sandbox.krayin.server import Krayin


def attach(krayin: Krayin, call: Call, entity: Entity, pivot: str, column: str) -> None:
    """Put the tag of a request on a record, once; without a tag it does nothing, a list puts each.

    Raises:
        ServerError: there is no such tag or no such record.
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
    """
    record = _tagged(krayin, call, entity)
    tag_id = call.input("tag_id")
    table = krayin.database[pivot]
    wanted = [number for _, number in php.items_of(tag_id)] if php.is_array(tag_id) else [tag_id]
    keys = {records.row_key(number) for number in wanted}
    for row in table.found(column, record.id):
        if tag_id is None or row["tag_id"] in keys:
            table.delete(row["id"])


def _tagged(krayin: Krayin, call: Call, entity: Entity) -> Record:
    record = records.find(krayin, entity, massive.typed_id(call))
    if record is None:
        message = 'Attempt to read property "tags" on null'
        raise ServerError(message)
    return record
