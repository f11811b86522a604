"""The account of a token: its own data, its password, forgotten passwords."""

from __future__ import annotations

import pytest


def test_a_new_password_is_confirmed_and_long_enough(api):
    refused = api.put(
        "/api/v1/update",
        json={"name": "N", "current_password": "short", "password": "abc", "password_confirmation": "abd"},
    )
    assert refused.status_code == 422
    assert refused.json()["errors"] == {
        "password": [
            "The password must be at least 6 characters.",
            "The password confirmation does not match.",
        ],
        "current_password": ["The current password must be at least 6 characters."],
    }


def test_the_present_password_must_be_right(api):
    answer = api.put("/api/v1/update", json={"name": "N", "current_password": "wrong-one"})
    assert (answer.status_code, answer.json()) == (400, {"message": "Current password does not match."})


def test_an_account_is_changed_and_logs_in_with_its_new_password(api, krayin):
    answer = api.put(
        "/api/v1/update",
        json={
            "name": "Renamed",
            "current_password": "admin123",
            "password": "new-secret",
            "password_confirmation": "new-secret",
        },
    )
    assert (answer.status_code, answer.json()["message"]) == (200, "Account changes saved successfully.")
    assert api.get("/api/v1/get").json()["data"]["name"] == "Renamed"
    login = {"email": "admin@example.com", "password": "new-secret", "device_name": "d"}
    assert api.post("/api/v1/login", json=login).status_code == 200


@pytest.mark.parametrize(
    ("email", "status", "message"),
    [
        ("admin@example.com", 200, "admin::app.sessions.forgot-password.reset-link-sent"),
        ("nobody@example.com", 400, "admin::app.sessions.forgot-password.email-not-exist"),
    ],
)
def test_a_forgotten_password_is_answered_with_an_untranslated_key(api, email, status, message):
    answer = api.post("/api/v1/forgot-password", json={"email": email})
    assert (answer.status_code, answer.json()) == (status, {"message": message})
