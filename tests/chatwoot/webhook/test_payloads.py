"""Every payload Chatwoot sends is taken or left alone as documented."""

from __future__ import annotations

import pytest
from chatwoot.webhook.payload_ids import SUBSCRIPTIONS, notice_of, parsed

from sandbox.chatwoot import webhooks
from tests.chatwoot.payloads import IGNORED, PAYLOADS, entities
from tests.chatwoot.webhook.test_receiver import FakeDesk, rows, signed, talk, template, url

__all__ = ["template", "url"]


def test_all_events_of_the_documentation_are_among_them() -> None:
    events = {payload["event"] for payload in PAYLOADS.values()}
    assert events == {*SUBSCRIPTIONS, "conversation_typing_on", "webwidget_triggered"}


@pytest.mark.parametrize("name", PAYLOADS)
def test_what_each_names(name: str) -> None:
    notice = notice_of(parsed(webhooks.encode(PAYLOADS[name])))
    assert [str(entity) for entity in notice.entities] == entities(name)
    assert notice.account_id in {1, None}


def test_each_is_kept_or_left_alone_and_a_private_note_s_words_never(url: str) -> None:
    answers = talk(FakeDesk(url), *(signed(payload) for payload in PAYLOADS.values()))
    said = {name: answer.json()["status"] for name, answer in zip(PAYLOADS, answers, strict=True)}
    assert said == {name: "ignored" if name in IGNORED else "accepted" for name in PAYLOADS}
    kept = rows(url)
    assert [row[2] for row in kept] == [entities(name) for name in PAYLOADS if name not in IGNORED]
    assert "wants a discount" not in repr(kept)


@pytest.mark.parametrize("name", sorted(set(PAYLOADS) - IGNORED))
def test_each_is_of_another_account_where_it_says_so(name: str) -> None:
    def with_account(value: object) -> object:
        if isinstance(value, dict):
            changed = {key: with_account(item) for key, item in value.items()}
            return {**changed, **({"account_id": 9} if "account_id" in changed else {})}
        return [with_account(item) for item in value] if isinstance(value, list) else value

    payload = with_account(PAYLOADS[name])
    assert isinstance(payload, dict)
    payload["account"] = {"id": 9, "name": "Another"}
    (answer,) = talk(FakeDesk(""), signed(payload))
    assert answer.status_code == 422
