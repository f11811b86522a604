from __future__ import annotations

import json
import unicodedata
from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reconciliation.model.hashing import canonical, compact_json, stable_hash

from tests.reconciliation.samples import json_values

plain = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=8,
)


def in_form(value, form):
    if isinstance(value, str):
        return unicodedata.normalize(form, value)
    if isinstance(value, dict):
        return {in_form(key, form): in_form(item, form) for key, item in value.items()}
    return [in_form(item, form) for item in value] if isinstance(value, list) else value


def reversed_keys(value):
    if isinstance(value, dict):
        return {key: reversed_keys(value[key]) for key in reversed(value)}
    return [reversed_keys(item) for item in value] if isinstance(value, list) else value


@given(plain)
def test_key_order_and_unicode_form_do_not_matter(value):
    # Two keys that differ in form only are one key; which value it then has is nobody's business.
    composed = in_form(value, "NFC")
    assert stable_hash(reversed_keys(composed)) == stable_hash(composed)
    assert stable_hash(in_form(composed, "NFD")) == stable_hash(composed)


@given(plain, plain)
def test_equal_hashes_mean_equal_contents(left, right):
    same = json.dumps(canonical(left), sort_keys=True) == json.dumps(canonical(right), sort_keys=True)
    assert (stable_hash(left) == stable_hash(right)) is same


@given(json_values)
def test_it_survives_the_way_through_json(value):
    assert stable_hash(json.loads(json.dumps(value, ensure_ascii=False))) == stable_hash(value)
    assert len(stable_hash(value)) == 16


def test_absent_is_none_but_not_empty():
    assert stable_hash({"a": None}) == stable_hash({})
    assert stable_hash({"a": ""}) != stable_hash({})
    assert stable_hash({"a": {"b": None}}) == stable_hash({"a": {}})
    assert stable_hash([None]) != stable_hash([])


@pytest.mark.parametrize(
    ("left", "right"), [(1, "1"), (True, 1), (["a", "b"], ["b", "a"]), ("a ", "a"), ({"a": "b"}, ["a", "b"])]
)
def test_different_contents_differ(left, right):
    assert stable_hash(left) != stable_hash(right)


@given(json_values)
def test_it_is_taken_of_the_canonical_form(value):
    assert stable_hash(value) == stable_hash(canonical(value))
    text = compact_json(canonical(value), sort_keys=True)
    assert stable_hash(value) == blake2b(text, digest_size=16).digest()
