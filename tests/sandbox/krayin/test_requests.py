"""What a request says before a handler reads it."""

from __future__ import annotations

import pytest

PERSONS = "/api/v1/contacts/persons"


def test_a_post_that_says_it_is_a_get_reads_a_json_body_but_no_form(api, add_person):
    add_person(1)
    add_person(2)
    headers = {"X-HTTP-Method-Override": "GET"}
    assert api.post(PERSONS, json={"id": 1}, headers=headers).json()["meta"]["total"] == 1
    assert api.post(PERSONS, data={"id": "1"}, headers=headers).json()["meta"]["total"] == 2


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/json, text/html", 404),
        ("text/html;q=0.5, application/json", 404),
        ("Application/JSON", 404),
        ("application/vnd.api+json", 404),
        ("text/html, application/json", 200),
        ("application/json;q=0.1, text/html", 200),
        ("*/*", 200),
    ],
)
def test_the_most_wanted_content_type_says_whether_errors_are_json(api, accept, status):
    answer = api.get("/api/v1/nowhere", headers={"Accept": accept})
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("application/json" if status == 404 else "text/html")
