from __future__ import annotations

import pytest
from krayin.versions import generation_of


def test_the_api_of_21_is_no_problem():
    generation = generation_of("https://crm.example.com/api/v1")
    assert generation.shown == "with the API of 2.1"
    assert generation.problem is None


@pytest.mark.parametrize(
    ("base_url", "told"),
    [
        ("https://crm.example.com/api/admin", "2.0 is supported in part"),
        ("https://crm.example.com/elsewhere", "usually lies under /api/v1"),
    ],
)
def test_others_are_told(base_url, told):
    assert told in (generation_of(base_url).problem or "")
    assert "2.1.5" in (generation_of(base_url).problem or "")
