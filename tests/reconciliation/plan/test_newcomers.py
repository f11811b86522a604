"""Contacts of whom nothing is known are planned together exactly as they would be one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from reconciliation.extract import staging
from reconciliation.plan import contact_planner
from reconciliation.plan import contact_planner as planner
from reconciliation.plan.contact_planner import BulkChunk, BulkCreatePlanner
from reconciliation.run.request import RunRequest

if TYPE_CHECKING:
    from tests.reconciliation.world import World

OPERATION = """
    SELECT source_kind, source_id, payload, natural_keys, forecast_calls, forecast_reads, releases,
           state, error_class, lane, sync_name, source_changed_at, next_attempt_at = 'infinity', finished_at IS NULL, changes
    FROM operation ORDER BY 1, 2
"""
MAPPING = """
    SELECT source_kind, source_id, crm_kind, crm_id, origin, state, source_hash, acked_hash
    FROM mapping ORDER BY 1, 2, 3
"""
ERASE = """
    INSERT INTO krayin_sync.erasure (sync_name, scope_id, contact_hash)
    SELECT %(sync_name)s, scope.id, krayin_sync.contact_hash(scope, %(source_id)s)
    FROM krayin_sync.scope WHERE scope.id = %(scope_id)s
"""
MEMBERS = "SELECT contact_id, folded_name, name, address FROM organization_member ORDER BY 1"


SETTINGS = {"sync_to_organization": True, "custom_fields": {"organization": {"plan": "tier"}}}


def add_crowd(world: World) -> None:
    """Contacts of every sort: with and without company and address, odd characters, some known to Krayin."""
    world.krayin.seed(persons=[
        {"name": "Known", "emails": [{"value": "p3@example.com", "label": "work"}], "contact_numbers": None},
        {"name": "Other", "emails": [{"value": "p8@example.com", "label": "work"}], "contact_numbers": None},
        {"name": "Another", "emails": [{"value": "x@example.com", "label": "work"}],
         "contact_numbers": [{"value": "+14155550008", "label": "work"}]},
    ])  # fmt: skip
    for number in range(24):
        attributes: dict[str, Any] = {"description": f'Zoë said "{number}" {{}}, \\ and more'}
        if number % 2:
            attributes["company_name"] = f'Company {number % 5}, "Ltd"'
        if number % 3 == 0:
            attributes["company_city"] = "Pune"
        world.add(
            name=f"Person {number}" if number % 4 else 'Zoë {quoted, "odd"}',
            email=f"p{number}@example.com" if number % 6 else None,
            phone_number=f"+1415555{number:04d}" if number % 2 == 0 else None,
            additional_attributes=attributes,
            custom_attributes={"plan": "pro"} if number % 3 == 1 else {},
        )


def planned(world: World) -> tuple[Any, ...]:
    """Plan everything; return what was written, and the numbers."""
    run_id = world.sync(**SETTINGS).plan(RunRequest())
    (summary,) = world.rows("SELECT summary FROM sync_run WHERE id = %s", run_id)[0]
    numbers = {name: summary[name] for name in summary if name.startswith("planned")}
    samples = sorted(summary["sample"], key=str)
    return world.rows(OPERATION), world.rows(MAPPING), world.rows(MEMBERS), numbers, samples


def forget(world: World) -> None:
    """Empty the sync database of everything a plan writes or reads but Krayin's catalogue."""
    with psycopg.connect(world.sync_url, autocommit=True) as connection:
        connection.execute("SET search_path = krayin_sync")
        connection.execute("TRUNCATE sync_run, mapping, organization_member, watermark CASCADE")


@pytest.mark.parametrize("chunk", [2000, 5])
def test_together_and_one_by_one_write_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(contact_planner, "CHUNK", chunk)
    monkeypatch.setattr(planner, "MANY", 5)
    monkeypatch.setattr(staging, "MANY", 5)
    world.krayin.seed(attributes=[
        {"code": "tier", "name": "Tier", "type": "text", "entity_type": "organizations"},
    ])  # fmt: skip
    add_crowd(world)
    dry = world.run(RunRequest(dry_run=True), **SETTINGS)
    together = planned(world)
    assert dry.summary["planned"] == together[3]["planned"]
    assert together[3]["planned"] == {"create": 22, "adopt": 1, "quarantine": 1}
    forget(world)

    monkeypatch.setattr(
        BulkCreatePlanner,
        "plan_after",
        lambda newcomer, after, **_: BulkCreatePlanner.pass_over(newcomer, after),
    )
    one_by_one = planned(world)
    for this, that in zip(together, one_by_one, strict=True):
        assert this == that


def test_a_contact_erased_between_reading_and_planning_is_not_planned(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ada", "bob"):
        world.add(name=name, email=f"{name}@example.com")
    plan_after = BulkCreatePlanner.plan_after

    def erase_first(newcomer: BulkCreatePlanner, after: int, *, examples: int) -> BulkChunk | None:
        if after == 0:
            with psycopg.connect(world.sync_url, autocommit=True) as connection:
                connection.execute(
                    ERASE, {"sync_name": "test", "source_id": "2", **newcomer.engine.identity.parameters()}
                )
        return plan_after(newcomer, after, examples=examples)

    monkeypatch.setattr(BulkCreatePlanner, "plan_after", erase_first)
    world.sync().plan(RunRequest())
    assert world.rows("SELECT source_id FROM operation") == [("1",)]
