"""Finding a contact, its record and what waits, over what real runs left in the sync database."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from reconciliation.run.request import RunRequest
from reconciliation.settings.sync_files import load_syncs
from reconciliation.web.page_context import PageContext

from tests.reconciliation.web.test_status_app import Browser, browser, signed_in

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from tests.reconciliation.world import World

OURS = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def audited() -> list[tuple[Any, ...]]:
    return []


@pytest.fixture
def around(tmp_path: Path, world: World, audited: list[tuple[Any, ...]]) -> PageContext:
    (tmp_path / "test.yaml").write_text(
        "name: test\nchatwoot: {account_id: 1, url: https://chat.example.com/}\n"
    )
    return PageContext(
        signed_in=signed_in,
        readable=lambda user: {} if user == "eve" else {"test__sync": False},
        login=lambda _: None,
        may_start=lambda user, dag_id: (user, dag_id) == ("ada", "test__sync"),
        audit=lambda *facts: audited.append(facts),
        syncs=lambda: load_syncs(tmp_path),
        sync_dsn=lambda: world.sync_url,
    )


def found(client: Browser, text: str) -> list[int]:
    answer = client.request("POST", "/krayin-sync/find", OURS, data={"text": text})
    assert answer.status_code == 200, answer.text
    return [int(number) for number in re.findall(r"records/test/(\d+)", answer.text)]


def post(client: Browser, address: str, headers: dict[str, str] | None = None, **data: Any) -> httpx.Response:
    return client.request("POST", f"/krayin-sync/{address}", OURS if headers is None else headers, data=data)


def test_a_contact_is_found_by_part_of_whatever_one_knows(around: PageContext, world: World) -> None:
    ada = world.add(name="Ada Lovelace", email="ada@example.com", phone_number="+4930123456")
    world.add(name="Bob 100% Underscore_", email="bob@example.org", phone_number="+493099")
    world.run()
    client = browser(around)
    person = world.persons()[0]["id"]
    for text in ("lovel", "ADA@Example", "0123456", "+49 30 12 34 56", str(ada), str(person)):
        assert ada in found(client, text), text
    assert found(client, "%%%") == []
    assert found(client, "100%") == [ada + 1]
    assert found(client, "ad") == []
    assert found(client, "nobody at all") == []
    # Once Krayin's list was read they are found in it as well.
    world.run(RunRequest())
    assert found(client, "lovel") == [ada]


def test_what_waits_for_a_person_is_found_too(around: PageContext, world: World) -> None:
    contact = ambiguous(world)
    assert contact in found(browser(around), "bob@example.com")


def test_the_text_stands_in_no_address(around: PageContext) -> None:
    assert browser(around).get("/krayin-sync/find?text=ada").text.count("ada") == 0


def test_a_record_shows_both_sides_and_what_was_done(around: PageContext, world: World) -> None:
    ada = world.add(name="Ada", email="ada@example.com")
    world.run()
    page = browser(around).get(f"/krayin-sync/records/test/{ada}").text
    person = world.persons()[0]["id"]
    assert f"/admin/contacts/persons/view/{person}" in page
    assert f"https://chat.example.com/app/accounts/1/contacts/{ada}" in page
    assert "ada@example.com" in page
    assert "person created" in page
    assert browser(around).get("/krayin-sync/records/test/999").status_code == 404
    assert browser(around).get("/krayin-sync/records/other/1").status_code == 404


def test_who_may_only_look_sees_ids_and_decides_nothing(
    around: PageContext, world: World, audited: list[tuple[Any, ...]]
) -> None:
    ada = world.add(name="Ada Lovelace", email="ada@example.com")
    ambiguous(world)
    viewer = browser(around, "vic")
    assert found(viewer, str(ada)) == [ada]
    assert found(viewer, "lovel") == found(viewer, "0123") == []
    pages = [viewer.get(f"/krayin-sync/{path}").text for path in (f"records/test/{ada}", "work")]
    assert [name for page in pages for name in ("Lovelace", "@example.com") if name in page] == []
    assert "<button" not in pages[1]
    assert post(viewer, "work/test", operations=[1]).status_code == 403
    assert post(viewer, "differences/test", decision="accept", findings=[1]).status_code == 403
    assert audited == []
    stranger = browser(around, "eve")
    assert stranger.get(f"/krayin-sync/records/test/{ada}").status_code == 404
    assert post(stranger, "work/test", operations=[1]).status_code == 404
    assert found(stranger, str(ada)) == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://testserver"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_a_form_of_another_site_does_nothing(
    around: PageContext, audited: list[tuple[Any, ...]], headers: dict[str, str]
) -> None:
    for address in ("find", "work/test", "differences/test"):
        assert (
            post(
                browser(around), address, headers, text="x", operations=[1], findings=[1], decision="accept"
            ).status_code
            == 403
        )
    assert audited == []


def test_an_older_browser_shows_by_its_origin_that_the_form_is_ours(around: PageContext) -> None:
    answer = post(browser(around), "find", {"Origin": "http://testserver"}, text="ada")
    assert answer.status_code == 200


def ambiguous(world: World) -> int:
    """A contact whose e-mail and phone belong to different persons in Krayin, planned once."""
    for name, email, phone in (
        ("One", "bob@example.com", "+4930111"),
        ("Two", "two@example.com", "+4930222"),
    ):
        world.api("POST", "contacts/persons", {
            "name": name, "entity_type": "persons",
            "emails": [{"value": email, "label": "work"}],
            "contact_numbers": [{"value": phone, "label": "work"}],
        })  # fmt: skip
    contact = world.add(name="Bob", email="bob@example.com", phone_number="+4930222")
    world.run()
    return contact


def test_what_waits_is_listed_by_reason_and_tried_again(
    around: PageContext, world: World, audited: list[tuple[Any, ...]]
) -> None:
    contact = ambiguous(world)
    client = browser(around)
    text = client.get("/krayin-sync/work").text
    assert "1 ambiguous person" in text
    assert f"records/test/{contact}" in text
    assert "person 1 person 2" in re.sub(r"\s+", " ", text)
    (operation,) = re.findall(r'name="operations" value="(\d+)"', text)
    answer = post(client, "work/test", operations=[operation])
    assert (answer.status_code, answer.headers["location"]) == (303, "../work?sync=test")
    assert audited == [("ada", "krayin_sync.replay", "test", f"operations {operation}")]
    assert "Nothing waits here" in client.get("/krayin-sync/work").text
    world.api("DELETE", "contacts/persons/2")
    world.run()
    assert "person adopted" in client.get(f"/krayin-sync/records/test/{contact}").text


def test_a_difference_is_accepted_and_that_is_taken_back(
    around: PageContext, world: World, audited: list[tuple[Any, ...]]
) -> None:
    ada = world.add(name="Ada", email="ada@example.com")
    world.run()
    with psycopg.connect(world.sync_url, autocommit=True) as connection:
        run = connection.execute("SELECT max(id) FROM krayin_sync.sync_run").fetchone()
        finding = connection.execute(
            "WITH seen AS (INSERT INTO krayin_sync.reconciliation (run_id, sync_name, scope_id, depth,"
            " finished_at) SELECT %s, 'test', scope_id, 'full', now()"
            " FROM krayin_sync.mapping LIMIT 1 RETURNING *) INSERT INTO krayin_sync.finding (reconciliation_id,"
            " sync_name, scope_id, key, source_kind, source_id, contact_id, crm_kind,"
            " crm_id, class, field, side, detail, repair, state)"
            " SELECT seen.id, 'test', seen.scope_id, 'k', 'contact',"
            " %s::text, %s, 'person', mapping.crm_id, 'changed', 'job_title', 'ours',"
            """ '{"chatwoot": "Engineer", "krayin": "Countess"}', 'update person', 'open'"""
            " FROM seen, krayin_sync.mapping WHERE crm_kind = 'person' RETURNING id",
            (run and run[0], ada, ada),
        ).fetchone()
    assert finding is not None
    client, record, differences = browser(around), f"records/test/{ada}", "differences/test"
    page = client.get(f"/krayin-sync/{record}").text
    assert ("Engineer" in page, "Countess" in page, "update person" in page) == (True, True, True)
    page = client.get(f"/krayin-sync/{differences}?class=changed&field=job_title&information=false").text
    assert ("Engineer" in page, f"records/test/{ada}" in page) == (True, True)
    assert "Engineer" not in client.get(f"/krayin-sync/{differences}?class=missing").text
    assert "Engineer" not in browser(around, "vic").get(f"/krayin-sync/{differences}").text
    answer = post(client, differences, decision="accept", findings=[finding[0]], contact_id=ada)
    assert (answer.status_code, answer.headers["location"]) == (303, f"../records/test/{ada}")
    assert "The difference was accepted" in client.get(f"/krayin-sync/{record}").text
    assert "Needs somebody" not in client.get(f"/krayin-sync/{differences}").text
    assert post(client, differences, decision="accept", findings=[finding[0]]).status_code == 409
    assert post(client, differences, decision="reopen", findings=[finding[0]]).status_code == 303
    assert "Accept Krayin" in client.get(f"/krayin-sync/{record}").text
    assert [event for _, event, _, _ in audited] == [
        "krayin_sync.finding_accept", "krayin_sync.finding_reopen",
    ]  # fmt: skip


def test_the_runs_of_a_sync_with_their_numbers(around: PageContext, world: World) -> None:
    assert "No run yet" in browser(around).get("/krayin-sync/runs/test").text
    world.add(name="Ada", email="ada@example.com")
    world.run()
    text = re.sub(r"\s+", " ", browser(around).get("/krayin-sync/runs/test").text)
    assert "1 lead, 1 person" in text
    with psycopg.connect(world.sync_url, autocommit=True) as connection:
        connection.execute(
            "UPDATE krayin_sync.sync_run SET state = 'loading', finished_at = NULL,"
            """ summary = summary || '{"done": 3, "waiting": 9, "remaining_seconds": 90}'"""
        )
    text = re.sub(r"\s+", " ", browser(around).get("/krayin-sync/runs/test").text)
    assert "3 of 12, about 1 min 30 s left" in text
