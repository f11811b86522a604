"""Many records at once, written into the tables directly, for tests and demonstrations."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from sandbox.krayin import attributes, php, records
from sandbox.krayin.clock import LOCAL
from sandbox.krayin.errors import ServerError
from sandbox.krayin.records import LEAD, ORGANIZATION, PERSON, PRODUCT

if TYPE_CHECKING:
    from sandbox.krayin.server import Krayin

Rows = list[dict[str, Any]]


class Batch(BaseModel):
    """Rows to plant, by kind; they are planted in this order, so later kinds may name earlier ids.

    Each row holds the columns of its table. Beside them a row may have ``tags`` (tag ids), leads
    ``products`` (lists of product_id, price, quantity), activities ``person_id``, ``lead_id`` and
    ``participants``; pipelines ``stages``; tokens a ``token`` and ``user_id``. Custom attributes of
    persons, leads, organizations and products are given by their code. ``created_at`` and
    ``updated_at`` may be given as local 'Y-m-d H:i:s' or ISO with an offset.
    """

    model_config = ConfigDict(extra="forbid")

    roles: Rows = []
    users: Rows = []
    tokens: Rows = []
    attributes: Rows = []
    pipelines: Rows = []
    sources: Rows = []
    types: Rows = []
    tags: Rows = []
    products: Rows = []
    organizations: Rows = []
    persons: Rows = []
    leads: Rows = []
    activities: Rows = []


def plant(krayin: Krayin, batch: Batch) -> dict[str, list[int]]:
    """Write a batch, without system activities.

    Returns:
        kind -> ids of the rows, in the order given.

    Raises:
        ServerError: a row breaks a rule of the database; rows before it stay.
    """
    planted = {
        "roles": [_insert(krayin, "roles", {"permission_type": "all", **row}) for row in batch.roles],
        "users": [_user(krayin, row) for row in batch.users],
        "tokens": [_token(krayin, row) for row in batch.tokens],
        "attributes": [_attribute(krayin, row) for row in batch.attributes],
        "pipelines": [_pipeline(krayin, row) for row in batch.pipelines],
        "sources": [_insert(krayin, "lead_sources", row) for row in batch.sources],
        "types": [_insert(krayin, "lead_types", row) for row in batch.types],
        "tags": [_insert(krayin, "tags", {"user_id": 1, **row}) for row in batch.tags],
        "products": [_entity(krayin, PRODUCT, row) for row in batch.products],
        "organizations": [_entity(krayin, ORGANIZATION, row) for row in batch.organizations],
        "persons": [_person(krayin, row) for row in batch.persons],
        "leads": [_lead(krayin, row) for row in batch.leads],
        "activities": [_activity(krayin, row) for row in batch.activities],
    }
    return {kind: ids for kind, ids in planted.items() if ids}


def edit(krayin: Krayin, rows: dict[str, Rows]) -> int:
    """Change rows behind the API's back, as a database administrator would.

    The rows come by table, each with its ``id`` and the columns to change.

    Returns:
        How many rows were changed.

    Raises:
        ServerError: an unknown table, row or column.
    """
    edited = 0
    for name, changes in rows.items():
        for change in changes:
            table = krayin.database.tables.get(name)
            if table is None or change["id"] not in table.rows or not change.keys() <= table.columns.keys():
                message = f"cannot edit {name} {change}"
                raise ServerError(message)
            table.update(change["id"], {key: value for key, value in change.items() if key != "id"})
            edited += 1
    return edited


def _insert(krayin: Krayin, table: str, row: dict[str, Any]) -> int:
    columns = krayin.database[table].columns
    now = krayin.clock.now_text()
    values: dict[str, Any] = {"created_at": now, "updated_at": row.get("created_at", now), **row}
    unknown = values.keys() - columns.keys() - {"created_at", "updated_at"}
    if unknown:
        message = f"{table} has no column {', '.join(sorted(unknown))}"
        raise ServerError(message)
    stored = {
        name: php.encode_json(value) if php.is_array(value) else _local(krayin, columns[name].kind, value)
        for name, value in values.items()
        if name in columns
    }
    return int(krayin.database[table].insert(stored)["id"])


def _local(krayin: Krayin, kind: str, value: Any) -> Any:
    """Return an ISO time with an offset as local time; anything else as it is."""
    if kind != "datetime" or not isinstance(value, str) or "T" not in value:
        return value
    moment = datetime.fromisoformat(value)
    return moment.astimezone(krayin.clock.zone).strftime(LOCAL) if moment.tzinfo else value


def _user(krayin: Krayin, row: dict[str, Any]) -> int:
    defaults = {"status": 1, "role_id": 1, "view_permission": "global"}
    return _insert(krayin, "users", {**defaults, **row})


def _token(krayin: Krayin, row: dict[str, Any]) -> int:
    secret = str(row["token"]).rpartition("|")[2]
    return _insert(
        krayin, "personal_access_tokens", {"name": "seeded", "abilities": ["*"], **row, "token": secret}
    )


def _attribute(krayin: Krayin, row: dict[str, Any]) -> int:
    options = row.get("options") or []
    values = {"quick_add": 1, "name": row["code"], **{k: v for k, v in row.items() if k != "options"}}
    number = _insert(krayin, "attributes", values)
    for order, option in enumerate(options, 1):
        name = option["name"] if isinstance(option, dict) else option
        krayin.database["attribute_options"].insert(
            {"attribute_id": number, "name": name, "sort_order": order}
        )
    return number


def _pipeline(krayin: Krayin, row: dict[str, Any]) -> int:
    number = _insert(krayin, "lead_pipelines", {k: v for k, v in row.items() if k != "stages"})
    for order, stage in enumerate(row.get("stages") or [], 1):
        krayin.database["lead_pipeline_stages"].insert(
            {"sort_order": order, **stage, "lead_pipeline_id": number}
        )
    return number


def _entity(krayin: Krayin, entity: records.Entity, row: dict[str, Any]) -> int:
    table = krayin.database[entity.table]
    own = attributes.of_entity(krayin, entity.table)
    codes = {attribute["code"] for attribute in own}
    columns = {name: value for name, value in row.items() if name in table.columns or name not in codes}
    number = _insert(krayin, entity.table, columns)
    sent = [attribute for attribute in own if attribute["code"] in row]
    for attribute in sent:
        column = attributes.value_column(attribute)
        value = row[attribute["code"]]
        if column == "json_value" and value is not None:
            value = php.encode_json(value)
        elif php.is_array(value):
            value = ",".join(str(item) for item in value)
        krayin.database["attribute_values"].insert(
            {
                "entity_type": entity.table,
                "entity_id": number,
                "attribute_id": attribute["id"],
                column: value,
            }
        )
    return number


def _person(krayin: Krayin, row: dict[str, Any]) -> int:
    row = dict(row)
    tags = row.pop("tags", [])
    row.setdefault("emails", [])
    if row.get("unique_id") is None:
        parts = [row.get("user_id"), row.get("organization_id"), php.dig(row, "emails", 0, "value")]
        row["unique_id"] = "|".join(str(part) for part in parts if part)
        if row.get("contact_numbers"):
            row["unique_id"] += f"|{row['contact_numbers'][0]['value']}"
    number = _entity(krayin, PERSON, row)
    for tag in tags:
        krayin.database["person_tags"].insert({"person_id": number, "tag_id": tag})
    return number


def _lead(krayin: Krayin, row: dict[str, Any]) -> int:
    row = dict(row)
    tags, products = row.pop("tags", []), row.pop("products", [])
    row = {"status": 1, "lead_pipeline_id": 1, "lead_pipeline_stage_id": 1, **row}
    number = _entity(krayin, LEAD, row)
    for tag in tags:
        krayin.database["lead_tags"].insert({"lead_id": number, "tag_id": tag})
    for product in products:
        amount = float(product.get("price") or 0) * float(product.get("quantity") or 0)
        _insert(krayin, "lead_products", {"amount": amount, **product, "lead_id": number})
    return number


def _activity(krayin: Krayin, row: dict[str, Any]) -> int:
    row = dict(row)
    links = {"person_id": "person_activities", "lead_id": "lead_activities"}
    named = {name: row.pop(name, None) for name in links}
    participants = row.pop("participants", {})
    number = _insert(krayin, "activities", {"user_id": 1, "is_done": int(row.get("type") == "note"), **row})
    for name, key in named.items():
        if key is not None:
            krayin.database[links[name]].insert({"activity_id": number, name: key})
    for group, column in (("users", "user_id"), ("persons", "person_id")):
        for key in participants.get(group, []):
            krayin.database["activity_participants"].insert({"activity_id": number, column: key})
    return number
