"""Which answers are Chatwoot's, which may pass, and which somebody must act upon."""

from __future__ import annotations

import httpx
import pytest
from chatwoot.api.session import ApiSession
from chatwoot.errors import ChatwootApiRefused, ChatwootApiUnreachable

NOT_FOUND = httpx.Response(404, json={"error": "Resource could not be found"})
NOT_MINE = httpx.Response(401, json={"error": "You are not authorized to do this action"})


def session_of(*answers, pauses=None):
    """A session to which these answers come, the last one again and again."""
    left = list(answers)

    def reply(_request):
        return left.pop(0) if len(left) > 1 else left[0]

    return ApiSession(
        "https://chat.example.com",
        "t",
        1,
        transport=httpx.MockTransport(reply),
        sleep=([] if pauses is None else pauses).append,
    )


def test_what_chatwoot_says_is_not_there_is_not_there():
    assert session_of(NOT_FOUND).find("/contacts/1") is None
    assert not session_of(NOT_FOUND).has("/contacts/1")


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404, text="404 page not found\n"),
        httpx.Response(404, text="default backend - 404"),
        httpx.Response(404),
        httpx.Response(404, json={"message": "no Route matched with those values"}),
    ],
)
def test_a_proxy_that_does_not_find_chatwoot_says_nothing_of_records(answer):
    """Traefik, an ingress and others answer 404 while Chatwoot restarts: nothing is gone for that."""
    with pytest.raises(ChatwootApiUnreachable, match="404 that is not Chatwoot's own"):
        session_of(answer).find("/contacts/1")
    with pytest.raises(ChatwootApiUnreachable):
        session_of(answer).has("/contacts/1")
    found = session_of(answer, answer, httpx.Response(200, json={"payload": {"id": 1}})).find("/contacts/1")
    assert found == {"payload": {"id": 1}}


@pytest.mark.parametrize("status", [408, 425, 500, 502, 503, 504, 524])
def test_what_may_pass_is_tried_again(status):
    pauses = []
    assert session_of(httpx.Response(status), httpx.Response(200, json=[]), pauses=pauses).get("/x") == []
    assert len(pauses) == 1


def test_an_answer_that_cannot_be_unpacked_is_tried_again():
    broken = httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"no gzip"))
    assert session_of(broken, httpx.Response(200, json=[])).get("/x") == []


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("0", 1.0), ("7", 7.0), ("3600", 120.0), ("²", None), ("soon", None)],
)
def test_how_long_to_wait_is_taken_within_bounds(given, seconds):
    pauses = []
    throttled = httpx.Response(429, headers=[(b"Retry-After", given.encode("latin-1"))])
    session_of(throttled, httpx.Response(200, json=[]), pauses=pauses).get("/x")
    assert len(pauses) == 1
    assert pauses[0] == seconds or (seconds is None and 0 < pauses[0] <= 61)


def test_what_an_agent_may_not_see_is_there_all_the_same():
    assert session_of(NOT_MINE, httpx.Response(200, json={"accounts": []})).has("/conversations/1")
    with pytest.raises(ChatwootApiRefused, match="access token"):
        session_of(NOT_MINE).has("/conversations/1")
