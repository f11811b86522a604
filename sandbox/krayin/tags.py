"""Tags on persons and leads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.krayin import massive, records

if TYPE_CHECKING:
    from sandbox.krayin.records import Entity
    from sandbox.krayin.requests import Call
    from sandbox.krayin.server import Krayin


def attach(krayin: Krayin, call: Call, entity: Entity, pivot: str, column: str) -> None:
    """Put the tag of a request on a record, once.

    Raises:
        ServerError: there is no such tag.
        RecordNotFoundError: there is no such record.
    """
    record = records.find_or_fail(krayin, entity, massive.typed_id(call))
    tag_id = call.input("tag_id")
    table = krayin.database[pivot]
    if any(row["tag_id"] == records.row_key(tag_id) for row in table.found(column, record.id)):
        return
    table.insert({column: record.id, "tag_id": tag_id})


def detach(krayin: Krayin, call: Call, entity: Entity, pivot: str, column: str) -> None:
    """Take the tag of a request off a record; without a tag, all of them.

    Raises:
        RecordNotFoundError: there is no such record.
    """
    record = records.find_or_fail(krayin, entity, massive.typed_id(call))
    tag_id = call.input("tag_id")
    table = krayin.database[pivot]
    for row in table.found(column, record.id):
        if tag_id is None or row["tag_id"] == records.row_key(tag_id):
            table.delete(row["id"])
