from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reconciliation.model.contact import placeholder_email
from reconciliation.model.merge import blank, flatten, merge, same_value

from tests.reconciliation.samples import json_values

OURS = placeholder_email(1, 7)
SCALARS = ("name", "job_title", "organization", "lead_value", "custom.x")

scalar = st.sampled_from([None, "", "1", "2", "3"])
emails = st.lists(st.sampled_from(["a@x", "A@x", "b@x", "c@x", OURS]), max_size=3, unique=True)
phones = st.lists(
    st.sampled_from(["+491701234567", "0170 1234567", "+491701234568", "x"]), max_size=3, unique=True
)
sides = st.fixed_dictionaries({**dict.fromkeys(SCALARS, scalar), "emails": emails, "phones": phones})
modes = st.sampled_from(["keep", "overwrite"])


def merged(last_sent, present, desired, mode="keep"):
    return merge(last_sent=last_sent, present=present, desired=desired, on_crm_edit=mode, phone_region="DE")


def empty(value):
    return value in (None, "", "0")


def is_same(left, right):
    return left == right or (empty(left) and empty(right))


def key(value):
    return "+491701234567" if value == "0170 1234567" else value.lower()


def keys(values):
    return {key(value) for value in values}


def without_ours(values):
    return [value for value in values if value != OURS]


# --- laws -------------------------------------------------------------------------------------------


@given(sides, sides, sides)
def test_with_keep_nothing_a_person_typed_is_wiped(last_sent, present, desired):
    outcome = merged(last_sent, present, desired)
    for name in SCALARS:
        if not is_same(present[name], last_sent[name]) and not empty(present[name]):
            assert is_same(outcome.values[name], present[name])
    for name in ("emails", "phones"):
        typed = [value for value in without_ours(present[name]) if key(value) not in keys(last_sent[name])]
        assert all(value in outcome.values[name] for value in typed)


@given(sides, sides, sides)
def test_with_overwrite_no_value_of_chatwoot_is_lost(last_sent, present, desired):
    outcome = merged(last_sent, present, desired, "overwrite")
    for name in SCALARS:
        if not empty(desired[name]):
            assert is_same(outcome.values[name], desired[name])
    for name in ("emails", "phones"):
        assert keys(without_ours(desired[name])) <= keys(outcome.values[name])


@given(sides, sides, sides, modes)
def test_what_chatwoot_never_filled_it_never_empties(last_sent, present, desired, mode):
    outcome = merged(last_sent, present, desired, mode)
    for name in SCALARS:
        if empty(desired[name]) and empty(last_sent[name]):
            assert is_same(outcome.values[name], present[name])


@given(sides, sides, sides, modes)
def test_a_change_in_chatwoot_reaches_a_field_nobody_else_touched(last_sent, present, desired, mode):
    untouched = {**present, **{name: last_sent[name] for name in SCALARS}}
    outcome = merged(last_sent, untouched, desired, mode)
    for name in SCALARS:
        assert is_same(outcome.values[name], desired[name])
        assert name not in outcome.kept


@given(st.none() | sides, sides, sides, modes)
def test_merging_twice_changes_nothing(last_sent, present, desired, mode):
    if last_sent is None:
        mode = "keep"
    once = merged(last_sent, present, desired, mode)
    twice = merged(once.last_sent, once.values, desired, mode)
    assert twice.changed == ()
    assert twice.values == once.values
    assert twice.last_sent == once.last_sent


@given(sides, sides, modes)
def test_adopted_records_get_their_blanks_filled_and_nothing_else(present, desired, mode):
    outcome = merged(None, present, desired, mode)
    for name in SCALARS:
        wanted = desired[name] if empty(present[name]) else present[name]
        assert is_same(outcome.values[name], wanted)
    for name in ("emails", "phones"):
        there = without_ours(present[name])
        if there:
            assert outcome.values[name] == there
        else:
            assert outcome.values[name] == (without_ours(desired[name]) or desired[name])


@given(st.none() | sides, sides, sides, modes)
def test_a_made_up_address_never_stands_beside_a_real_one(last_sent, present, desired, mode):
    after = merged(last_sent, present, desired, mode).values["emails"]
    assert OURS not in after or after == [OURS]


@given(st.none() | sides, sides, sides, modes)
def test_only_our_own_values_are_taken_out_of_lists_and_none_comes_twice(last_sent, present, desired, mode):
    outcome = merged(last_sent, present, desired, mode)
    for name in ("emails", "phones"):
        gone = keys(without_ours(present[name])) - keys(outcome.values[name])
        assert gone <= keys((last_sent or {}).get(name, []))
        assert not gone & keys(desired[name])
        new = [value for value in outcome.values[name] if value not in present[name]]
        if last_sent is not None:
            assert not keys(new) & keys(present[name])
            assert len(keys(new)) == len(new)


@given(st.none() | sides, sides, sides, modes)
def test_what_is_said_to_change_is_what_changes(last_sent, present, desired, mode):
    outcome = merged(last_sent, present, desired, mode)
    assert set(outcome.changed) == {name for name in present if outcome.values[name] != present[name]}
    assert not set(outcome.kept) & set(SCALARS) & set(outcome.changed)


@given(st.none() | sides, sides, sides, modes)
def test_fields_chatwoot_does_not_map_are_left_alone(last_sent, present, desired, mode):
    few = {name: desired[name] for name in ("name", "emails")}
    outcome = merged(last_sent, present, few, mode)
    assert set(outcome.changed) <= set(few)
    assert {name: outcome.values[name] for name in present if name not in few} == {
        name: value for name, value in present.items() if name not in few
    }


# --- examples ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["keep", "overwrite"])
def test_a_value_cleared_in_chatwoot_is_cleared(mode):
    sent = {"job_title": "CEO", "organization": "Acme", "phones": ["+491701234567"], "custom.x": "y"}
    wanted = {"job_title": None, "organization": None, "phones": [], "custom.x": None}
    outcome = merged(sent, dict(sent), wanted, mode)
    assert outcome.values == wanted
    assert set(outcome.changed) == set(wanted)
    assert outcome.kept == ()


def test_the_made_up_address_goes_when_a_real_one_comes():
    for last_sent in ({"emails": [OURS]}, {"emails": []}, None):
        outcome = merged(last_sent, {"emails": [OURS]}, {"emails": ["a@x"]})
        assert outcome.values["emails"] == ["a@x"]
        assert outcome.changed == ("emails",)
    typed = merged({"emails": [OURS]}, {"emails": [OURS, "typed@x"]}, {"emails": [OURS]})
    assert typed.values["emails"] == ["typed@x"]
    assert typed.kept == ()


def test_the_made_up_address_comes_when_the_only_real_one_goes():
    outcome = merged({"emails": ["a@x"]}, {"emails": ["a@x"]}, {"emails": [OURS]})
    assert outcome.values["emails"] == [OURS]


@pytest.mark.parametrize(
    ("mode", "after", "kept"), [("keep", [], ("phones",)), ("overwrite", ["+491701234567"], ())]
)
def test_a_phone_removed_in_krayin(mode, after, kept):
    number = ["+491701234567"]
    outcome = merged({"phones": number}, {"phones": []}, {"phones": number}, mode)
    assert outcome.values["phones"] == after
    assert outcome.kept == kept


def test_other_spellings_of_the_same_are_left_as_typed():
    present = {
        "emails": ["Anna@X"], "phones": ["0170 1234567"], "organization": "MULLER GmbH ", "name": "e\u0301\u200b",
        "description": "a\r\nb ", "lead_value": "100.0000",
    }  # fmt: skip
    desired = {
        "emails": ["anna@x"], "phones": ["+491701234567"], "organization": "Müller GmbH", "name": "\u00e9",
        "description": "a\nb", "lead_value": "100",
    }  # fmt: skip
    for last_sent in (None, {}, present, desired):
        for mode in ("keep", "overwrite"):
            outcome = merged(last_sent, present, desired, mode)
            assert (outcome.changed, outcome.kept) == ((), ())
            assert outcome.last_sent == {**(last_sent or {}), **desired}


def test_a_box_ticked_later_in_chatwoot_is_ticked_in_krayin():
    # Any write to Krayin turns a box nobody ever touched from nothing into 0.
    for last_sent in (None, {}, {"custom.flag": None}, {"custom.flag": 0}):
        outcome = merged(last_sent, {"custom.flag": 0}, {"custom.flag": 1})
        assert outcome.values == {"custom.flag": 1}
    unticked_there = merged({"custom.flag": 1}, {"custom.flag": 0}, {"custom.flag": 1})
    assert unticked_there.changed == ()
    assert unticked_there.kept == ("custom.flag",)


@pytest.mark.parametrize(("mode", "after"), [("keep", 1), ("overwrite", 0)])
def test_a_plain_no_of_chatwoot_is_a_value(mode, after):
    outcome = merged({"custom.flag": 0}, {"custom.flag": 1}, {"custom.flag": 0}, mode)
    assert outcome.values["custom.flag"] == after
    silent = merged({"custom.flag": None}, {"custom.flag": 1}, {"custom.flag": None}, mode)
    assert silent.changed == ()


def test_an_adopted_persons_address_is_not_added_at_the_next_change():
    adopted = merged(None, {"emails": ["a@x"], "name": "Anna"}, {"emails": ["b@x"], "name": "A"})
    assert adopted.changed == ()
    assert adopted.kept == ("emails", "name")
    later = merged(adopted.last_sent, adopted.values, {"emails": ["c@x"], "name": "B"})
    assert later.values == {"emails": ["a@x", "c@x"], "name": "Anna"}


@pytest.mark.parametrize(
    ("name", "left", "right", "same"),
    [
        ("lead_value", None, "0.0000", True),
        ("lead_value", "", 0, True),
        ("lead_value", "100.0000", 100.0, True),
        ("lead_value", "100.0000", "100.5", False),
        ("custom.x", "5", "5.0", False),
        ("custom.x", 12.5, "12.5", True),
        ("custom.x", 0.1, "0.1", True),
        ("custom.x", 0.0, None, False),
        ("custom.x", 0, None, True),
        ("custom.x", 1, True, True),
        ("custom.x", "sNaN", 5, False),
        ("custom.x", float("nan"), "x", False),
        ("name", "anna", "Anna", False),
        ("name", " Anna\ufeff", "Anna", True),
        ("name", None, "\u200b", True),
        ("organization", "Müller", "MULLER", True),
        ("organization", None, "", True),
        ("organization", "Acme", None, False),
    ],
)
def test_when_two_values_mean_the_same(name, left, right, same):
    assert same_value(name, left, right) is same
    assert same_value(name, right, left) is same


@given(st.sampled_from(["name", "lead_value", "organization", "custom.x"]), json_values, json_values)
def test_no_two_values_can_stop_a_comparison(name, left, right):
    assert same_value(name, left, right) is same_value(name, right, left)


def test_blanks_and_flattening():
    assert all(blank(value) for value in (None, "", " \u200b", [], 0, False))
    assert not any(blank(value) for value in ("0", "x", ["x"], 1, True, 0.0))
    assert flatten({"name": "x", "custom": {"a": 1, "b": None}}) == {
        "name": "x",
        "custom.a": 1,
        "custom.b": None,
    }
    assert flatten({"name": "x", "custom": None}) == {"name": "x"}
