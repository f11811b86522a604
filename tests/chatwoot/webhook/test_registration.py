from __future__ import annotations

import json

import httpx
import pytest
from chatwoot.api.session import ApiSession
from chatwoot.errors import ChatwootApiRefused, ChatwootApiUnreachable
from chatwoot.webhook.payload_ids import SUBSCRIPTIONS
from chatwoot.webhook.registration import is_private, register

URL = "https://airflow.example.com/chatwoot/webhooks/shop"
TOKEN = "token-of-an-administrator"


def session(answer, token=TOKEN):
    return ApiSession(
        "https://chat.example.com/", token, 3, transport=httpx.MockTransport(answer), sleep=lambda _: None
    )


class Chatwoot:
    """The webhook routes of a Chatwoot account."""

    def __init__(self, *webhooks, signs=True):
        self.webhooks = [dict(webhook) for webhook in webhooks]
        self.signs = signs
        self.calls = []

    def api(self, token=TOKEN):
        return session(self.answer, token)

    def answer(self, request):
        self.calls.append(request.method)
        assert request.url.path.startswith("/api/v1/accounts/3/webhooks")
        if request.headers["api_access_token"] != TOKEN:
            return httpx.Response(401, json={"error": "Invalid Access Token"})
        body = json.loads(request.content or "{}")
        if request.method == "GET":
            return httpx.Response(200, json={"payload": {"webhooks": self.webhooks}})
        if request.method == "POST":
            made = {"id": len(self.webhooks) + 1, "account_id": 3, **body}
            if self.signs:
                made["secret"] = "madeByChatwoot"
            self.webhooks.append(made)
            return httpx.Response(200, json={"payload": {"webhook": made}})
        found = next(each for each in self.webhooks if str(each["id"]) == request.url.path.rsplit("/", 1)[1])
        found.update(body)
        return httpx.Response(200, json={"payload": {"webhook": found}})


def entry(number, url=URL, subscriptions=SUBSCRIPTIONS):
    return {
        "id": number,
        "url": url,
        "account_id": 3,
        "subscriptions": list(subscriptions),
        "secret": f"s{number}",
    }


def test_a_webhook_is_made_with_what_a_sync_needs_and_found_the_next_time():
    chatwoot = Chatwoot(entry(1, "https://elsewhere.example.com"))
    first = register(chatwoot.api(), URL)
    again = register(chatwoot.api(), URL)
    assert (first.done, again.done) == ("made", "found")
    assert first.webhook == again.webhook
    assert first.webhook.secret == "madeByChatwoot"
    assert first.webhook.subscriptions == {
        "contact_created", "contact_updated", "conversation_created", "conversation_status_changed",
        "conversation_updated", "message_created", "message_updated",
    }  # fmt: skip
    assert chatwoot.calls == ["GET", "POST", "GET"]
    assert chatwoot.webhooks[0] == entry(1, "https://elsewhere.example.com")


def test_missing_subscriptions_are_added_and_others_stay():
    chatwoot = Chatwoot(entry(1, subscriptions=["contact_created", "webwidget_triggered"]))
    found = register(chatwoot.api(), URL)
    assert found.done == "changed"
    assert found.webhook.secret == "s1"
    assert set(chatwoot.webhooks[0]["subscriptions"]) == {*SUBSCRIPTIONS, "webwidget_triggered"}


def test_an_old_chatwoot_gives_no_secret():
    assert register(Chatwoot(signs=False).api(), URL).webhook.secret is None


def test_a_refused_token_says_whose_it_must_be_and_is_not_shown():
    with pytest.raises(ChatwootApiRefused) as caught:
        register(Chatwoot().api("wrong-token"), URL)
    assert caught.value.status == 401
    assert "administrator" in str(caught.value)
    assert "wrong-token" not in str(caught.value) + repr(caught.value)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(422, json={"message": "Url is taken"}), ChatwootApiRefused),
        (httpx.Response(404, text="<html>"), ChatwootApiUnreachable),
        (httpx.Response(429, text="Retry later"), ChatwootApiUnreachable),
        (httpx.Response(408), ChatwootApiUnreachable),
        (httpx.Response(500), ChatwootApiUnreachable),
        (httpx.Response(302, headers={"Location": "/app/login"}), ChatwootApiUnreachable),
        (httpx.Response(200, text="<html>"), ChatwootApiUnreachable),
        (httpx.Response(200, json=[]), ChatwootApiUnreachable),
        (httpx.Response(200, json={"payload": {"webhooks": [{"id": 1}]}}), ChatwootApiUnreachable),
        (httpx.ConnectError("refused"), ChatwootApiUnreachable),
    ],
)
def test_other_answers_are_told_apart(answer, error):
    def reply(request):
        if isinstance(answer, Exception):
            raise answer
        return answer

    with pytest.raises(error) as caught:
        register(session(reply), URL)
    assert "https://chat.example.com" in str(caught.value)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "said"),
    [(401, "Account is suspended"), (403, "API access is not enabled"), (404, "Resource could not be found")],
)
def test_a_refusal_tells_chatwoots_reason_and_the_account(status, said):
    with pytest.raises(ChatwootApiRefused, match=f"{said}.*account 3"):
        register(session(lambda _: httpx.Response(status, json={"error": said})), URL)


def test_secrets_are_not_shown():
    assert "s1" not in repr(register(Chatwoot(entry(1)).api(), URL))


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("https://airflow.example.com/x", False),
        ("https://8.8.8.8/x", False),
        ("http://localhost:8080/x", True),
        ("http://api-server:8080/x", True),
        ("http://airflow.local/x", True),
        ("http://10.1.2.3/x", True),
        ("http://100.64.0.9/x", True),
        ("http://[::1]:8080/x", True),
        ("http://[fd00::1]/x", True),
    ],
)
def test_addresses_chatwoot_refuses_are_known(url, private):
    assert is_private(url) is private
