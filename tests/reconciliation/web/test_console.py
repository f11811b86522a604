"""Finding a contact, its record and what waits, over what real runs left in the sync database."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from reconciliation.admin.approval import ask
from reconciliation.run.request import RunRequest
from reconciliation.settings.sync_files import load_syncs
from reconciliation.store.incidents import open_incident
from reconciliation.web.page_context import PageContext

from tests.reconciliation.ledger_rows import Ledger
from tests.reconciliation.load.test_unknown import CREATE, later, lose, run
from tests.reconciliation.web.test_status_app import Browser, browser, signed_in
from tests.reconciliation.world import on_each_krayin

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from tests.reconciliation.world import World

OURS = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def audited() -> list[tuple[Any, ...]]:
    return []


@pytest.fixture
def started() -> list[tuple[Any, ...]]:
    return []


@pytest.fixture
def around(
    tmp_path: Path, world: World, audited: list[tuple[Any, ...]], started: list[tuple[Any, ...]]
) -> PageContext:
    (tmp_path / "test.yaml").write_text(
        "name: test\nchatwoot: {account_id: 1, url: https://chat.example.com/}\n"
    )
    return PageContext(
        signed_in=signed_in,
        readable=lambda user: {} if user == "eve" else {"test__sync": False},
        login=lambda _: None,
        may_start=lambda user, dag_id: (user, dag_id) == ("ada", "test__sync"),
        start=lambda *facts: started.append(facts) or "manual__1",
        question=lambda _: None,
        answer=lambda *_: None,
        audit=lambda *facts: audited.append(facts),
        syncs=lambda: load_syncs(tmp_path),
        open_sync=world.sync,
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
    assert post(viewer, "work/test", operations=[1], answer="new").status_code == 403
    assert post(viewer, "differences/test", decision="accept", findings=[1]).status_code == 403
    assert audited == []
    stranger = browser(around, "eve")
    assert stranger.get(f"/krayin-sync/records/test/{ada}").status_code == 404
    assert post(stranger, "work/test", operations=[1], answer="new").status_code == 404
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
    for address in ("find", "work/test", "differences/test", "decisions/test", "start/test"):
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
    operation = waiting(client)[0]
    answer = post(client, "work/test", operations=[operation], answer="replay")
    assert (answer.status_code, answer.headers["location"]) == (303, "../work?sync=test&decided=1&of=1")
    assert audited == [("ada", "krayin_sync.decide", "test__sync", f"replay, operations {operation}")]
    assert "Nothing waits here" in client.get("/krayin-sync/work").text
    world.api("DELETE", "contacts/persons/2")
    world.run()
    assert "person adopted" in client.get(f"/krayin-sync/records/test/{contact}").text


def waiting(client: Browser) -> list[int]:
    """The operations that wait, by their boxes."""
    found = re.findall(
        r'form="chosen-test" name="operations" value="(\d+)"', client.get("/krayin-sync/work").text
    )
    return [int(one) for one in found]


def decided(client: Browser) -> list[str]:
    """What was decided, as the page has it: who, decision, what became of it."""
    text = client.get("/krayin-sync/decisions/test").text
    rows = re.findall(r"<tr><td.*?</tr>", text, re.DOTALL)
    return [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", row)).strip() for row in rows]


def test_the_candidates_stand_side_by_side_with_what_each_shares(around: PageContext, world: World) -> None:
    ambiguous(world)
    (card,) = re.findall(r"<article.*?</article>", browser(around).get("/krayin-sync/work").text, re.DOTALL)
    card = re.sub(r"\s+", " ", card)
    first, second = card.split("Person 1</a>")[1].split("Person 2</a>")
    assert ("<mark>bob@example.com</mark>" in first, "Same e-mail" in first) == (True, True)
    assert ("<mark>+4930222</mark>" in second, "Same phone" in second) == (True, True)
    assert ("two@example.com" in second, "<mark>two" in second) == (True, False)


@pytest.mark.parametrize(("answer", "person"), [("this", 2), ("email", 1)])
def test_a_contact_becomes_the_person_that_somebody_chose(
    around: PageContext, world: World, answer: str, person: int
) -> None:
    contact = ambiguous(world)
    client = browser(around)
    post(
        client,
        "work/test",
        operations=waiting(client),
        answer=answer,
        **({"person": 2} if answer == "this" else {}),
    )
    assert decided(client)[0].endswith(f"ada contact {contact} is person {person} waits for the next run")
    # A change in Chatwoot meanwhile asks nothing anew.
    world.change(contact, name="Bobby")
    world.run()
    assert world.rows("SELECT crm_id, state, origin FROM mapping WHERE crm_kind = 'person'") == [
        (person, "linked", "adopted")
    ]
    assert waiting(client) == []
    assert "carried out" in decided(client)[0]


@on_each_krayin
def test_a_contact_that_is_nobody_there_gets_a_person_with_what_is_free(
    around: PageContext, world: World
) -> None:
    contact = ambiguous(world)
    client = browser(around)
    post(client, "work/test", operations=waiting(client), answer="new")
    world.run()
    ((person,),) = world.rows("SELECT crm_id FROM mapping WHERE crm_kind = 'person' AND state = 'linked'")
    shown = world.persons()[-1]
    assert (shown["id"], shown["name"]) == (person, "Bob")
    assert [one["value"] for one in shown["contact_numbers"] or []] == []
    assert [one["value"].partition("@")[0] for one in shown["emails"]] == [f"contact-{contact}"]
    # It stays apart from them, and what nobody else has comes with the next change.
    world.change(contact, name="Bobby", email="bobby@example.com")
    world.run()
    shown = world.persons()[-1]
    assert (shown["name"], [one["value"] for one in shown["emails"]]) == ("Bobby", ["bobby@example.com"])
    assert (waiting(client), len(world.persons())) == ([], 3)


def test_who_is_left_out_waits_for_nobody_and_is_no_difference(around: PageContext, world: World) -> None:
    contact = ambiguous(world)
    client = browser(around)
    post(client, "work/test", operations=waiting(client), answer="leave_out")
    assert waiting(client) == []
    world.change(contact, name="Bobby")
    world.api("DELETE", "contacts/persons/2")
    world.run(RunRequest(full=True))
    world.compared()
    assert world.rows("SELECT counts ->> 'in_scope' FROM reconciliation") == [("0",)]
    assert world.rows("SELECT count(*) FROM finding WHERE state NOT IN ('repaired', 'resolved')") == [(0,)]
    assert world.rows("SELECT DISTINCT state FROM mapping") == [("quarantined",)]
    # Taken back, the question is there again; with one candidate left it answers itself.
    ((decision,),) = world.rows("SELECT id FROM decision")
    assert post(client, "decisions/test", decisions=[decision]).status_code == 303
    (operation,) = waiting(client)
    post(client, "work/test", operations=[operation], answer="replay")
    world.run()
    assert world.persons()[0]["name"] == "One"
    assert world.rows("SELECT DISTINCT state FROM mapping") == [("linked",)]


def test_a_decision_is_taken_back_until_it_is_carried_out(
    around: PageContext, world: World, audited: list[tuple[Any, ...]]
) -> None:
    contact = ambiguous(world)
    client = browser(around)
    (operation,) = waiting(client)
    post(client, "work/test", operations=[operation], answer="this", person=2)
    ((decision,),) = world.rows("SELECT id FROM decision")
    assert post(browser(around, "vic"), "decisions/test", decisions=[decision]).status_code == 403
    assert post(client, "decisions/test", decisions=[decision]).status_code == 303
    assert audited[-1] == ("ada", "krayin_sync.undo", "test__sync", f"decisions {decision}")
    assert "taken back by ada" in decided(client)[0]
    world.run()
    assert waiting(client) == [operation]
    assert "Person 2" in client.get("/krayin-sync/work").text
    post(client, "work/test", operations=[operation], answer="this", person=2)
    world.run()
    last = world.rows("SELECT max(id) FROM decision")[0][0]
    assert post(client, "decisions/test", decisions=[last]).status_code == 409
    assert world.rows("SELECT crm_id FROM mapping WHERE crm_kind = 'person'") == [(2,)]
    assert contact in found(client, "two@example.com")


def test_the_page_starts_what_one_may_start(
    around: PageContext, world: World, started: list[tuple[Any, ...]]
) -> None:
    client = browser(around)
    answer = post(client, "start/test", what="sync", contact_id=7)
    assert answer.headers["location"] == "../runs/test?dag=test__sync&started=manual__1"
    assert started == [("ada", "test__sync", {"contact_ids": "7"})]
    assert post(client, "start/test", what="recover", happened="emptied on purpose").status_code == 403
    assert post(browser(around, "vic"), "start/test", what="sync").status_code == 403
    assert len(started) == 1


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
    assert ("Engineer" in page, "Countess" in page, "Chatwoot's value counts" in page) == (True, True, True)
    page = client.get(f"/krayin-sync/{differences}?class=changed&field=job_title&information=false").text
    assert ("Engineer" in page, f"records/test/{ada}" in page) == (True, True)
    assert "Engineer" not in client.get(f"/krayin-sync/{differences}?class=missing").text
    assert "Engineer" not in browser(around, "vic").get(f"/krayin-sync/{differences}").text
    answer = post(client, differences, decision="accept", findings=[finding[0]], contact_id=ada)
    assert (answer.status_code, answer.headers["location"]) == (303, f"../records/test/{ada}")
    assert "the difference was accepted" in client.get(f"/krayin-sync/{record}").text
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


def cells(client: Browser, address: str, *, now: bool, field: str) -> list[str]:
    """One field of a record's table as text: Chatwoot, sent last, Krayin, which counts and why."""
    answer = post(client, address) if now else client.get(f"/krayin-sync/{address}")
    assert answer.status_code == 200, answer.text
    (row,) = re.findall(rf"<tr[^>]*><td>{field}</td>.*?</tr>", answer.text, re.DOTALL)
    return [
        re.sub(r"<[^>]+>|\s+", " ", one).strip() for one in re.findall(r"<td[ >].*?</td>", row, re.DOTALL)[1:]
    ]


@on_each_krayin
def test_both_sides_are_read_when_somebody_asks(around: PageContext, world: World) -> None:
    ada = world.add(
        name="Ada",
        email="ada@example.com",
        phone_number="+4930123456",
        additional_attributes={"company_name": "Engines"},
    )
    world.run()
    person = world.persons()[0]
    client, address = browser(around), f"records/test/{ada}"
    calls = "SELECT count(*) FROM api_call"
    before = world.rows(calls)
    assert cells(client, address, now=False, field="name")[:3] == ["Ada", "Ada", "Ada"]
    assert world.rows(calls) == before
    world.change(ada, name="Ada King")
    *sides, why = cells(client, address, now=True, field="name")
    assert (sides, why.split(":")[0]) == (["Ada King", "Ada", "Ada"], "Chatwoot's value counts")
    *sides, why = cells(client, address, now=True, field="emails")
    assert (sides[0], why) == ("ada@example.com", "Equal now.")
    lanes = world.rows("SELECT DISTINCT lane FROM api_call WHERE run_id IS NULL")
    assert lanes == [(0,)]
    # A salesperson's own name is kept, and the page says so.
    kept = {one: person[one] for one in ("emails", "contact_numbers")}
    edited = {"name": "Countess Ada", **kept, "user_id": 1}
    world.api("PUT", f"contacts/persons/{person['id']}", edited)
    *sides, why = cells(client, address, now=True, field="name")
    assert sides == ["Ada King", "Ada", "Countess Ada"]
    assert why.startswith("Krayin's value counts: somebody edited it there")
    assert post(browser(around, "vic"), address).status_code == 403
    world.chatwoot("DELETE FROM contacts")
    assert "Chatwoot does not have it" in post(client, address).text
    world.api("DELETE", f"leads/{world.leads()[0]['id']}")
    assert "not in Krayin any more" in post(client, address).text


def test_a_side_that_cannot_be_read_is_told(around: PageContext, world: World) -> None:
    ada = world.add(name="Ada", email="ada@example.com")
    world.run()
    world.reader = "postgresql://nobody@127.0.0.1:1/none"
    text = post(browser(around), f"records/test/{ada}").text
    assert "Not read just now" in text
    assert "ada@example.com" in text


def test_a_record_tells_what_happened_to_it(around: PageContext, world: World) -> None:
    contact = ambiguous(world)
    client = browser(around)
    post(client, "work/test", operations=waiting(client), answer="email")
    with psycopg.connect(world.sync_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO krayin_sync.inbox_event (sync_name, event, entities, signed, content_hash, body)"
            " VALUES ('test', 'contact_updated', %s, true, '', '')",
            ([f"contact:{contact}"],),
        )
    world.run()
    text = client.get(f"/krayin-sync/records/test/{contact}").text
    told = re.sub(r"<[^>]+>|\s+", " ", text.partition("<h2>What happened")[2])
    for what in (
        "Webhook: contact updated", "Decided by ada", "is person 1", "Planned: contact", "person adopted",
        "Call: POST leads",
    ):  # fmt: skip
        assert what in told, what
    assert "@example.com" not in told


def test_an_incident_is_answered_by_who_may(
    around: PageContext, world: World, started: list[tuple[Any, ...]]
) -> None:
    world.add(name="Ada", email="ada@example.com")
    world.run()
    with psycopg.connect(world.sync_url, autocommit=True) as connection:
        open_incident(connection, kind="chatwoot_fewer", sentence="Half is gone.", facts={}, sync_name="test")
    able = replace(
        around,
        readable=lambda _: {"test__sync": False, "krayin_recover": False},
        may_start=lambda user, _: user == "ada",
    )
    assert "What happened?" not in browser(able, "vic").get("/krayin-sync/").text
    text = browser(able).get("/krayin-sync/").text
    (offered,) = re.findall(r'name="happened" value="([^"]+)"', text)
    assert offered == "Chatwoot is right as it shows itself"
    assert post(browser(able), "start/test", what="recover", happened=offered).status_code == 303
    assert started == [("ada", "krayin_recover", {"sync": "test", "happened": offered, "make_again": False})]


def test_a_preview_shows_values_to_those_who_may_start_the_sync_only(
    around: PageContext, world: World, audited: list[tuple[Any, ...]]
) -> None:
    ada = world.add(name="Ada Lovelace", email="ada@example.com")
    operator, viewer = browser(around), browser(around, "vic")
    asked = post(operator, "preview/test", text="ada@example.com, 999")
    assert (asked.status_code, asked.headers["location"]) == (303, "test/1")
    assert audited[-1][1:] == ("krayin_sync.preview", "test__sync", "run 1, 2 contacts")
    shown, hidden = (one.get("/krayin-sync/preview/test/1").text for one in (operator, viewer))
    assert "Ada Lovelace" in shown
    assert "leads.create: always" in hidden
    assert f"Contact {ada}" in hidden
    assert [one for one in ("Lovelace", "@example.com") if one in hidden] == []
    assert "<main data-seconds" not in shown
    # It is no run of the sync: the status page and the pages of others know nothing of it.
    assert world.rows("SELECT kind, state, dry_run FROM sync_run") == [("preview", "done", True)]
    assert viewer.get("/krayin-sync/preview/test/2").status_code == 404
    assert post(viewer, "preview/test", text="1").status_code == 403


def test_a_preview_that_cannot_be_made_says_why(around: PageContext, world: World) -> None:
    client = browser(around)
    for text in ("nobody@example.com", ""):
        assert "No contact in Chatwoot is meant by that" in post(client, "preview/test", text=text).text
    ada = world.add(name="Ada", email="ada@example.com")
    around = replace(around, open_sync=lambda name: world.sync(name, lead_pipeline_id=99))
    post(browser(around), "preview/test", text=str(ada))
    assert "lead_pipeline_id: 99 does not exist" in client.get("/krayin-sync/preview/test/1").text


def test_a_held_plan_is_answered_where_it_is_asked_about(
    around: PageContext, world: World, audited: list[tuple[Any, ...]]
) -> None:
    contacts = [world.add(name=f"C {number}", email=f"c{number}@example.com") for number in range(3)]
    world.run()
    for contact in contacts:
        world.change(contact, name="Secret name")
    limits = {"max_changes_without_approval": {"number": 1, "share": 0.1}}
    assert world.run(**limits).summary["held"] == 3
    given: list[tuple[Any, ...]] = []
    asking = replace(around, question=lambda dag_id: "asset__1", answer=lambda *facts: given.append(facts))
    assert "being put together" in browser(asking).get("/krayin-sync/work").text
    with psycopg.connect(world.sync_url, autocommit=True) as connection:
        connection.execute("SET search_path = krayin_sync")
        ask(connection, "test", "asset__1")
    text = re.sub(r"<[^>]+>|\s+", " ", browser(asking).get("/krayin-sync/work").text)
    assert "3 changes to Krayin wait for approval" in text
    assert "Records: 3 contacts" in text
    assert re.search(r"Fields: (lead title|person name) 3", text)
    assert "Secret name" not in text
    assert 'name="option"' not in browser(asking, "vic").get("/krayin-sync/work").text
    form = {"what": "approval", "run_id": "asset__1", "option": "Approve"}
    assert post(browser(asking, "vic"), "answers/test", **form).status_code == 403
    assert post(browser(asking), "answers/test", **form).headers["location"] == "../work?told=Approve"
    assert given == [("ada", "test__approval", "asset__1", "Approve")]
    assert audited[-1][1:] == ("krayin_sync.answer", "test__approval", "Approve, run asset__1")


@pytest.mark.parametrize("is_planned_anew", [False, True])
@pytest.mark.parametrize("answer", ["this", "new"])
def test_of_several_leads_somebody_says_which_it_is(
    around: PageContext, world: World, answer: str, *, is_planned_anew: bool
) -> None:
    ada = world.add(name="Ada", email="ada@example.com", phone_number="+4930555")
    lose(world, **CREATE)
    run(world)
    (lead,) = world.leads()
    world.api("PUT", f"leads/attributes/edit/{lead['id']}", {"description": "rewritten"})
    person = world.persons()[0]["id"]
    world.api("POST", "leads", {"title": "Typed", "lead_pipeline_stage_id": 1, "person_id": person})
    later(world)
    run(world)
    client = browser(around)
    (operation,) = waiting(client)
    text = client.get("/krayin-sync/work").text
    assert all(f"/admin/leads/view/{number}" in text for number in (1, 2))
    assert "Leave out" not in text.partition("<article")[2].partition("</article")[0]
    post(client, "work/test", operations=[operation], answer="leave_out")
    assert waiting(client) == [operation]
    post(
        client,
        "work/test",
        operations=[operation],
        answer=answer,
        **({"person": 2} if answer == "this" else {}),
    )
    if is_planned_anew:
        world.change(ada, name="Ada Lovelace")
    world.run()
    linked = world.rows("SELECT crm_id FROM mapping WHERE crm_kind = 'lead'")
    assert (linked, len(world.leads())) == (([(2,)], 2) if answer == "this" else ([(3,)], 3))
    said = re.sub(r"<[^>]+>", "", client.get("/krayin-sync/decisions/test").text)
    assert ("its lead is lead 2" if answer == "this" else "gets a new lead") in said
    assert waiting(client) == []


def test_stages_have_names_on_every_page(around: PageContext, world: World) -> None:
    ada = world.add(name="Ada", email="ada@example.com", phone_number="+4930555")
    world.run()
    ledger = Ledger(world.sync_url, "test")
    moved = {"contact_id": ada, "crm_kind": "lead", "crm_id": 1, "field": "stage", "side": "theirs"}
    compared = ledger.reconciliation(ledger.run(kind="reconcile"), {})
    ledger.finding(compared, "moved_stage", **moved, detail={"wanted": 2, "krayin": 987})
    ledger.insert_raw("UPDATE finding SET scope_id = (SELECT scope_id FROM mapping LIMIT 1)")
    client = browser(around)
    shown = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", client.get("/krayin-sync/differences/test").text))
    assert "stage is behind: stage Follow Up 987" in shown
    file = client.get("/krayin-sync/differences/test/differences.csv").text
    assert ",Follow Up,987," in file
    assert cells(client, f"records/test/{ada}", now=False, field="stage")[0:3:2] == ["Follow Up", "987"]


def test_who_has_the_address_that_krayin_refused_is_shown(around: PageContext, world: World) -> None:
    ada = world.add(name="Ada", email="ada@example.com", phone_number="+4930555")
    world.run()
    has_it = {
        "name": "Countess",
        "emails": [{"value": "countess@example.com", "label": "work"}],
        "contact_numbers": [{"value": "+4930777", "label": "work"}],
    }
    (other,) = world.krayin.seed(persons=[has_it])["persons"]
    world.change(ada, email="countess@example.com")
    run(world)
    later(world)
    run(world)
    text = browser(around).get("/krayin-sync/work").text
    card = re.sub(r"\s+", " ", text.partition("<article")[2].partition("</article")[0])
    assert "address refused" in card
    assert f"/admin/contacts/persons/view/{other}" in card
    assert "<mark>countess@example.com</mark>" in card
    assert "It is this person" not in card
    assert "They are the persons" not in text
