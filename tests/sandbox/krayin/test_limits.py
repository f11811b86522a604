"""Tokens, limits, methods and error pages."""

from __future__ import annotations

import httpx
import pytest

TYPES = "/api/v1/settings/types"
GENERIC = {"message": "admin::app.common.internal-server-error"}


def test_the_window_is_fixed_and_frees_itself(krayin, api):
    krayin.configure(instance="limited")
    assert [api.get(TYPES).headers["X-RateLimit-Remaining"] for _ in range(60)][-1] == "0"
    refused = api.get(TYPES)
    assert (refused.status_code, refused.json(), "X-RateLimit-Limit" in refused.headers) == (
        500,
        GENERIC,
        False,
    )
    krayin.advance(30)
    assert api.get(TYPES).status_code == 500
    krayin.advance(31)
    assert api.get(TYPES).headers["X-RateLimit-Remaining"] == "59"


def test_nothing_is_written_while_limited(krayin, api):
    krayin.configure(requests_per_minute=1)
    api.get(TYPES)
    api.post("/api/v1/contacts/organizations", json={"name": "X"})
    assert krayin.records("organizations")["organizations"] == []
    krayin.configure(requests_per_minute=None)


def test_debug_shows_429_401_and_405(krayin, api):
    krayin.configure(instance="unlimited-debug", requests_per_minute=1)
    api.get(TYPES)
    refused = api.get(TYPES)
    assert refused.status_code == 429
    assert (refused.headers["Retry-After"], refused.headers["X-RateLimit-Remaining"]) == ("60", "0") or int(
        refused.headers["Retry-After"]
    ) in range(58, 61)
    assert api.get(TYPES, headers={"Authorization": "Bearer no"}).status_code == 401
    wrong = api.patch(TYPES)
    assert (wrong.status_code, wrong.headers["Allow"]) == (405, "GET, HEAD, POST")
    assert wrong.json()["message"] == (
        "The PATCH method is not supported for route api/v1/settings/types. Supported methods: GET, HEAD, POST."
    )
    krayin.configure(requests_per_minute=None)


def test_each_user_has_a_window_that_all_tokens_share(krayin, api):
    krayin.seed(
        users=[{"id": 5, "name": "Five", "email": "five@example.com"}],
        tokens=[{"user_id": 1, "token": "second"}, {"user_id": 5, "token": "other"}],
    )
    krayin.configure(requests_per_minute=2)
    with krayin.client("second") as second, krayin.client("other") as other:
        assert [api.get(TYPES).status_code, second.get(TYPES).status_code, api.get(TYPES).status_code] == [
            200,
            200,
            500,
        ]
        assert other.get(TYPES).status_code == 200
        assert all(
            httpx.get(krayin.url + TYPES, headers={"Accept": "application/json"}).status_code == 500
            for _ in range(4)
        )
        assert other.get(TYPES).headers["X-RateLimit-Remaining"] == "0"
    krayin.configure(requests_per_minute=None)


def test_deleting_persons_has_an_hourly_limit(krayin, api):
    krayin.seed(
        persons=[
            {"name": f"P{number}", "emails": [{"value": f"{number}@e.de", "label": "w"}]}
            for number in range(101)
        ]
    )
    answers = [api.delete(f"/api/v1/contacts/persons/{number}") for number in range(1, 102)]
    assert answers[0].headers["X-RateLimit-Limit"] == "100"
    assert [answer.status_code for answer in answers] == [200] * 100 + [500]
    assert answers[100].headers["X-RateLimit-Limit"] == "100000"
    krayin.advance(3601)
    assert api.delete("/api/v1/contacts/persons/101").status_code == 200


def test_login_deletes_every_token_of_the_user(krayin, api):
    body = {"email": "admin@example.com", "password": "admin123", "device_name": "x"}
    token = httpx.post(
        f"{krayin.url}/api/v1/login", json=body, headers={"Accept": "application/json"}
    ).json()["token"]
    assert api.get("/api/v1/get").status_code == 500
    with krayin.client(token) as fresh:
        assert fresh.get("/api/v1/get").status_code == 200
        assert fresh.delete("/api/v1/logout").status_code == 200
        assert fresh.get("/api/v1/get").status_code == 500


def test_without_accept_json_errors_are_pages_and_redirects(krayin):
    headers = {"Authorization": f"Bearer {krayin.token}"}
    with httpx.Client(base_url=krayin.url, headers=headers) as client:
        failed = client.post("/api/v1/contacts/persons", json={"name": "x"})
        assert (failed.status_code, "500 Internal Server Error" in failed.text) == (200, True)
        missing = client.get("/api/v1/leads/9")
        assert (missing.status_code, "404 Page Not Found" in missing.text) == (200, True)
        invalid = client.post("/api/v1/contacts/organizations", json={"name": ""})
        assert (invalid.status_code, invalid.headers["Location"]) == (302, krayin.url)


def test_bodies_over_eight_megabytes_are_refused_before_anything(krayin, api):
    answer = api.post("/api/v1/activities", json={"type": "note", "comment": "x" * 9_000_000})
    assert (answer.status_code, answer.json(), "X-RateLimit-Limit" in answer.headers) == (500, GENERIC, False)


@pytest.mark.parametrize("path", ["/api/v1/nope", "/api/admin/settings/pipelines", "/api/v1"])
def test_unknown_routes_need_no_token(krayin, path):
    answer = httpx.get(krayin.url + path, headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()) == (404, {"message": "admin::app.common.resource-not-found"})


def test_only_global_users_may_search(krayin):
    krayin.seed(
        users=[
            {"id": 9, "name": "Nine", "email": "nine@example.com", "view_permission": "group", "status": 0}
        ],
        tokens=[{"user_id": 9, "token": "nine"}],
    )
    with krayin.client("nine") as client:
        assert client.get("/api/v1/leads").status_code == 200
        assert client.get("/api/v1/leads/search").status_code == 500


def test_unknown_attribute_types_break_every_write_of_the_entity(krayin, api, add_person):
    add_person()
    field = {"code": "size", "name": "N", "type": "integer", "entity_type": "persons"}
    assert api.post("/api/v1/settings/attributes", json=field).status_code == 200
    body = {
        "name": "X",
        "emails": [{"value": "x@e.de", "label": "w"}],
        "contact_numbers": [{"value": "1", "label": "w"}],
    }
    assert api.post("/api/v1/contacts/persons", json=body).status_code == 500
    assert len(krayin.records("persons")["persons"]) == 2
    assert api.get("/api/v1/contacts/persons/1").status_code == 200
