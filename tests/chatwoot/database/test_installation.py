from __future__ import annotations

import json

import pytest
from chatwoot.database.installation import identifier

NAME = "5f0d9b6e-5b3c-4c47-9a55-2d3c1b0a9f11"


@pytest.mark.parametrize(
    "stored",
    [
        {"value": NAME},
        f"--- !ruby/hash:ActiveSupport::HashWithIndifferentAccess\nvalue: {NAME}\n",
        f"---\n:value: '{NAME}'\n",
        f'---\nvalue: "{NAME}"\n',
    ],
)
def test_both_forms_of_storing_are_read(stored: object) -> None:
    assert identifier(json.dumps(stored)) == NAME


@pytest.mark.parametrize(
    "text", [None, "{}", "null", '{"value": null}', '"--- {}"', "[1]", "not json", '"value:"']
)
def test_nothing_stored_is_nothing(text: str | None) -> None:
    assert identifier(text) is None
