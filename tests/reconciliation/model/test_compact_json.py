from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from reconciliation.model.hashing import compact_json

from tests.reconciliation.samples import json_values


def finite(value):
    """The value with null for what JSON has no word for."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, list) else value


@given(json_values)
def test_it_reads_back_as_it_was(value):
    read = json.loads(compact_json(value).decode("utf-8", "surrogatepass"))
    assert read == finite(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": ("x", None)}, b'{"a":["x",null],"b":1}'),
        ({"b": 10**40, "a": True}, b'{"a":true,"b":1' + b"0" * 40 + b"}"),
        ({"b": "\ud800", "a": "é"}, '{"a":"é","b":"\ud800"}'.encode("utf-8", "surrogatepass")),
    ],
)
def test_keys_are_sorted_and_nothing_stops_it(value, text):
    assert compact_json(value, sort_keys=True) == text
