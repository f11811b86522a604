"""The table of answers, against what a real Krayin 2.1.5 said."""

from __future__ import annotations

import pytest
from krayin.classification import ERRORS, RULES, Meaning, classify, error_of
from krayin.errors import (
    AuthenticationFailed,
    ConfigurationError,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    ServerFailed,
)

PASSED = {"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "58"}
GENERIC = {"message": "admin::app.common.internal-server-error"}
TAKEN = {
    "message": "The value has already been taken.",
    "errors": {"emails.0.value": ["The value has already been taken."]},
}


@pytest.mark.parametrize(
    ("status", "headers", "body", "near_limit", "meaning"),
    [
        (200, PASSED, {"data": {}}, False, Meaning.ANSWERED),
        (200, {}, [], False, Meaning.ANSWERED),
        (200, {}, None, False, Meaning.UNEXPECTED),
        (302, PASSED, None, False, Meaning.UNEXPECTED),
        (301, {}, None, True, Meaning.UNEXPECTED),
        (422, PASSED, TAKEN, False, Meaning.REJECTED),
        (
            400,
            PASSED,
            {"message": "Participants have another meeting at this time."},
            False,
            Meaning.REJECTED,
        ),
        (413, {}, None, False, Meaning.REJECTED),
        (401, {}, {"message": "admin::app.common.unauthenticated"}, True, Meaning.UNAUTHENTICATED),
        (403, {}, {"message": "no"}, False, Meaning.UNAUTHENTICATED),
        (403, {}, None, False, Meaning.UNEXPECTED),
        (404, PASSED, {"message": "admin::app.common.resource-not-found"}, False, Meaning.NOT_FOUND),
        (404, {}, {"message": "admin::app.common.resource-not-found"}, False, Meaning.ROUTE_MISSING),
        (404, {}, None, False, Meaning.ROUTE_MISSING),
        (405, {}, {"message": "The POST method is not supported"}, False, Meaning.ROUTE_MISSING),
        (
            429,
            {**PASSED, "Retry-After": "59"},
            {"message": "Too Many Attempts."},
            False,
            Meaning.RATE_LIMITED,
        ),
        (500, {}, GENERIC, True, Meaning.RATE_LIMITED),
        (500, {}, GENERIC, False, Meaning.TURNED_AWAY),
        (500, PASSED, GENERIC, True, Meaning.SERVER_FAILED),
        (500, PASSED, {"message": "Person deleted successfully."}, False, Meaning.SERVER_FAILED),
        # In whatever words: they are translated.
        (500, {}, {"message": "500 Error Interno del Servidor"}, True, Meaning.RATE_LIMITED),
        (500, {}, {"message": "Server Error"}, False, Meaning.TURNED_AWAY),
        (500, {}, None, True, Meaning.SERVER_FAILED),
        (502, {}, None, False, Meaning.SERVER_FAILED),
        (503, {"Retry-After": "30"}, {"message": "Service Unavailable"}, False, Meaning.SERVER_FAILED),
        (504, {}, None, True, Meaning.SERVER_FAILED),
        (418, {}, {"message": "teapot"}, False, Meaning.UNEXPECTED),
        (199, {}, None, False, Meaning.UNEXPECTED),
    ],
)
def test_the_meaning_of_an_answer(status, headers, body, near_limit, meaning):
    assert classify(status, headers, body, near_limit=near_limit).meaning is meaning


def test_without_a_limiter_its_missing_headers_tell_nothing():
    assert classify(500, {}, GENERIC, is_limited=False).meaning is Meaning.SERVER_FAILED
    assert classify(500, {}, GENERIC, near_limit=True, is_limited=False).meaning is Meaning.SERVER_FAILED
    assert classify(404, {}, {"message": "x"}, is_limited=False).meaning is Meaning.NOT_FOUND


def test_the_facts_are_read_from_headers_in_any_case():
    verdict = classify(
        429, {"x-ratelimit-LIMIT": "60", "X-RateLimit-Remaining": "0", "retry-after": "59"}, {"message": "x"}
    )
    assert (verdict.limit, verdict.remaining, verdict.retry_after) == (60, 0, 59.0)


def test_nonsense_in_headers_is_no_fact():
    verdict = classify(200, {"X-RateLimit-Limit": "many", "Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, {})
    assert (verdict.limit, verdict.retry_after) == (None, None)


def test_rejected_fields_come_out_whatever_their_shape():
    body = {"message": "x", "errors": {"a": ["one", "two"], "b": "three"}}
    assert dict(classify(422, PASSED, body).fields) == {"a": ("one", "two"), "b": ("three",)}
    assert dict(classify(422, PASSED, {"message": "x", "errors": "broken"}).fields) == {}


def test_a_redirect_is_named_without_its_query_and_user():
    verdict = classify(301, {"Location": "https://u:pw@crm.example.com/x?token=1|abc"}, None)
    assert "https://crm.example.com/x" in verdict.reason
    assert "abc" not in verdict.reason
    assert "pw" not in verdict.reason


def test_every_meaning_but_the_good_one_has_an_error():
    assert set(ERRORS) == set(Meaning) - {Meaning.ANSWERED}


def test_every_meaning_is_given_by_a_rule_and_the_last_rule_catches_all():
    assert {rule.meaning for rule in RULES} == set(Meaning)
    assert all(
        RULES[-1].fits(status=status, json=False, limiter=False, near_limit=False)
        for status in range(100, 1000)
    )


@pytest.mark.parametrize(
    ("status", "headers", "body", "repeatable", "kind"),
    [
        (500, PASSED, GENERIC, True, ServerFailed),
        (500, PASSED, GENERIC, False, OutcomeUnknown),
        (200, {}, None, False, OutcomeUnknown),
        (302, PASSED, None, False, OutcomeUnknown),
        (504, {}, None, False, OutcomeUnknown),
        (422, PASSED, TAKEN, False, Rejected),
        (404, {}, None, False, ConfigurationError),
        (401, {}, {"message": "x"}, False, AuthenticationFailed),
        (429, {}, {"message": "x"}, False, RateLimited),
    ],
)
def test_the_error_depends_on_whether_the_call_may_be_repeated(status, headers, body, repeatable, kind):
    verdict = classify(status, headers, body)
    error = error_of(verdict, method="POST", route="leads", status=status, repeatable=repeatable)
    assert type(error) is kind
    assert error.status == status
    assert error.route == "leads"


def test_a_rejection_names_the_fields_but_shows_no_value():
    body = {
        "message": "anna@example.com is taken",
        "errors": {"emails.0.value": ["anna@example.com is taken"]},
    }
    error = error_of(classify(422, PASSED, body), method="POST", route="leads", status=422, repeatable=False)
    assert str(error) == "POST leads: HTTP 422: Krayin refuses the content: emails.0.value"
    assert "anna" not in repr(error)
