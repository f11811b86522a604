"""Products: create, change, delete, search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.krayin import attributes, listing, massive, organizations, records, resources, search
from sandbox.krayin.answers import wrapped
from sandbox.krayin.errors import ServerError
from sandbox.krayin.records import PRODUCT, Record

if TYPE_CHECKING:
    from sandbox.krayin.requests import Call
    from sandbox.krayin.server import Krayin

DELETED = "Product deleted successfully."


def index(krayin: Krayin, call: Call) -> Any:
    """List products."""
    return listing.listed(
        krayin, call, "products", lambda row: resources.product(krayin, Record(PRODUCT, row))
    )


def show(krayin: Krayin, call: Call) -> Any:
    """Show a product."""
    record = records.find_or_fail(krayin, PRODUCT, massive.typed_id(call))
    return {"data": resources.product(krayin, record)}


def find(krayin: Krayin, call: Call) -> Any:
    """Search products."""
    rows = search.searched(krayin, call, "products")
    return {"data": [resources.product(krayin, Record(PRODUCT, row)) for row in rows]}


def store(krayin: Krayin, call: Call) -> Any:
    """Create a product."""
    call.body["entity_type"] = "products"
    organizations.check(krayin, call, "products")
    record = records.create(krayin, PRODUCT, call.all)
    attributes.save(krayin, call, {**call.all, "entity_id": record.id})
    return {"data": resources.product(krayin, record), "message": "Product created successfully."}


def update(krayin: Krayin, call: Call) -> Any:
    """Change what is sent of a product."""
    call.body["entity_type"] = "products"
    organizations.check(krayin, call, "products")
    record = records.find_or_fail(krayin, PRODUCT, call.params["id"])
    records.update(krayin, record, call.all)
    attributes.save(krayin, call, {**call.all, "entity_id": record.id})
    return {"data": resources.product(krayin, record), "message": "Product updated successfully."}


def destroy(krayin: Krayin, call: Call) -> Any:
    """Delete a product."""
    record = records.find(krayin, PRODUCT, call.params["id"])
    if record is None:
        message = "Call to a member function delete() on null"
        raise ServerError(message, "Error", caught=False)
    _remove(krayin, record)
    return wrapped(DELETED)


def mass_destroy(krayin: Krayin, call: Call) -> Any:
    """Delete products by id, skipping missing ones."""
    for record in massive.present(krayin, call, PRODUCT):
        _remove(krayin, record)
    return wrapped(DELETED)


def _remove(krayin: Krayin, record: Record) -> None:
    massive.delete_values(krayin, "products", record.id)
    krayin.database["products"].delete(record.id)
