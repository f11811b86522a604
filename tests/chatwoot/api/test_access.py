"""What people type as address and token, and what is shown of it."""

from __future__ import annotations

import httpx
import pytest
from chatwoot.api.access import ApiAccess
from chatwoot.api.session import ApiSession
from chatwoot.errors import ChatwootApiUnusable


@pytest.mark.parametrize(
    ("typed", "where"),
    [
        ("https://app.chatwoot.com", "https://app.chatwoot.com"),
        (" https://App.Chatwoot.com:443/ \n", "https://app.chatwoot.com"),
        ("http://chatwoot:3000", "http://chatwoot:3000"),
        ("http://[::1]:3000/", "http://[::1]:3000"),
        ("https://example.com/support/", "https://example.com/support"),
        ("https://app.chatwoot.com/app/accounts/7/dashboard?x=1#y", "https://app.chatwoot.com"),
        ("https://app.chatwoot.com/app/login", "https://app.chatwoot.com"),
        ("https://app.chatwoot.com/api/v1", "https://app.chatwoot.com"),
        ("https://example.com/apps/accounts", "https://example.com/apps/accounts"),
    ],
)
def test_what_stands_in_an_address_bar_is_understood(typed, where):
    access = ApiAccess.of(typed, "token")
    assert (access.where, access.problem) == (where, None)


def test_a_password_in_the_address_is_used_and_not_shown():
    seen = []

    def reply(request):
        seen.append((str(request.url), request.headers["authorization"]))
        return httpx.Response(500)

    session = ApiSession(
        "https://staging:sesame@chat.example.com",
        "t",
        1,
        transport=httpx.MockTransport(reply),
        sleep=lambda _: None,
    )
    with pytest.raises(Exception, match="status 500") as caught:
        session.get("/contacts")
    assert "sesame" not in str(caught.value) + session.where + repr(ApiAccess.of("https://a:sesame@b", "t"))
    expected = httpx.BasicAuth("staging", "sesame")
    request = next(expected.auth_flow(httpx.Request("GET", "https://x")))
    assert set(seen) == {
        ("https://chat.example.com/api/v1/accounts/1/contacts", request.headers["authorization"])
    }


@pytest.mark.parametrize("typed", ["", "https://", "chat.example.com", "http://a:b:c", "https://u:sesame"])
def test_an_address_that_is_none_is_said_to_be_none_without_any_call(typed):
    session = ApiSession(typed, "t", 1, sleep=lambda _: pytest.fail("it waited"))
    with pytest.raises(ChatwootApiUnusable, match=r"looks like https://app\.chatwoot\.com") as caught:
        session.get("/contacts")
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("token", ["sesame\nsesame", "ses ame", "sésame", "sesame\u200b"])
def test_a_token_that_is_none_is_never_quoted(token):
    """The HTTP library quotes a header that it cannot send."""
    with pytest.raises(ChatwootApiUnusable, match="copy it again") as caught:
        ApiSession("http://127.0.0.1:9", token, 1, sleep=lambda _: None).get("/contacts")
    assert "same" not in str(caught.value).replace("https", "")
    assert token not in repr(ApiAccess.of("http://127.0.0.1:9", token))


def test_blanks_around_a_token_are_left_out():
    seen = []

    def reply(request):
        seen.append(request.headers["api_access_token"])
        return httpx.Response(200, json={})

    ApiSession("http://x", " token\n", 1, transport=httpx.MockTransport(reply)).get("/contacts")
    assert seen == ["token"]
