"""Laws that hold for whatever happens in Chatwoot, tried with made-up worlds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reconciliation.run.events import act_on_events
from reconciliation.run.request import RunRequest

from sandbox.chatwoot import webhooks
from tests.reconciliation.run.test_events import receive
from tests.soak import SOAK

if TYPE_CHECKING:
    from tests.reconciliation.world import World

# Each example is some runs against a stand-in that keeps the records of the examples before.
few = settings(
    max_examples=60 if SOAK else 3,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
attributes = st.dictionaries(
    st.sampled_from(["company_name", "company_city", "job_title", "city", "lead_value", "description"]),
    st.one_of(st.none(), texts, st.integers(-5, 10**6), st.booleans(), st.lists(texts, max_size=2)),
)
people = st.fixed_dictionaries(
    {"name": texts},
    optional={
        "last_name": texts,
        "phone_number": st.sampled_from(["+14155550100", "030 1234567", "+49 30 1234", "nonsense"]),
        "additional_attributes": attributes,
        "custom_attributes": attributes,
    },
)


@pytest.mark.slow
@few
@given(st.lists(people, min_size=1, max_size=5))
def test_what_was_carried_out_is_not_planned_again(world: World, columns: list[dict[str, Any]]) -> None:
    ((known,),) = world.rows("SELECT count(*) FROM mapping")
    for number, one in enumerate(columns):
        # A phone belongs to one contact of an account only.
        phone = f"{one['phone_number']}{known}{number}" if "phone_number" in one else None
        world.add(**{**one, "phone_number": phone}, email=f"person{known}-{number}@example.com")
    world.run(sync_to_organization=True, default_phone_region="DE")
    again = world.run(RunRequest(full=True), sync_to_organization=True, default_phone_region="DE")
    assert again.summary["planned"] == {}
    assert [route for method, route, _ in world.calls(again.id) if method != "GET"] == []


changes = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 99)), min_size=1, max_size=6)


@pytest.mark.slow
@few
@given(changes, st.data())
def test_events_repeated_in_any_order_end_as_events_that_came_once(
    world: World, changed: list[tuple[int, int]], data: st.DataObject
) -> None:
    ((known,),) = world.rows("SELECT count(*) FROM mapping")
    calm, stormy = (
        [world.add(name="New", email=f"{kind}{number}-{known}@example.com") for number in range(3)]
        for kind in ("calm", "stormy")
    )
    world.run()
    cut = data.draw(st.integers(0, len(changed)))
    for place, (number, name) in enumerate(changed):
        world.change(calm[number], name=f"Name {name}")
        world.change(stormy[number], name=f"Name {name}")
        receive(world, webhooks.contact_updated(stormy[number], name=f"Name {name}"))
        if place + 1 == cut:
            act_on_events(world.sync())
    for number, name in data.draw(st.permutations(changed)):
        receive(world, webhooks.contact_updated(stormy[number], name=f"Name {name}"))
    act_on_events(world.sync())
    for number in dict(changed):
        receive(world, webhooks.contact_updated(calm[number]))
    act_on_events(world.sync())
    names = {person["emails"][0]["value"]: person["name"] for person in world.persons()}
    expected = {number: f"Name {name}" for number, name in changed}
    for number in range(3):
        assert names[f"stormy{number}-{known}@example.com"] == expected.get(number, "New")
        assert names[f"calm{number}-{known}@example.com"] == expected.get(number, "New")
    assert world.rows("SELECT count(*) FROM inbox_event WHERE processed_at IS NULL") == [(0,)]
    assert world.calls(world.run().id) == []
