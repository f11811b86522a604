"""Every number that the pages and the report show is what a plain count in both stand-ins' tables gives."""

from __future__ import annotations

import gzip
import json
import re
from html import unescape
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.rows import dict_row
from reconciliation.admin.contact_erasure import erase
from reconciliation.run.request import RunRequest
from reconciliation.settings.sync_files import load_syncs
from reconciliation.store.decisions import Answer, decide
from reconciliation.store.reports import PAGE, fetch
from reconciliation.web.page_context import PageContext
from reconciliation.web.run_report import make_report

from sandbox.chatwoot import changes
from tests.reconciliation import data_world
from tests.reconciliation.load.test_unknown import later
from tests.reconciliation.test_numbers import REPAIR, reconcile, talk
from tests.reconciliation.truth import PROBES, TABLES, Truth, report_rows
from tests.reconciliation.web.test_status_app import Browser, browser, signed_in
from tests.reconciliation.world import on_each_krayin

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reconciliation.store.run_rows import Run

    from tests.reconciliation.world import World

UNASKED = {"max_removals_without_approval": {"number": 1000, "share": 1.0}}


class Both:
    """The tables of the stand-ins as they are now; nothing of ours is asked."""

    def __init__(self, world: World) -> None:
        with psycopg.connect(world.chatwoot_url, row_factory=dict_row) as connection:
            contacts = connection.execute(
                "SELECT id, name, email, phone_number AS phone FROM contacts WHERE account_id = 1 AND NOT blocked"
                " AND (coalesce(email, '') <> '' OR coalesce(phone_number, '') <> '') ORDER BY id"
            ).fetchall()
        self.records = world.krayin.records(*TABLES.values())
        self.contacts = {row["id"]: row for row in contacts}
        leads = {row["person_id"]: row for row in self.records["leads"]}
        persons = {number: self.persons(row) for number, row in self.contacts.items()}
        self.ambiguous = {
            number for number, found in persons.items() if len({row["id"] for row in found}) > 1
        }
        one = {
            number: found[0] for number, found in persons.items() if found and number not in self.ambiguous
        }
        self.missing = set(self.contacts) - self.ambiguous - set(one)
        self.named_otherwise = {
            number for number, person in one.items() if person["name"] != self.contacts[number]["name"]
        }
        self.without_lead = {number for number, person in one.items() if person["id"] not in leads}
        # A lead is titled by its contact's name.
        self.titled_otherwise = {
            number
            for number, person in one.items()
            if person["id"] in leads and leads[person["id"]]["title"] != self.contacts[number]["name"]
        }
        theirs = {row["id"] for found in persons.values() for row in found}
        self.gone = {
            row["id"]
            for row in self.records["persons"]
            if row["id"] not in theirs and any(re.match(r"p\d+@", mail) for mail in values(row["emails"]))
        }

    def persons(self, contact: dict[str, Any]) -> list[dict[str, Any]]:
        """The persons with the contact's e-mail or phone."""
        return [
            row
            for row in self.records["persons"]
            if contact["email"] in values(row["emails"]) or contact["phone"] in values(row["contact_numbers"])
        ]

    def ids(self) -> dict[str, set[int]]:
        return {
            kind: {row["id"] for row in self.records[table] if row.get("type") != "system"}
            for kind, table in TABLES.items()
        }


def values(rows: Any) -> set[str]:

    rows = json.loads(rows) if isinstance(rows, str) else rows
    return {row["value"] for row in rows or []}


class Pages:
    """What the pages of a world's sync say, and what was called meanwhile."""

    def __init__(self, world: World, folder: Path) -> None:
        (folder / "test.yaml").write_text("name: test\nchatwoot: {account_id: 1}\n")
        self.world = world
        self.calls = self.acts = 0
        self.truth = Truth(world)
        around = PageContext(
            signed_in=signed_in,
            readable=lambda _: {"test__sync": False, "test__reconcile": False},
            login=lambda _: None,
            may_start=lambda *_: True,
            start=lambda *_: "",
            question=lambda _: None,
            answer=lambda *_: None,
            audit=lambda *_: None,
            syncs=lambda: load_syncs(folder),
            open_sync=world.sync,
            sync_dsn=lambda: world.sync_url,
        )
        self.browser: Browser = browser(around)

    def words(self, address: str) -> str:
        answer = self.browser.get(f"/krayin-sync/{address}")
        assert answer.status_code == 200, answer.text
        return plain(answer.text)

    def act(self, what: Callable[[], Any]) -> Any:
        """Let something happen, and count the calls that it makes."""
        self.world.krayin.clear_calls()
        done = what()
        self.calls += len(self.world.krayin.calls())
        self.acts += 1
        return done

    def run(self, act: Callable[[], Run]) -> Run:
        """Let a run happen, and check what is said of it; how near its forecast is, is another test's."""
        run: Run = self.act(lambda: self.truth.run(act, forecast=False))
        self.check_shown(run, Both(self.world))
        return run

    # --- what is checked ----------------------------------------------------------------------

    def check_run(self, before: Both, after: Both) -> None:
        """The newest row of the page of runs against what came into Krayin's tables."""
        text = self.browser.get("/krayin-sync/runs/test").text
        row = re.search(r"<tr>(<td>.*?)</tr>", text, re.DOTALL)
        assert row
        cells = {
            name: plain(cell)
            for name, cell in re.findall(r'<td[^>]* data-is="(\w+)">(.*?)</td>', row[1], re.DOTALL)
        }
        was, now = before.ids(), after.ids()
        assert numbers(cells["Created"]) == {
            kind: len(now[kind] - was[kind]) for kind in now if now[kind] - was[kind]
        }
        assert cells["Waits"] == "0"

    def check_shown(self, run: Run, both: Both) -> None:
        """What the pages say of a run that did what its summary says (`Truth`), and of what it left."""
        for address in ("runs/test", "syncs/test"):
            text = self.browser.get(f"/krayin-sync/{address}").text
            row = re.search(r"<tr>(<td>.*?)</tr>", text, re.DOTALL)
            assert row
            cells = {
                name: plain(cell)
                for name, cell in re.findall(r'<td[^>]* data-is="(\w+)">(.*?)</td>', row[1], re.DOTALL)
            }
            for name in ("Created", "Adopted", "Updated"):
                done = run.summary.get(name.lower(), {})
                assert numbers(cells[name]) == {kind: number for kind, number in done.items() if number}
            deleted, closed = run.summary["deleted"], run.summary["closed"]
            assert numbers(cells["Removed"]) == {**deleted, **closed}
            assert cells["Calls"] == str(len(self.world.calls(run.id)))
            assert cells["Waits"] == str(run.summary["waiting"])
        work, overview = self.words("work"), self.words("")
        assert re.findall(r"(\d+) ambiguous person, since", work) == [
            str(number) for number in [len(both.ambiguous)] if number
        ]
        waiting = run.summary["waiting"]
        assert (f"Waiting {waiting} operation" if waiting else "Waiting nothing") in overview

    def check_comparison(self, both: Both, *, accepted: int = 0, orphans: int | None = None) -> None:
        """Overview, comparisons, differences, work and report after a comparison of everything."""
        scope = len(both.contacts)
        wrong = (
            both.ambiguous | both.missing | both.named_otherwise | both.titled_otherwise | both.without_lead
        )
        fine = scope - len(wrong) + accepted
        gone = len(both.gone) if orphans is None else orphans
        each = {
            "Field differs: name": len(both.named_otherwise),
            "Field differs: title": len(both.titled_otherwise),
            "Deleted in Krayin": len(both.without_lead),
            "Needs a decision": len(both.ambiguous),
            "Missing in Krayin": len(both.missing),
            "Gone in Chatwoot": gone,
        }
        all_of_them = sum(each.values())
        share = f"{100 * fine / scope:.2f}".rstrip("0").rstrip(".")
        overview = self.words("")
        assert f"{share} % of {scope} contacts as they should be, {all_of_them} difference" in overview
        assert f"{share} % of {scope} contacts" in self.words("comparisons/test").partition("Report")[2]
        shown: dict[str, int] = {}
        listed = self.browser.get("/krayin-sync/differences/test").text
        for label, number in re.findall(r"<li><a [^>]*>([^<]+)</a>: ([\d,]+), the oldest since", listed):
            shown[label] = shown.get(label, 0) + int(number.replace(",", ""))
        assert shown == {label: number for label, number in each.items() if number}
        work = self.words("work")
        assert [int(one) for one in re.findall(r"(\d+) ambiguous person, since", work)] == [
            number for number in [len(both.ambiguous)] if number
        ]
        report = self.report()
        assert f"{fine} of {scope} contacts ({share} %)" in report
        assert re.findall(r"([\d,]+) differences? (?:is|are) there now", report) == [str(all_of_them)]
        (called,) = re.findall(r"([\d,]+) of [\d,]+ in the last hour", overview)
        assert 0 <= self.calls - int(called.replace(",", "")) <= PROBES * self.acts

    def check_organizations(self, both: Both) -> None:
        """The report's row of organizations, all of which have what is known of their company."""
        (run,) = self.world.rows("SELECT max(run_id) FROM reconciliation")[0]
        row = report_rows(self.world, run)["company → organization"]
        number = str(len(both.records["organizations"]))
        assert [row[column] for column in ("Known", "In Krayin", "Up to date")] == [number] * 3

    def report(self) -> str:
        (run,) = self.world.rows("SELECT max(run_id) FROM reconciliation")[0]
        with psycopg.connect(self.world.sync_url, autocommit=True) as connection:
            make_report(connection, run)
            file = fetch(connection, run, PAGE)
        assert file
        return plain(gzip.decompress(file.content).decode())


def plain(html: str) -> str:
    """The words of a page, without its styles."""
    text = re.sub(r"(?s)<(style|script).*?</\1>", "", html)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", text))).strip()


def numbers(cell: str) -> dict[str, int]:
    """`2 persons, 1 lead` as numbers by kind."""
    singular = {"activities": "activity"}
    return {
        singular.get(word, word.removesuffix("s")): int(number)
        for number, word in re.findall(r"(\d+) (\w+)", cell)
    }


@pytest.fixture
def pages(world: World, tmp_path: Path) -> Pages:
    world.settings |= UNASKED
    return Pages(world, tmp_path)


@on_each_krayin
def test_through_the_life_of_a_sync(world: World, pages: Pages) -> None:  # noqa: PLR0915 - one life
    contacts = data_world.add_contacts(world)
    world.add(name="Nobody can reach them")
    world.add(name="Spam", email="spam@example.com", blocked=True)

    # The first load: two are taken over with the names that salespeople gave them, one is ambiguous.
    before = Both(world)
    pages.act(world.run)
    both = Both(world)
    pages.check_run(before, both)
    pages.act(lambda: world.compared(repairing=False))
    assert (len(both.contacts), len(both.named_otherwise), len(both.ambiguous)) == (13, 2, 1)
    pages.check_comparison(both)
    pages.check_organizations(both)

    # Edits on both sides, of which none is brought over yet; a salesperson deletes a lead.
    by_name = {row["name"]: row for row in world.persons()}
    for name in ("Person 4", "Person 5"):
        row = by_name[name]
        kept = {one: row[one] for one in ("emails", "contact_numbers")}
        world.api("PUT", f"contacts/persons/{row['id']}", {**kept, "name": f"Typed {name}", "user_id": 1})
    for contact in contacts[6:9]:
        world.change(contact, name=f"Renamed {contact}")
    lead = next(one for one in world.leads() if one["person"]["name"] == "Person 10")
    world.api("DELETE", f"leads/{lead['id']}")
    pages.act(lambda: world.compared(repairing=False))
    both = Both(world)
    assert (len(both.named_otherwise), len(both.without_lead)) == (7, 1)
    pages.check_comparison(both)
    whose = {
        side: pages.browser.get(f"/krayin-sync/differences/test?side={side}").text
        for side in ("ours", "theirs")
    }
    rows = {side: len(re.findall(r'data-is="What">', text)) for side, text in whose.items()}
    # Names and titles; the deleted lead is nobody's field.
    assert rows == {"ours": 6, "theirs": 4}

    # A new contact, and what changed, come over.
    world.add(name="Person 99", email="p99@example.com")
    before = Both(world)
    pages.act(world.run)
    both = Both(world)
    pages.check_run(before, both)
    pages.act(lambda: world.compared(repairing=False))
    assert (len(both.contacts), len(both.named_otherwise)) == (14, 4)
    pages.check_comparison(both)

    # One is merged into another, one is deleted; nothing is done about it.
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        changes.merge_contacts(connection, contacts[10], contacts[11])
        changes.delete_contact(connection, contacts[8])
    pages.act(world.run)
    pages.act(lambda: world.compared(repairing=False))
    both = Both(world)
    assert (len(both.contacts), len(both.gone)) == (12, 2)
    pages.check_comparison(both)

    # Their leads are closed, and a repair makes nothing else.
    before = Both(world)
    closing = {"on_source_delete": "close_lead"}
    pages.act(lambda: world.compared(repairing=True, **closing))
    both = Both(world)
    assert before.ids() == both.ids()
    stage = {row["id"]: row["lead_pipeline_stage_id"] for row in before.records["leads"]}
    moved = [row["id"] for row in both.records["leads"] if row["lead_pipeline_stage_id"] != stage[row["id"]]]
    assert len(moved) == 2
    pages.act(lambda: world.compared(repairing=False, **closing))
    pages.check_comparison(Both(world), orphans=0)

    # Somebody accepts what salespeople typed.
    ids = [
        one for (one,) in world.rows("SELECT id FROM finding WHERE class = 'changed' AND state = 'reported'")
    ]
    pages.browser.request(
        "POST",
        "/krayin-sync/differences/test",
        {"Sec-Fetch-Site": "same-origin"},
        data={"decision": "accept", "findings": ids},
    )
    pages.act(lambda: world.compared(repairing=False, **closing))
    both = Both(world)
    assert len(ids) == len(both.named_otherwise) == 4
    pages.check_comparison(both, accepted=4, orphans=0)


def test_when_contacts_are_deleted_and_their_records_with_them(world: World, pages: Pages) -> None:
    contacts = data_world.add_contacts(world)
    pages.act(world.run)
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        for contact in contacts[6:9]:
            changes.delete_contact(connection, contact)
    before = Both(world)
    deleting = {"on_source_delete": "delete"}
    pages.act(lambda: world.compared(repairing=True, **deleting))
    both = Both(world)
    was, now = before.ids(), both.ids()
    assert {kind: len(was[kind] - now[kind]) for kind in ("person", "lead")} == {"person": 3, "lead": 3}
    assert was["organization"] == now["organization"]
    pages.act(lambda: world.compared(repairing=False, **deleting))
    assert (len(both.contacts), len(both.gone)) == (10, 0)
    pages.check_comparison(both)


def nothing(pages: Pages, contacts: list[int]) -> None:
    pages.run(pages.world.run)


def changes_of_all_kinds(pages: Pages, contacts: list[int]) -> None:
    world = pages.world
    for contact in contacts[4:8]:
        world.change(contact, name=f"Renamed {contact}")
    talk(world, contacts[5], "Another question")
    world.add(name="Person 88", email="p88@example.com")
    assert pages.run(world.run).summary["updated"]["person"] == 4


def merge(pages: Pages, contacts: list[int]) -> None:
    world = pages.world
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        changes.merge_contacts(connection, contacts[10], contacts[11])
    pages.run(world.run)
    run = pages.run(lambda: reconcile(world, on_source_delete="delete", **REPAIR))
    assert run.summary["deleted"] == {"lead": 1, "person": 1}


def erasure(pages: Pages, contacts: list[int]) -> None:
    world = pages.world
    before = Both(world).ids()
    pages.act(lambda: erase(world.sync(), contacts[6], also_adopted=False))
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        changes.delete_contact(connection, contacts[6])
    now = Both(world).ids()
    assert {kind: len(before[kind] - now[kind]) for kind in ("person", "lead")} == {"person": 1, "lead": 1}
    pages.run(world.run)


def quarantine_and_replay(pages: Pages, contacts: list[int]) -> None:
    world = pages.world
    ((operation,),) = world.rows("SELECT id FROM operation WHERE state = 'quarantined'")
    (one,) = (row["id"] for row in world.persons() if row["name"] == "One")
    world.api("DELETE", f"contacts/persons/{one}")
    with psycopg.connect(world.sync_url, autocommit=True) as connection:
        decide(connection, "test", Answer.REPLAY, {operation: None}, by="ada")
    run = pages.run(world.run)
    assert (run.summary["adopted"]["person"], run.summary["quarantined"]) == (1, 0)


def a_failing_krayin(pages: Pages, contacts: list[int]) -> None:
    world = pages.world
    for number in (90, 91, 92):
        world.add(name=f"Person {number}", email=f"p{number}@example.com")
    world.krayin.set_faults({"kind": "status_503", "method": "POST"})
    failed = pages.run(lambda: world.run(RunRequest(seconds=1)))
    assert failed.summary["waiting"] == 3
    world.krayin.clear_faults()
    later(world)
    assert pages.run(world.run).summary["created"] == {"lead": 3, "person": 3}


def leads_that_move_on(pages: Pages, contacts: list[int]) -> None:
    world = pages.world
    for contact in contacts[5:8]:
        talk(world, contact, "What does it cost?", status=1)
    stages = {row["id"]: row["lead_pipeline_stage_id"] for row in Both(world).records["leads"]}
    run = pages.run(world.run)
    moved = [
        row["id"]
        for row in Both(world).records["leads"]
        if row["lead_pipeline_stage_id"] != stages.get(row["id"])
    ]
    assert len(moved) == run.summary["stages"]["moved"] == 3


def edits_on_both_sides(pages: Pages, contacts: list[int]) -> None:
    world = pages.world
    for row in [one for one in world.persons() if one["name"] in {"Person 7", "Person 8"}]:
        kept = {name: row[name] for name in ("emails", "contact_numbers")}
        world.api(
            "PUT", f"contacts/persons/{row['id']}", {**kept, "name": f"Typed {row['id']}", "user_id": 1}
        )
    world.change(contacts[8], name="Renamed")
    pages.run(world.run)


@pytest.mark.parametrize(
    "workload",
    [
        nothing, changes_of_all_kinds, merge, erasure, quarantine_and_replay, a_failing_krayin,
        leads_that_move_on, edits_on_both_sides,
    ],
)  # fmt: skip
def test_after_each_workload(
    world: World, pages: Pages, workload: Callable[[Pages, list[int]], None]
) -> None:
    contacts = data_world.add_contacts(world)
    pages.truth = Truth(world)
    assert pages.run(world.run).summary["adopted"] == {"person": 2}
    workload(pages, contacts)
    pages.act(lambda: world.compared(repairing=False))
    pages.check_comparison(Both(world))
