"""Reports over a real sync database."""

from __future__ import annotations

import gzip
import io
import re
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as pq
import pytest
from psycopg.types.json import Jsonb
from reconciliation.store.reports import fetch
from reconciliation.web.run_report import SHOWN, Report, make_report

from tests.reconciliation.ledger_rows import Ledger

ROOT = Path(__file__).resolve().parents[3]
SECRETS = ("plum-secret-name", "secret@example.com", "+491701234567", "Secret & Sons")


def report_of(url: str, run: int, **options: Any) -> tuple[Report, dict[str, str]]:
    with psycopg.connect(url, autocommit=True) as connection:
        made = make_report(connection, run, **options)
        kept = {name: fetch(connection, run, name) for name in made.files}
    texts = {}
    for name, file in kept.items():
        assert file is not None
        content = gzip.decompress(file.content)
        if name.endswith(".parquet"):
            content = repr(pq.read_table(io.BytesIO(content)).to_pylist()).encode()
        elif name.endswith(".xlsx"):
            with zipfile.ZipFile(io.BytesIO(content)) as book:
                content = b"".join(book.read(one) for one in book.namelist())
        texts[name] = content.decode()
    return made, texts


def plain(html: str) -> str:
    """The words of a page, without its styles and drawings' numbers."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", re.sub(r"(?s)<style>.*?</style>", "", html)))


@pytest.fixture
def compared(sync_db_url: str) -> tuple[str, int]:
    """A sync with a comparison that found something, full of values that must not be kept."""
    ledger = Ledger(sync_db_url)
    now = datetime.now(UTC)
    for day in (2, 1):
        run = ledger.run(kind="reconcile", finished_at=now - timedelta(days=day))
        ledger.reconciliation(
            run, {"in_scope": 100, "in_sync": 100 - day}, finished_at=now - timedelta(days=day)
        )
    run = ledger.run(kind="reconcile", started_at=now - timedelta(minutes=5), finished_at=now)
    ours = ledger.reconciliation(
        run,
        {"in_scope": 100, "in_sync": 97, "changed": 2},
        started_at=now - timedelta(minutes=5),
        repair=True,
    )
    detail = {"ours": SECRETS[0], "theirs": SECRETS[1], "phones": [SECRETS[2]]}
    ledger.finding(ours, "changed", contact_id=7, crm_kind="person", crm_id=70, field="emails", side="theirs",
                   detail=detail)  # fmt: skip
    ledger.finding(ours, "changed", contact_id=8, crm_kind="person", crm_id=80, field="custom.level", detail=detail,
                   repair=f"write {SECRETS[0]}")  # fmt: skip
    ledger.finding(
        ours, "duplicate", source_kind="company", source_id=SECRETS[3], crm_kind="organization", crm_id=5
    )
    ledger.finding(ours, "missing", contact_id=9, state="repaired", ended_at=now)
    ledger.finding(ours, "missing", contact_id=10, state="resolved", ended_at=now - timedelta(days=1))
    ledger.operation(run, "11", state="quarantined", error_class="address_refused", error_message=SECRETS[1],
                     candidates=Jsonb([{"name": SECRETS[0]}]), finished_at=now)  # fmt: skip
    ledger.call(run, str(now))
    ledger.insert_raw(
        "INSERT INTO mapping (target_id, scope_id, source_kind, source_id, crm_kind, last_sent)"
        " VALUES (%s, %s, 'contact', '7', 'person', %s)",
        ledger.target, ledger.scope, Jsonb({"name": SECRETS[0]}),
    )  # fmt: skip
    return sync_db_url, run


def test_the_page_says_how_things_stand(compared: tuple[str, int]) -> None:
    made, files = report_of(*compared)
    assert made.files == ("findings.csv", "findings.parquet", "findings.xlsx", "report.html")
    assert made.findings == 4
    said = plain(files["report.html"])
    for words in (
        "test: Chatwoot and Krayin compared",
        "Everything was compared, and repaired where the settings allow.",
        "97 of 100 contacts (97 %) are in Krayin as they should be. 3 differences are there now, 2 of them need somebody;",
        "what can be repaired costs 3 calls. 1 repaired since the comparison before.",
        "Another person in Krayin has the e-mail or phone.",
        "contact \u2192 person",
        "twice in Krayin",
        "For information",
        "person has a salesperson&#39;s own e-mail addresses",
    ):
        assert words in said
    assert files["report.html"].count("<svg") == 5
    assert "No change has been brought over in the last 30 days." in said


def test_no_value_is_kept_anywhere(compared: tuple[str, int]) -> None:
    url, run = compared
    _, files = report_of(url, run)
    for name, text in files.items():
        for secret in SECRETS:
            assert secret not in text, name
            assert secret.replace("&", "&amp;") not in text, name
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT string_agg(detail::text, '') FROM krayin_sync.open_findings"
        ).fetchone()
    assert row
    assert SECRETS[0] in row[0]


def test_the_page_needs_nothing_but_itself(compared: tuple[str, int]) -> None:
    _, files = report_of(*compared, chatwoot_url="https://chat.example.com/")
    loads: list[str] = []
    links: list[str] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert tag not in {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
            for name, value in attrs:
                if name == "href" and tag == "a":
                    links.append(value or "")
                elif name in {"src", "srcset"} or (
                    name.endswith("href") and not (value or "").startswith("#")
                ):
                    loads.append(value or "")

    Parser().feed(files["report.html"])
    assert loads == []
    assert "@import" not in files["report.html"]
    assert re.findall(r"url\((?!#)", files["report.html"]) == []
    assert {"findings.csv", "findings.parquet", "findings.xlsx"} <= set(links)
    assert "https://crm.example.com/admin/contacts/persons/view/70" in links
    assert "https://chat.example.com/app/accounts/1/contacts/7" in links
    assert files["findings.csv"].count("https://chat.example.com/app/accounts/1/contacts/") == 3


def test_a_comparison_that_broke_off_says_so(sync_db_url: str) -> None:
    ledger = Ledger(sync_db_url)
    run = ledger.run(kind="reconcile", state="failed")
    ledger.reconciliation(run, {}, finished_at=None)
    _, files = report_of(sync_db_url, run)
    assert "The comparison of this run did not come to its end." in plain(files["report.html"])


def test_a_report_made_again_takes_the_place_of_the_first(compared: tuple[str, int]) -> None:
    url, run = compared
    report_of(url, run)
    Ledger(url).insert_raw("DELETE FROM finding WHERE class = 'duplicate'")
    made, files = report_of(url, run)
    assert made.findings == 3
    assert "twice in Krayin" not in files["report.html"]
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM krayin_sync.report_file").fetchone()
    assert row == (4,)


def test_a_sync_that_was_never_compared_has_a_report_too(sync_db_url: str) -> None:
    made, files = report_of(sync_db_url, Ledger(sync_db_url).run())
    said = plain(files["report.html"])
    assert made.findings == 0
    for words in (
        "No comparison has been finished for this sync yet.",
        "No difference is known.",
        "No full comparison has been finished yet.",
        "No call was made in the last day.",
        "Nothing has been brought over yet.",
        "Nothing is quarantined.",
    ):
        assert words in said
    assert "<svg" not in files["report.html"]


def test_another_run_rests_on_the_comparison_before_it(compared: tuple[str, int]) -> None:
    url, run = compared
    later = Ledger(url).run(kind="scheduled")
    _, files = report_of(url, later)
    assert f"Everything was compared in run {run}" in plain(files["report.html"])


def test_other_syncs_are_left_out(compared: tuple[str, int]) -> None:
    url, _ = compared
    other = Ledger(url, "other")
    made, files = report_of(url, other.run())
    assert made.findings == 0
    assert "address_refused" not in plain(files["report.html"])


def test_a_run_that_is_not_there(sync_db_url: str) -> None:
    with (
        psycopg.connect(sync_db_url, autocommit=True) as connection,
        pytest.raises(LookupError, match="no run 77"),
    ):
        make_report(connection, 77)


def test_long_lists_are_cut_on_the_page_and_whole_in_the_files(sync_db_url: str) -> None:
    ledger = Ledger(sync_db_url)
    run = ledger.run(kind="reconcile")
    ours = ledger.reconciliation(run, {"in_scope": 1, "in_sync": 0})
    plant(sync_db_url, ours, 6000)
    made, files = report_of(sync_db_url, run)
    assert made.findings == 6000
    assert f"The first {SHOWN} of 6,000." in plain(files["report.html"])
    assert files["report.html"].count("<tr>") < SHOWN + 50
    assert files["findings.csv"].count("\r\n") == 6001


def plant(url: str, reconciliation_id: int, number: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO krayin_sync.finding (reconciliation_id, sync_name, scope_id,"
            " key, source_kind, source_id, contact_id, crm_kind, crm_id, class, field, detail, repair, state)"
            " SELECT id, sync_name, scope_id, n::text, 'contact', n::text, n, 'person', n,"
            " 'changed', 'emails', jsonb_build_object('ours', repeat('x', 500)), 'update', 'open'"
            " FROM krayin_sync.reconciliation, generate_series(1, %s) AS n WHERE id = %s",
            [number, reconciliation_id],
        )


PEAK = """
import resource, sys
import psycopg
from reconciliation.web.run_report import make_report
with psycopg.connect(sys.argv[1], autocommit=True) as connection:
    made = make_report(connection, int(sys.argv[2]))
print(made.findings, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_findings(sync_db_url: str) -> None:
    ledger = Ledger(sync_db_url)
    peaks = []
    for number in (10_000, 100_000):
        run = ledger.run(kind="reconcile")
        ours = ledger.reconciliation(run, {"in_scope": 1, "in_sync": 0})
        ledger.insert_raw("DELETE FROM finding")
        plant(sync_db_url, ours, number)
        done = subprocess.run(
            [sys.executable, "-c", PEAK, sync_db_url, str(run)],
            check=True, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT / "plugins")}, timeout=120,
        )  # fmt: skip
        findings, peak = map(int, done.stdout.split())
        assert findings == number
        peaks.append(peak)
    # Ten times the findings are 18 MB of text more; what grows is their packed files.
    assert peaks[1] < peaks[0] + 40, peaks
