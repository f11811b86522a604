"""Quarantined operations are planned again, one, of a reason or all; what is newer goes before."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest
from reconciliation.errors import ReplayRequestError
from reconciliation.model.timing import Timing
from reconciliation.run.request import RunRequest
from reconciliation.store.decisions import Replayed, ReplayRequest, replay

if TYPE_CHECKING:
    from tests.reconciliation.world import World

QUICK = Timing(settle=timedelta(), backoff=timedelta(), patience=timedelta(seconds=2))


def load(world: World) -> None:
    replace(world.sync(), timing=QUICK).run(RunRequest())


def ask(world: World, **meant: object) -> Replayed:
    with psycopg.connect(world.sync_url, autocommit=True) as connection:
        return replay(connection, ReplayRequest("test", **meant), by="ada")


@pytest.fixture
def ambiguous(world: World) -> int:
    """A contact whose e-mail and phone belong to two persons."""
    world.krayin.seed(persons=[
        {"name": "A", "emails": [{"value": "Ada@Example.com", "label": "work"}], "contact_numbers": []},
        {"name": "B", "emails": [], "contact_numbers": [{"value": "+14155550123", "label": "work"}]},
    ])  # fmt: skip
    contact = world.add(name="Ada", email="ada@example.com", phone_number="+14155550123")
    load(world)
    ((_, source_id, error_class, _),) = world.operations("quarantined")
    assert (source_id, error_class) == (str(contact), "ambiguous_person")
    return contact


def test_nothing_put_right_means_set_aside_again_and_nothing_made(world: World, ambiguous: int) -> None:
    assert ask(world, everything=True) == Replayed(planned=1, left=0)
    load(world)
    ((_, _, error_class, _),) = world.operations("quarantined")
    assert error_class == "ambiguous_person"
    assert len(world.persons()) == 2
    assert world.leads() == []


def test_after_the_second_person_is_gone_the_first_is_adopted(world: World, ambiguous: int) -> None:
    """Its e-mail differs in case, so that Krayin itself would let it be made twice."""
    world.api("DELETE", "contacts/persons/2")
    ((operation_id,),) = world.rows("SELECT id FROM operation WHERE state = 'quarantined'")
    assert ask(world, operation_id=operation_id) == Replayed(planned=1, left=0)
    load(world)
    assert world.operations("quarantined") == []
    (person,) = world.persons()
    assert person["id"] == 1
    assert [row["value"] for row in person["contact_numbers"]] == ["+14155550123"]
    assert len(world.leads()) == 1
    rows = world.rows("SELECT crm_kind, state, origin FROM mapping ORDER BY crm_kind")
    assert rows == [("lead", "linked", "created"), ("person", "linked", "adopted")]


def test_only_what_is_meant_is_planned_again(world: World, ambiguous: int) -> None:
    assert ask(world, error_class="taken") == Replayed(planned=0, left=0)
    assert ask(world, operation_id=10**6) == Replayed(planned=0, left=0)
    assert ask(world, error_class="ambiguous_person") == Replayed(planned=1, left=0)
    ((state, step, attempts),) = world.rows("SELECT state, step, attempts FROM operation")
    assert (state, step, attempts) == ("planned", "replayed", 0)


def test_a_newer_plan_is_not_overtaken(world: World, ambiguous: int) -> None:
    world.rows("""
        INSERT INTO operation (run_id, sync_name, lane, target_id, scope_id, source_kind, source_id,
            payload, source_read_at, forecast_calls)
        SELECT run_id, sync_name, lane, target_id, scope_id, source_kind, source_id, payload,
            source_read_at, forecast_calls FROM operation RETURNING id
    """)
    assert ask(world, everything=True) == Replayed(planned=0, left=1)


@pytest.mark.parametrize(
    "meant", [{}, {"operation_id": 1, "everything": True}, {"operation_id": 1, "error_class": "x"}]
)
def test_an_unclear_request_is_refused(meant: dict[str, object]) -> None:
    with pytest.raises(ReplayRequestError, match="exactly one"):
        ReplayRequest("test", **meant)
