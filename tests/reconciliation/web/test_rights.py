"""Who sees and does what, route by route: a stranger, a viewer, an operator, and nobody at all."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from reconciliation.settings.sync_files import load_syncs
from reconciliation.web.page_context import PageContext

from tests.reconciliation.web.test_console import OURS, ambiguous
from tests.reconciliation.web.test_status_app import addresses, browser, signed_in

if TYPE_CHECKING:
    from pathlib import Path

    from tests.reconciliation.world import World

VALUES = ("Lovelace", "ada@example.com", "+4930555", "bob@example.com", "4930222", "Countess")
FORMS: dict[str, dict[str, Any]] = {
    "find": {"text": "lovelace"},
    "records": {},
    "differences": {"decision": "accept", "findings": [1]},
    "work": {"operations": [1], "answer": "replay"},
    "decisions": {"decisions": [1]},
    "start": {"what": "sync"},
    "answers": {"what": "approval", "run_id": "manual__1", "option": "Approve"},
    "preview": {"text": "ada@example.com, 999"},
}
STRANGER, VIEWER, OPERATOR = "eve", "vic", "ada"


@pytest.fixture
def audited() -> list[tuple[Any, ...]]:
    return []


@pytest.fixture
def around(tmp_path: Path, world: World, audited: list[tuple[Any, ...]]) -> PageContext:
    """Contact 1 differs in Krayin, contact 2 waits for a decision."""
    (tmp_path / "test.yaml").write_text(
        "name: test\nchatwoot: {account_id: 1, url: https://chat.example.com/}\n"
    )
    world.add(name="Ada Lovelace", email="ada@example.com", phone_number="+4930555")
    world.run()
    (person,) = world.persons()
    kept = {one: person[one] for one in ("emails", "contact_numbers")}
    world.api("PUT", f"contacts/persons/{person['id']}", {**kept, "name": "Countess", "user_id": 1})
    ambiguous(world)
    world.compared(repairing=False)
    return PageContext(
        signed_in=signed_in,
        readable=lambda user: {} if user == STRANGER else {"test__sync": False, "test__reconcile": False},
        login=lambda _: None,
        may_start=lambda user, _: user == OPERATOR,
        start=lambda *_: "manual__1",
        question=lambda _: None,
        answer=lambda *_: None,
        audit=lambda *facts: audited.append(facts),
        syncs=lambda: load_syncs(tmp_path),
        open_sync=world.sync,
        sync_dsn=lambda: world.sync_url,
    )


def routes(around: PageContext) -> list[tuple[str, str, dict[str, Any]]]:
    """Every route there is, with a form that a page would send."""
    return [
        (method, address, FORMS[address.split("/")[2]] if method == "POST" else {})
        for address, methods in addresses(around).items()
        for method in sorted(methods)
    ]


def asked(
    around: PageContext, user: str | None, headers: dict[str, str] = OURS
) -> dict[tuple[str, str], Any]:
    client = browser(around, user)
    return {
        (method, address.removeprefix("/krayin-sync/")): client.request(
            method, address, headers, **({"data": form} if form else {})
        )
        for method, address, form in routes(around)
    }


def told(answers: dict[tuple[str, str], Any]) -> list[tuple[str, str, str]]:
    """Where a value of a customer stands in what was answered; what was searched for stands in its own field."""
    return [
        (method, address, value)
        for (method, address), answer in answers.items()
        for value in VALUES
        if value in answer.text + str(answer.headers)
    ]


def test_a_stranger_sees_no_sync_and_does_nothing(
    around: PageContext, audited: list[tuple[Any, ...]]
) -> None:
    answers = asked(around, STRANGER)
    allowed = {where for where, answer in answers.items() if answer.status_code == 200}
    assert allowed == {("GET", ""), ("GET", "find"), ("POST", "find"), ("GET", "work")}
    assert {answer.status_code for answer in answers.values()} == {200, 404}
    assert (told(answers), audited) == ([], [])
    assert [where for where in allowed if "runs/test" in answers[where].text] == []


def test_a_viewer_sees_ids_and_decides_nothing(
    around: PageContext, world: World, audited: list[tuple[Any, ...]]
) -> None:
    answers = asked(around, VIEWER)
    refused = {where for where, answer in answers.items() if answer.status_code == 403}
    assert refused == {(method, address) for method, address in answers if method == "POST"} - {
        ("POST", "find")
    }
    assert told(answers) == []
    assert world.rows("SELECT count(*) FROM decision") == [(0,)]
    assert [event for _, event, *_ in audited] == ["krayin_sync.download"]
    assert "contact 1" in answers["GET", "differences/test"].text
    assert ("<button" in answers["GET", "work"].text, "Contact 2" in answers["GET", "work"].text) == (
        False,
        True,
    )


def test_an_operator_sees_values_and_decides(
    around: PageContext, world: World, audited: list[tuple[Any, ...]], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        answers = asked(around, OPERATOR)
    assert {answer.status_code for answer in answers.values()} - {200, 303, 404, 409} == set()
    seen = {value for *_, value in told(answers)}
    assert {"Lovelace", "ada@example.com", "Countess", "bob@example.com"} <= seen
    # Nothing of it stands where it would stay: in an address, a cache, a log.
    for answer in answers.values():
        assert answer.headers["cache-control"] == "private, no-store"
        assert [value for value in VALUES if value in answer.headers.get("location", "")] == []
    assert [value for value in VALUES if value in caplog.text + str(audited)] == []
    assert len(audited) >= 2


def test_without_a_session_and_from_another_site_nothing_is_answered(
    around: PageContext, world: World, audited: list[tuple[Any, ...]]
) -> None:
    assert {answer.status_code for answer in asked(around, None).values()} == {401}
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {}):
        answers = asked(around, OPERATOR, headers)
        forms = {answer.status_code for (method, _), answer in answers.items() if method == "POST"}
        assert forms == {403}
    assert world.rows("SELECT count(*) FROM decision") == [(0,)]
    assert {event for _, event, *_ in audited} == {"krayin_sync.download"}
