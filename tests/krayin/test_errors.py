"""Errors keep their facts, survive pickling and never show what they must not."""

from __future__ import annotations

import inspect
import pickle
import re
from pathlib import Path

import krayin
import pytest
from krayin import errors
from krayin.classification import ERRORS
from krayin.errors import KrayinError, NotSent, RateLimited, Rejected, TryLater

CLASSES = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, KrayinError) and kind not in (KrayinError, TryLater)
]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_is_raised_for_something(kind):
    classified = set(ERRORS.values())
    folder = Path(krayin.__file__).parent
    sources = "\n".join(path.read_text() for path in folder.glob("*.py") if path.name != "errors.py")
    raised = re.search(rf"\b{kind.__name__}\(", sources)
    assert kind in classified or raised


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_an_error_keeps_its_facts_through_pickling(kind):
    error = kind("because", method="PUT", route="leads/attributes/edit/{id}", status=500)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert vars(copy) == vars(error)
    assert str(copy) == "PUT leads/attributes/edit/{id}: HTTP 500: because"


def test_pickling_keeps_what_only_some_errors_have():
    rejected = Rejected("no", fields={"name": ("The value has already been taken.",)}, status=422)
    limited = RateLimited("wait", retry_after=7.0)
    assert pickle.loads(pickle.dumps(rejected)).fields == rejected.fields
    assert pickle.loads(pickle.dumps(limited)).retry_after == 7.0


def test_refused_addresses_are_told_by_their_field_in_every_language():
    error = Rejected(
        "no",
        fields={
            "person.emails.0.value": ("El valor ya ha sido registrado.",),
            "person.name": ("El campo nombre es obligatorio.",),
            "person.contact_numbers.10.value": ("The value has already been taken.",),
            "emails.0.label": ("The label field is required.",),
        },
    )
    assert error.refused_addresses() == ("person.emails.0.value", "person.contact_numbers.10.value")


def test_an_error_without_a_call_shows_its_reason_only():
    assert str(NotSent("the connection was refused")) == "the connection was refused"
