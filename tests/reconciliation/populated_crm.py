"""A Krayin in use and a Chatwoot account that knows some of the same people, planted and compared."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg

from sandbox.chatwoot import changes
from tests.reconciliation.match_cases import (
    ADOPTED,
    CREATED,
    MIXTURES,
    REGION,
    Contact,
    Mixture,
    emails,
    nobody_there,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciliation.store.run_rows import Run

    from tests.reconciliation.world import World

BATCH = 25
# What a write changes by itself.
DERIVED = {"updated_at", "unique_id"}
KEPT_TABLES = (
    "persons", "leads", "organizations", "attribute_values", "lead_products", "person_tags", "lead_tags",
)  # fmt: skip


@dataclass
class Planted:
    """A mixture in both systems: ids of Krayin's persons and leads, and of Chatwoot's contacts."""

    name: str
    mixture: Mixture
    persons: list[int]
    leads: list[int]
    contacts: list[int]

    def pairs(self) -> Iterator[tuple[int, Contact]]:
        return zip(self.contacts, self.mixture.contacts, strict=True)


@dataclass
class Before:
    """What was there before the run."""

    planted: list[Planted]
    records: dict[str, dict[int, dict[str, Any]]]


def plant(world: World, persons: int, contacts: int, times: int) -> Before:
    """Fill both systems: `persons` in Krayin, `contacts` in Chatwoot, each mixture `times` over."""
    world.settings = {"default_phone_region": REGION}
    world.krayin.seed(
        users=[{"name": "Sales", "email": "sales@example.com", "password": "x"}],
        products=[{"name": "Widget", "sku": "w", "price": 5, "quantity": 9}],
        tags=[{"name": "VIP"}],
        pipelines=[{"name": "Renewals", "stages": [{"code": "open", "name": "Open"}]}],
        attributes=[
            {"code": "newsletter", "name": "Newsletter", "type": "boolean", "entity_type": "persons"},
            {"code": "region", "name": "Region", "type": "text", "entity_type": "persons"},
            {"code": "hot", "name": "Hot", "type": "boolean", "entity_type": "leads"},
            {"code": "campaign", "name": "Campaign", "type": "text", "entity_type": "leads"},
        ],
    )
    made = [(make, make(n)) for make in MIXTURES for n in _numbers(make, times)]
    people = sum(len(mixture.contacts) for _, mixture in made)
    made += [(nobody_there, nobody_there(n)) for n in range(5_000_000, 5_000_000 + contacts - people)]
    planted = _plant(world, made)
    strangers = persons - sum(len(mixture.persons) for _, mixture in made)
    for start in range(0, strangers, 2000):
        rows = [_worked_on(_stranger(n)) for n in range(start, min(start + 2000, strangers))]
        world.krayin.seed(persons=rows)
    return Before(planted, tables(world))


def _numbers(make: Callable[[int], Mixture], times: int) -> range:
    # Far apart, so that no two mixtures share a phone.
    start = 100_000 + MIXTURES.index(make) * 10_000
    return range(start, start + 10 * times, 10)


def _stranger(n: int) -> dict[str, Any]:
    phone = [{"value": f"+4940{n:07d}", "label": "work"}]
    return {"name": f"Stranger {n}", "emails": emails(f"stranger{n}@example.net"), "contact_numbers": phone}


def _worked_on(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "user_id": 2, "tags": [1], "newsletter": 1, "region": "EMEA"}


def _plant(world: World, made: list[tuple[Callable[[int], Mixture], Mixture]]) -> list[Planted]:
    persons = iter(
        world.krayin.seed(persons=[_worked_on(row) for _, one in made for row in one.persons])["persons"]
    )
    planted = [
        Planted(make.__name__, one, [next(persons) for _ in one.persons], [], []) for make, one in made
    ]
    leads = [
        {
            **{key: value for key, value in row.items() if key != "person"},
            "person_id": one.persons[row["person"]],
            "user_id": 2,
            "tags": [1],
            "hot": 1,
            "campaign": "Spring",
            "products": [{"product_id": 1, "price": 5, "quantity": 2}],
        }
        for one in planted
        for row in one.mixture.leads
    ]
    ids = iter(world.krayin.seed(leads=leads)["leads"])
    with psycopg.connect(world.chatwoot_url) as connection:
        inbox = connection.execute("SELECT min(id) FROM inboxes WHERE account_id = 1").fetchone()
        assert inbox is not None
        for one in planted:
            one.leads = [next(ids) for _ in one.mixture.leads]
            for contact in one.mixture.contacts:
                contact_id = changes.add_contact(connection, 1, **contact.columns)
                one.contacts.append(contact_id)
                if contact.earlier is not None:
                    kept = contact.earlier(one.persons, one.leads)
                    changes.link_inbox(connection, contact_id, inbox[0], kept)
    return planted


def tables(world: World) -> dict[str, dict[int, dict[str, Any]]]:
    records = world.krayin.records("attributes", *KEPT_TABLES)
    codes = {row["id"]: row["code"] for row in records["attributes"]}
    tables = {
        table: {row.get("id", place): _readable(row) for place, row in enumerate(records[table])}
        for table in KEPT_TABLES
    }
    # Krayin keeps a copy of each field as an attribute value: it goes by the field's name.
    for row in tables["attribute_values"].values():
        row["code"] = codes[row["attribute_id"]]
    return tables


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    read = dict(row)
    for name in ("emails", "contact_numbers", "json_value"):
        if isinstance(read.get(name), str):
            read[name] = json.loads(read[name])
        if isinstance(read.get(name), list):
            # A row without a value is how "no phone" has to be written.
            read[name] = [one for one in read[name] if not isinstance(one, dict) or one["value"]] or None
    return read


def check(world: World, before: Before, run: Run) -> None:
    """Compare the world after a first run with the table of mixtures."""
    mapped = {
        (int(source), kind): (crm_id, origin)
        for source, kind, crm_id, origin in world.rows(
            "SELECT source_id, crm_kind, crm_id, origin FROM mapping "
            "WHERE source_kind = 'contact' AND state = 'linked'"
        )
    }
    refused = {int(source): why for _, source, why, _ in world.operations("quarantined")}
    after = tables(world)
    filled: dict[tuple[str, int], frozenset[str]] = {}
    wrong = []
    for one in before.planted:
        for contact_id, expected in one.pairs():
            person, lead = mapped.get((contact_id, "person")), mapped.get((contact_id, "lead"))
            seen = (
                person and person[1],
                lead and lead[1],
                refused.get(contact_id),
                person[0] if person and person[1] == ADOPTED else None,
                lead[0] if lead and lead[1] == ADOPTED else None,
            )
            wanted = (
                expected.person,
                expected.lead,
                expected.reason,
                None if expected.at is None else one.persons[expected.at],
                None if expected.lead_at is None else one.leads[expected.lead_at],
            )
            if seen != wanted:
                wrong.append((one.name, contact_id, seen, wanted))
            if person and expected.filled:
                filled["persons", person[0]] = expected.filled
            if lead and expected.lead_filled:
                filled["leads", lead[0]] = expected.lead_filled
    assert wrong == []
    expected_persons = sum(1 for one in before.planted for _, each in one.pairs() if each.person == CREATED)
    expected_leads = sum(1 for one in before.planted for _, each in one.pairs() if each.lead == CREATED)
    assert len(after["persons"]) - len(before.records["persons"]) == expected_persons
    assert len(after["leads"]) - len(before.records["leads"]) == expected_leads
    assert differences(before.records, after) == {
        (table, number, name) for (table, number), names in filled.items() for name in names
    }
    _check_nobody_twice(after)
    assert world.krayin.mails() == []


def differences(
    before: dict[str, dict[int, dict[str, Any]]], after: dict[str, dict[int, dict[str, Any]]]
) -> set[tuple[str, int, str]]:
    """Name every value that was there before and is not the same now; blanks that were filled too."""
    found = set()
    for table, rows in before.items():
        for number, row in rows.items():
            now = after[table].get(number)
            for name, value in row.items():
                if now is None or (name not in DERIVED and now[name] != value):
                    found.add(_place(table, number, name, row))
    return found


def _place(table: str, number: int, name: str, row: dict[str, Any]) -> tuple[str, int, str]:
    if table == "attribute_values" and name.endswith("_value"):
        return row["entity_type"], row["entity_id"], row["code"]
    return table, number, name


def _check_nobody_twice(after: dict[str, dict[int, dict[str, Any]]]) -> None:
    """No e-mail stands with two persons that did not before."""
    addresses: Counter[str] = Counter()
    for row in after["persons"].values():
        addresses.update({one["value"].lower() for one in row["emails"] or ()})
    assert {one for one, times in addresses.items() if times > 1 and not one.startswith("twice")} == set()


def expected_calls(before: Before) -> tuple[int, int]:
    """Return the writes the table asks for, and the most bulk reads they may take.

    A created contact is one write. An adopted one is one for each of its two records that has a blank
    to fill or has to be made, and shares in five bulk reads: persons, leads, what their lists do not show, and
    the leads of persons.
    """
    writes, adopted = 0, 0
    for one in before.planted:
        for _, expected in one.pairs():
            if expected.person == CREATED:
                writes += 1
            elif expected.person == ADOPTED:
                adopted += 1
                writes += bool(expected.filled) + (expected.lead == CREATED) + bool(expected.lead_filled)
    return writes, 5 * (math.ceil(adopted / BATCH) + len(MIXTURES))
