"""Krayin's records in a form that two worlds can be compared by: without ids and times of writing."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.chaos.served import Served

TABLES = (
    "persons", "leads", "organizations", "lead_products", "person_tags", "lead_tags", "attribute_values",
    "attributes", "activities", "person_activities", "lead_activities",
)  # fmt: skip
# Our key in an activity begins with the id of the Chatwoot database.
_KEY = re.compile(r'("chatwoot": ?")[^:"]+')
# Computed by the server from ids, or the time of a write.
LEFT_OUT = {"id", "unique_id", "created_at", "updated_at", "person_id", "organization_id"}


def state_of(krayin: Served) -> dict[str, Counter[str]]:
    """Return every person, lead, organization and activity as text, with how often it is there."""
    rows = krayin.records(*TABLES)
    organizations = {row["id"]: row["name"] for row in rows["organizations"]}
    persons = {row["id"]: _address(row) for row in rows["persons"]}
    leads = {row["id"]: (row["title"], persons.get(row["person_id"])) for row in rows["leads"]}
    custom = _custom(rows)
    return {
        "organizations": Counter(
            _text(row, custom["organizations", row["id"]]) for row in rows["organizations"]
        ),
        "persons": Counter(
            _text(
                row,
                custom["persons", row["id"]],
                organization=organizations.get(row["organization_id"]),
                tags=[one["tag_id"] for one in rows["person_tags"] if one["person_id"] == row["id"]],
            )
            for row in rows["persons"]
        ),
        "leads": Counter(
            _text(
                row,
                custom["leads", row["id"]],
                person=persons.get(row["person_id"]),
                tags=[one["tag_id"] for one in rows["lead_tags"] if one["lead_id"] == row["id"]],
                products=[
                    (one["product_id"], one["price"], one["quantity"], one["amount"])
                    for one in rows["lead_products"]
                    if one["lead_id"] == row["id"]
                ],
            )
            for row in rows["leads"]
        ),
        "activities": Counter(
            _text(
                {**row, "additional": _KEY.sub(r"\1", row["additional"] or "")},
                {},
                persons=_linked(rows["person_activities"], row["id"], "person_id", persons),
                leads=_linked(rows["lead_activities"], row["id"], "lead_id", leads),
            )
            for row in rows["activities"]
            # Krayin's own entries tell each write; repeated ones are told twice.
            if row["type"] != "system"
        ),
    }


def _linked(
    links: list[dict[str, Any]], activity_id: int, column: str, shown: Mapping[int, Any]
) -> list[Any]:
    return sorted((shown.get(one[column]) for one in links if one["activity_id"] == activity_id), key=str)


def _address(person: dict[str, Any]) -> str:
    return f"{person['emails']} {person['contact_numbers']}"


def _custom(rows: dict[str, list[dict[str, Any]]]) -> Counter[Any] | dict[Any, dict[str, Any]]:
    codes = {row["id"]: (row["code"], row["is_user_defined"]) for row in rows["attributes"]}
    found: dict[Any, dict[str, Any]] = {}
    for kind in ("persons", "leads", "organizations"):
        for row in rows[kind]:
            found[kind, row["id"]] = {}
    for row in rows["attribute_values"]:
        code, user_defined = codes[row["attribute_id"]]
        record = found.get((row["entity_type"], row["entity_id"]))
        if user_defined and record is not None:
            record[code] = [
                row[column] for column in sorted(row) if column.endswith("_value") and row[column] is not None
            ]
    return found


def _text(row: dict[str, Any], custom: dict[str, Any], **related: Any) -> str:
    shown = {name: value for name, value in row.items() if name not in LEFT_OUT}
    return json.dumps({**shown, **custom, **related}, sort_keys=True, default=str, ensure_ascii=False)


def differences(calm: dict[str, Counter[str]], other: dict[str, Counter[str]]) -> list[str]:
    """Return what only one of two states has."""
    found: list[str] = []
    for kind, rows in calm.items():
        found += [f"missing {kind}: {text}" for text in (rows - other[kind]).elements()]
        found += [f"too many {kind}: {text}" for text in (other[kind] - rows).elements()]
    return found


def counts(state: dict[str, Counter[str]]) -> dict[str, int]:
    """Return how many records of each kind there are."""
    return {kind: sum(rows.values()) for kind, rows in state.items()}
