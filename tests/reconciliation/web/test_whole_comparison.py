"""A real comparison of the two stand-ins, repaired, and what its report says of it."""

from __future__ import annotations

import csv
import gzip
import io
from typing import TYPE_CHECKING

import psycopg
from reconciliation.drift import run as reconcile
from reconciliation.drift.request import ReconcileRequest
from reconciliation.run.request import RunRequest
from reconciliation.store.reports import fetch
from reconciliation.web.run_report import make_report

if TYPE_CHECKING:
    from tests.reconciliation.world import World


def findings_of(world: World, run_id: int) -> tuple[str, list[dict[str, str]]]:
    with psycopg.connect(world.sync_url, autocommit=True) as connection:
        make_report(connection, run_id, chatwoot_url="https://chat.example.com")
        page, sheet = fetch(connection, run_id, "report.html"), fetch(connection, run_id, "findings.csv")
    assert page
    assert sheet
    rows = csv.DictReader(io.StringIO(gzip.decompress(sheet.content).decode(), newline=""))
    return gzip.decompress(page.content).decode(), list(rows)


def test_what_was_found_and_repaired_is_told(world: World) -> None:
    for number in range(4):
        world.add(name=f"Plum Secret {number}", email=f"plum{number}@example.com")
    sync = world.sync(recreate_deleted=True)
    sync.run(RunRequest())
    person, other = world.persons()[:2]
    world.api("PUT", f"contacts/persons/{other['id']}", {
        "entity_type": "persons", "name": "Edited Secret", "emails": other["emails"],
        "contact_numbers": other["contact_numbers"] or [{"label": "work", "value": "+49301234567"}],
    })  # fmt: skip
    lead = next(one for one in world.leads() if one["person"]["id"] == person["id"])
    world.api("DELETE", f"leads/{lead['id']}")
    run = reconcile.compare(sync, ReconcileRequest(depth="full", repair=False))
    reconcile.repair(sync, run)
    page, rows = findings_of(world, run)
    assert {row["state"] for row in rows} <= {"open", "reported"}
    found = {(row["class"], row["crm_kind"], row["field"]) for row in rows}
    assert found == {("changed", "person", "name"), ("stale_mapping", "lead", "")}
    edited = next(row for row in rows if row["class"] == "changed" and row["field"] == "name")
    assert edited["krayin_page"].endswith(f"/admin/contacts/persons/view/{other['id']}")
    assert edited["chatwoot_page"].startswith("https://chat.example.com/app/accounts/1/contacts/")
    for text in (page, str(rows)):
        assert "Secret" not in text
        assert "plum" not in text

    again = reconcile.compare(sync, ReconcileRequest(depth="full", repair=True))
    reconcile.repair(sync, again)
    page, rows = findings_of(world, again)
    assert "repaired" in {row["state"] for row in rows}
    assert "Secret" not in page
