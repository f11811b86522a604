"""Leads: create, change, move, delete, products, tags and the kanban."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sandbox.krayin import (
    activities,
    attributes,
    listing,
    massive,
    pagination,
    persons,
    php,
    records,
    resources,
    search,
    tags,
    users,
    validation,
)
from sandbox.krayin.answers import wrapped
from sandbox.krayin.errors import RecordNotFoundError, ServerError, type_error
from sandbox.krayin.records import LEAD, LEAD_PRODUCT, PERSON, STAGE, Record

if TYPE_CHECKING:
    from datetime import datetime

    from sandbox.krayin.requests import Call
    from sandbox.krayin.server import Krayin
    from sandbox.krayin.tables import Row

CLOSED = frozenset({"won", "lost"})
UPDATED = "Lead updated successfully."
DELETED = "Lead deleted successfully."
KANBAN_SIZE = 10


def check(krayin: Krayin, call: Call) -> None:
    """Validate a request against the lead and person attributes it sends (Krayin's LeadForm).

    Raises:
        ValidationError: with the messages of every field, the person's under ``person.``.
        ServerError: ``person`` is neither an object nor null.
    """
    data = call.all
    person = data.get("person")
    if person is not None and not php.is_array(person):
        message = "array_keys(): Argument #1 ($array) must be of type array"
        raise type_error(message)
    quick = "quick_add" in data
    own = data["id"] if "id" in data else call.params.get("id")
    keys = frozenset(key for key, _ in php.items_of(person or []))
    nested = attributes.Sent(keys, php.dig(person, "id"), quick, "person.")
    rules = {
        **attributes.rules(krayin, "leads", attributes.Sent(frozenset(data), own, quick)),
        **attributes.rules(krayin, "persons", nested),
    }
    if krayin.version.close_date_checked:
        rules["expected_close_date"] = ["date_format:Y-m-d", f"after:{_yesterday(krayin)}"]
    validation.validate(krayin.clock, data, {**rules, **_product_rules(krayin)})


def _product_rules(krayin: Krayin) -> validation.Rules:
    """Return the rules for a lead's products; Krayin 2.1.5 does not translate the keys of their messages."""
    table = krayin.database["products"]
    known = validation.Exists(
        lambda value: records.row_key(value) in table.rows, "admin::app.leads.selected-product-not-exist"
    )
    rules: validation.Rules = {
        "products": ["array"],
        "products.*.product_id": ["sometimes", "required", known],
    }
    for part in ("name", "price", "quantity"):
        missing = f"admin::app.leads.product-{part}-required"
        rules[f"products.*.{part}"] = [validation.RequiredWith("product_id", missing)]
    return rules


def _yesterday(krayin: Krayin) -> str:
    now = krayin.clock.now()
    return now.fromordinal(now.toordinal() - 1).strftime("%Y-%m-%d")


def _with_stage(krayin: Krayin, data: dict[str, Any]) -> tuple[dict[str, Any], Row]:
    """Return the data with the pipeline of its stage; a falsy stage means the default one.

    Raises:
        ServerError: the stage key is absent, and needed.
        RecordNotFoundError: there is no such stage.
    """
    if "lead_pipeline_stage_id" not in data and not krayin.version.stage_optional:
        message = 'Undefined array key "lead_pipeline_stage_id"'
        raise ServerError(message)
    wanted = data.get("lead_pipeline_stage_id")
    if php.truthy(wanted):
        stage = records.find_or_fail(krayin, STAGE, wanted).attributes
        return {**data, "lead_pipeline_id": stage["lead_pipeline_id"]}, stage
    pipeline = default_pipeline(krayin)
    stages = resources.stages_of(krayin, pipeline["id"])
    if not stages:
        message = 'Attempt to read property "id" on null'
        raise ServerError(message)
    return {
        **data,
        "lead_pipeline_id": pipeline["id"],
        "lead_pipeline_stage_id": stages[0]["id"],
    }, stages[0]


def default_pipeline(krayin: Krayin) -> Row:
    """Return the default pipeline, else the first.

    Raises:
        ServerError: there is no pipeline at all.
    """
    rows = list(krayin.database["lead_pipelines"])
    if not rows:
        message = 'Attempt to read property "id" on null'
        raise ServerError(message)
    return next((row for row in rows if row["is_default"] == 1), rows[0])


def _with_person(krayin: Krayin, call: Call, data: dict[str, Any]) -> dict[str, Any]:
    """Return the data with person_id: the person named, or the one made from what is sent.

    Raises:
        RecordNotFoundError: the person named does not exist.
    """
    person = data.get("person")
    if person is None:
        return data
    key = php.dig(person, "id")
    if php.truthy(key):
        return {**data, "person_id": records.find_or_fail(krayin, PERSON, key).id}
    if not php.is_array(person):
        message = "array_merge(): Argument #1 must be of type array"
        raise type_error(message)
    made = persons.make(krayin, call, {**dict(php.items_of(person)), "entity_type": "persons"})
    return {**data, "person_id": made.id}


def _with_close_date(data: dict[str, Any]) -> dict[str, Any]:
    if php.truthy(data.get("expected_close_date")):
        return data
    return {**data, "expected_close_date": None}


def index(krayin: Krayin, call: Call) -> Any:
    """List leads."""
    return listing.listed(krayin, call, "leads", lambda row: resources.lead(krayin, Record(LEAD, row)))


def show(krayin: Krayin, call: Call) -> Any:
    """Show a lead."""
    record = records.find_or_fail(krayin, LEAD, massive.typed_id(call))
    return {"data": resources.lead(krayin, record)}


def find(krayin: Krayin, call: Call) -> Any:
    """Search leads."""
    rows = search.searched(krayin, call, "leads", scoped=True)
    return {"data": [resources.lead(krayin, Record(LEAD, row)) for row in rows]}


def store(krayin: Krayin, call: Call) -> Any:
    """Create a lead, and its person when one is described instead of named."""
    call.body["entity_type"] = "leads"
    check(krayin, call)
    krayin.pause()
    data, stage = _with_stage(krayin, {**call.all, "status": 1})
    if stage["code"] in CLOSED:
        data["closed_at"] = krayin.clock.now()
    data = _with_close_date(_with_person(krayin, call, data))
    record = records.create(krayin, LEAD, data)
    attributes.add_system_activity(krayin, call, (LEAD, record.id), "Created")
    attributes.save(krayin, call, {**data, "entity_id": record.id})
    if data.get("products") is not None:
        for _, product in php.items_of(data["products"]):
            _add_product(krayin, record.id, product, _amount(product))
    return {"data": resources.lead(krayin, record), "message": "Lead created successfully."}


def _amount(product: Any) -> Any:
    price, quantity = php.offset(product, "price"), php.offset(product, "quantity")
    for factor in (price, quantity):
        if php.is_array(factor) or (isinstance(factor, str) and not php.is_numeric(factor)):
            message = "Unsupported operand types: string * int"
            raise type_error(message)
    amount = Decimal(str(php.number_of(price))) * Decimal(str(php.number_of(quantity)))
    return float(amount)


def _add_product(krayin: Krayin, lead_id: int, product: Any, amount: Any = None) -> None:
    values = dict(php.items_of(product))
    if amount is not None:
        values["amount"] = amount
    records.create(krayin, LEAD_PRODUCT, {**values, "lead_id": lead_id})


def _change(
    krayin: Krayin, call: Call, data: dict[str, Any], key: Any, only: list[Row] | None = None
) -> Record:
    """Write a lead: person, stage with its closing time, columns, attribute values, products.

    With ``only``, just these attribute values are written and products are left alone. The close date is
    cleared unless it is sent. Errors leave behind what was written before them.

    Raises:
        ServerError: among others for a number in the place of another closing time, when it is written.
    """
    data = _with_person(krayin, call, data)
    if data.get("lead_pipeline_stage_id") is not None:
        data = {**data, "closed_at": _closing(krayin, data)}
    data = _with_close_date(data)
    record = records.find_or_fail(krayin, LEAD, key)
    changes = records.update(krayin, record, data)
    closed_at, before = changes.get("closed_at", (None, None))
    if before is not None and php.is_numeric(closed_at):
        message = "Could not parse the closing time: Failed to parse time string"
        raise ServerError(message, "Carbon\\Exceptions\\InvalidFormatException")
    persons.log_changes(krayin, call, record, changes)
    values = {**data, "entity_id": record.id}
    if only is not None:
        attributes.save(krayin, call, values, only)
        return record
    attributes.save(krayin, call, values)
    _replace_products(krayin, record.id, data.get("products"))
    return record


def _closing(krayin: Krayin, data: dict[str, Any]) -> datetime | Any:
    stage = records.find(krayin, STAGE, data["lead_pipeline_stage_id"])
    if stage is None:
        message = 'Attempt to read property "code" on null'
        raise ServerError(message)
    if stage.attributes["code"] not in CLOSED:
        return None
    sent = data.get("closed_at")
    return krayin.clock.now() if sent is None else sent


def _replace_products(krayin: Krayin, lead_id: int, products: Any) -> None:
    """Keep the lead products that are listed by id, add those under ``product_…``, delete the rest.

    Raises:
        RecordNotFoundError: a listed id is no lead product.
    """
    table = krayin.database["lead_products"]
    leftover = [row["id"] for row in table.found("lead_id", lead_id)]
    for key, inputs in php.items_of([] if products is None else products):
        if "product_" in key:
            _add_product(krayin, lead_id, inputs)
            continue
        number = records.row_key(key)
        if number in leftover:
            leftover.remove(number)
        row = table.get(number)
        if row is None:
            raise RecordNotFoundError(LEAD_PRODUCT.model, key)
        if not php.is_array(inputs):
            message = "update(): Argument #1 ($attributes) must be of type array"
            raise type_error(message)
        records.update(krayin, Record(LEAD_PRODUCT, dict(row)), dict(php.items_of(inputs)))
    for number in leftover:
        if number in table.rows:
            table.delete(number)


def update(krayin: Krayin, call: Call) -> Any:
    """Change a lead; products that are not listed are deleted."""
    call.body["entity_type"] = "leads"
    check(krayin, call)
    key = massive.typed_id(call)
    krayin.pause()
    data, _ = _with_stage(krayin, call.all)
    record = _change(krayin, call, data, key)
    return {"data": resources.lead(krayin, record), "message": UPDATED}


def update_attributes(krayin: Krayin, call: Call) -> Any:
    """Change what is sent of a lead, without validation; products stay."""
    call.body["entity_type"] = "leads"
    key = massive.typed_id(call)
    only = [
        row for row in attributes.of_entity(krayin, "leads") if row["code"] not in {"title", "description"}
    ]
    record = _change(krayin, call, call.all, key, only)
    return {"data": resources.lead(krayin, record), "message": UPDATED}


def update_stage(krayin: Krayin, call: Call) -> Any:
    """Move a lead to another stage of its pipeline."""
    table = krayin.database["lead_pipeline_stages"]
    validation.validate(
        krayin.clock,
        call.all,
        {
            "lead_pipeline_stage_id": [
                "required",
                validation.Exists(lambda value: records.row_key(value) in table.rows),
            ]
        },
    )
    key = massive.typed_id(call)
    record = records.find_or_fail(krayin, LEAD, key)
    wanted = records.row_key(call.input("lead_pipeline_stage_id"))
    stage = next(
        (row for row in resources.stages_of(krayin, _pipeline_id(krayin, record)) if row["id"] == wanted),
        None,
    )
    if stage is None:
        raise RecordNotFoundError(STAGE.model, wanted)
    only = [row for row in attributes.of_entity(krayin, "leads") if row["code"] == "lead_pipeline_stage_id"]
    data = {"entity_type": "leads", "lead_pipeline_stage_id": stage["id"]}
    record = _change(krayin, call, data, key, only)
    return {"data": resources.lead(krayin, record), "message": UPDATED}


def _pipeline_id(krayin: Krayin, record: Record) -> int:
    key = attributes.read(krayin, record, "lead_pipeline_id")
    if krayin.database["lead_pipelines"].get(records.row_key(key)) is None:
        message = "Call to a member function stages() on null"
        raise ServerError(message, "Error", caught=False)
    return int(key)


def destroy(krayin: Krayin, call: Call) -> Any:
    """Delete a lead with its activities."""
    record = records.find_or_fail(krayin, LEAD, massive.typed_id(call))
    massive.delete_logged(krayin, record)
    return wrapped(DELETED)


def mass_update(krayin: Krayin, call: Call) -> Any:
    """Set the stage column of leads by id, and nothing else."""
    for record in massive.present(krayin, call, LEAD, massive.UPDATE):
        changes = records.update(krayin, record, {"lead_pipeline_stage_id": call.input("value")})
        persons.log_changes(krayin, call, record, changes)
    return wrapped(UPDATED)


def mass_destroy(krayin: Krayin, call: Call) -> Any:
    """Delete leads by id, skipping missing ones."""
    for record in massive.present(krayin, call, LEAD):
        massive.delete_logged(krayin, record)
    return wrapped(DELETED)


def kanban(krayin: Krayin, call: Call) -> Any:
    """Show the stages of a pipeline with the first ten leads of each."""
    asked = call.query.get("pipeline_id")
    pipeline = (
        krayin.database["lead_pipelines"].get(records.row_key(asked))
        if php.truthy(asked)
        else default_pipeline(krayin)
    )
    if pipeline is None:
        message = 'Attempt to read property "stages" on null'
        raise ServerError(message)
    stages = resources.stages_of(krayin, pipeline["id"])
    wanted = call.query.get("pipeline_stage_id")
    if php.truthy(wanted):
        stages = [row for row in stages if php.loosely_equal(row["id"], wanted)]
    if not stages:
        message = "Undefined variable $data"
        raise ServerError(message)
    return {"data": [_kanban_stage(krayin, call, pipeline["id"], stage) for stage in stages]}


def _kanban_stage(krayin: Krayin, call: Call, pipeline_id: int, stage: Row) -> dict[str, Any]:
    owners = users.visible_owners(call)
    rows = [
        row
        for row in search.criteria(krayin, call, "leads")
        if row["lead_pipeline_id"] == pipeline_id
        and row["lead_pipeline_stage_id"] == stage["id"]
        and (not owners or row["user_id"] in owners)
    ]
    values = [Decimal(row["lead_value"]) for row in rows if row["lead_value"] is not None]
    total = f"{sum(values):f}" if values else 0
    page = pagination.page_of(KANBAN_SIZE, call.input("page"), len(rows))
    shown = rows[page.offset : page.offset + page.size]
    first = page.offset + 1 if shown else None
    return {
        **resources.stage(krayin, stage, total),
        "leads": {
            "data": [resources.lead(krayin, Record(LEAD, row)) for row in shown],
            "meta": {
                "current_page": page.number,
                "from": first,
                "last_page": page.last,
                "per_page": page.size,
                "to": None if first is None else first + len(shown) - 1,
                "total": page.total,
            },
        },
    }


def add_product(krayin: Krayin, call: Call) -> Any:
    """Put a product on a lead, or change it there."""
    lead_id = massive.typed_id(call)
    data = call.all
    price, quantity = data.get("price"), data.get("quantity")
    amount = _amount({"price": price or 0, "quantity": quantity or 0})
    values = {**data, "lead_id": lead_id, "amount": amount}
    wanted = records.row_key(data.get("product_id"))
    for row in krayin.database["lead_products"].found("lead_id", lead_id):
        if row["product_id"] == wanted:
            record = Record(LEAD_PRODUCT, dict(row))
            records.update(krayin, record, values)
            break
    else:
        record = records.create(krayin, LEAD_PRODUCT, values)
    shown = dict(record.attributes)
    for name in ("created_at", "updated_at"):
        shown[name] = krayin.clock.shown(shown[name])
    return {"data": {"data": shown, "message": UPDATED}}


def remove_product(krayin: Krayin, call: Call) -> Any:
    """Take a product off a lead."""
    wanted = records.row_key(call.input("product_id"))
    table = krayin.database["lead_products"]
    for row in table.found("lead_id", massive.typed_id(call)):
        if row["product_id"] == wanted:
            table.delete(row["id"])
    return wrapped(DELETED)


def attach_tag(krayin: Krayin, call: Call) -> Any:
    """Put a tag on a lead."""
    tags.attach(krayin, call, LEAD, "lead_tags", "lead_id")
    return wrapped("Tag attached successfully.")


def detach_tag(krayin: Krayin, call: Call) -> Any:
    """Take a tag off a lead."""
    tags.detach(krayin, call, LEAD, "lead_tags", "lead_id")
    return wrapped("Tag detached successfully.")


def list_activities(krayin: Krayin, call: Call) -> Any:
    """List the activities of a lead, newest first, all of them."""
    return activities.of_record(krayin, "lead_activities", "lead_id", call.params["id"])
