"""What a lost update left behind counts as ours, whether it took effect or not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reconciliation.load.attempted import base_after_attempt
from reconciliation.mapping.merge import merge

values = st.sampled_from(["a", "b", "c", None])
addresses = st.lists(st.sampled_from(["a@x.de", "b@x.de", "c@x.de"]), unique=True, max_size=3)
fields = st.fixed_dictionaries({"name": values, "emails": addresses})


def bring(last_sent: Any, present: Any, desired: Any, attempted: Any = None) -> Any:
    base, shown = base_after_attempt(
        last_sent=last_sent, attempted=attempted, present=present, desired=desired
    )
    return base, merge(last_sent=base, present=shown, desired=desired, on_crm_edit="keep")


def sorted_fields(found: dict[str, Any]) -> tuple[Any, list[str]]:
    return found["name"], sorted(found["emails"])


@given(first=fields, second=fields, third=fields, took_effect=st.booleans())
def test_after_a_lost_update_the_next_one_ends_where_it_would_have_anyway(
    first: dict[str, Any], second: dict[str, Any], third: dict[str, Any], took_effect: bool
) -> None:
    base, lost = bring(first, first, second)
    attempted = {name: lost.last_sent[name] for name in lost.changed}
    shown = lost.values if took_effect else first
    _, then = bring(base, shown, third, attempted)
    assert sorted_fields(then.values) == sorted_fields(third)


@given(
    first=fields, second=fields, third=fields, fourth=fields, effects=st.tuples(st.booleans(), st.booleans())
)
def test_two_lost_updates_are_no_harder_than_one(
    first: dict[str, Any],
    second: dict[str, Any],
    third: dict[str, Any],
    fourth: dict[str, Any],
    effects: tuple[bool, bool],
) -> None:
    sent, shown, attempted = first, first, None
    for desired, took_effect in zip((second, third), effects, strict=True):
        sent, lost = bring(sent, shown, desired, attempted)
        attempted = {name: lost.last_sent[name] for name in lost.changed}
        shown = lost.values if took_effect else shown
    _, then = bring(sent, shown, fourth, attempted)
    assert sorted_fields(then.values) == sorted_fields(fourth)


@given(first=fields, second=fields, third=fields)
def test_without_an_attempt_nothing_changes(
    first: dict[str, Any], second: dict[str, Any], third: dict[str, Any]
) -> None:
    for attempted in (None, {}):
        assert base_after_attempt(last_sent=first, attempted=attempted, present=second, desired=third) == (
            first,
            second,
        )


def test_what_a_salesperson_typed_after_the_lost_update_stays() -> None:
    _, then = bring({"name": "a"}, {"name": "typed"}, {"name": "c"}, {"name": "b"})
    assert then.kept == ("name",)


@pytest.mark.parametrize(("shown", "ends"), [("b", "c"), ("typed", "typed"), (None, "c")])
def test_a_blank_we_filled_in_an_adopted_record_follows_chatwoot(shown: str | None, ends: str) -> None:
    _, then = bring(None, {"name": shown}, {"name": "c"}, {"name": "b"})
    assert then.values["name"] == ends
