"""What a lost update left behind counts as ours, whether it took effect or not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reconciliation.model.merge import merge, resolve_pending_write

values = st.sampled_from(["a", "b", "c", None])
addresses = st.lists(st.sampled_from(["a@x.de", "b@x.de", "c@x.de"]), unique=True, max_size=3)
fields = st.fixed_dictionaries({"name": values, "emails": addresses})


def upsert(last_sent: Any, present: Any, desired: Any, pending_write: Any = None) -> Any:
    base, shown = resolve_pending_write(
        last_sent=last_sent, pending_write=pending_write, present=present, desired=desired
    )
    return base, merge(last_sent=base, present=shown, desired=desired, on_crm_edit="keep")


def sorted_fields(found: dict[str, Any]) -> tuple[Any, list[str]]:
    return found["name"], sorted(found["emails"])


@given(first=fields, second=fields, third=fields, took_effect=st.booleans())
def test_after_a_lost_update_the_next_one_ends_where_it_would_have_anyway(
    first: dict[str, Any], second: dict[str, Any], third: dict[str, Any], took_effect: bool
) -> None:
    base, lost = upsert(first, first, second)
    pending_write = {name: lost.last_sent[name] for name in lost.changed}
    shown = lost.values if took_effect else first
    _, then = upsert(base, shown, third, pending_write)
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
    sent, shown, pending_write = first, first, None
    for desired, took_effect in zip((second, third), effects, strict=True):
        sent, lost = upsert(sent, shown, desired, pending_write)
        pending_write = {name: lost.last_sent[name] for name in lost.changed}
        shown = lost.values if took_effect else shown
    _, then = upsert(sent, shown, fourth, pending_write)
    assert sorted_fields(then.values) == sorted_fields(fourth)


@given(first=fields, second=fields, third=fields)
def test_without_an_attempt_nothing_changes(
    first: dict[str, Any], second: dict[str, Any], third: dict[str, Any]
) -> None:
    for pending_write in (None, {}):
        assert resolve_pending_write(
            last_sent=first, pending_write=pending_write, present=second, desired=third
        ) == (
            first,
            second,
        )


def test_what_a_salesperson_typed_after_the_lost_update_stays() -> None:
    _, then = upsert({"name": "a"}, {"name": "typed"}, {"name": "c"}, {"name": "b"})
    assert then.kept == ("name",)


@pytest.mark.parametrize(("shown", "ends"), [("b", "c"), ("typed", "typed"), (None, "c")])
def test_a_blank_we_filled_in_an_adopted_record_follows_chatwoot(shown: str | None, ends: str) -> None:
    _, then = upsert(None, {"name": shown}, {"name": "c"}, {"name": "b"})
    assert then.values["name"] == ends
