"""The status page over a real sync database, asked by browsers that may and may not see it."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from chatwoot.source import Watermark
from fastapi import FastAPI, HTTPException, Request
from fastapi.routing import APIRoute
from psycopg.types.json import Jsonb
from reconciliation.drift.finding import LABELS, FindingClass
from reconciliation.settings.sync_files import load_syncs
from reconciliation.store.incidents import close_incidents, open_incident
from reconciliation.store.reports import keep
from reconciliation.web.findings import PackedFile
from reconciliation.web.labels import HINTS
from reconciliation.web.page_context import PageContext
from reconciliation.web.run_report import make_report
from reconciliation.web.status_app import ALL_DAGS, HEADERS, SYNC_DAGS, create_app

from tests.reconciliation.ledger_rows import Ledger

NOBODYS = "postgresql://nobody:secret-word@127.0.0.1:1/none"
DAGS = {f"test__{end}": False for end, _ in SYNC_DAGS} | {dag: False for dag, _ in ALL_DAGS}


class User(str):
    """A user as Airflow's auth managers have them, by name."""

    __slots__ = ()

    def get_name(self) -> str:
        return str(self)


async def signed_in(request: Request) -> User:
    token = request.cookies.get("_token")
    if token is None:
        raise HTTPException(401, "Not authenticated")
    return User(token)


@pytest.fixture
def syncs(tmp_path: Path) -> Path:
    (tmp_path / "test.yaml").write_text("name: test\nchatwoot: {account_id: 1}\n")
    return tmp_path


@pytest.fixture
def around(syncs: Path, sync_db_url: str) -> PageContext:
    return PageContext(
        signed_in=signed_in,
        readable=lambda user: DAGS if user == "ada" else {},
        login=lambda address: f"/auth/login?next={address}",
        may_start=lambda user, dag_id: user == "ada" and dag_id == "test__sync",
        start=lambda *_: "manual__1",
        question=lambda _: None,
        answer=lambda *_: None,
        audit=lambda *_: None,
        syncs=lambda: load_syncs(syncs),
        open_sync=lambda name: pytest.fail(f"opened {name}"),
        sync_dsn=lambda: sync_db_url,
    )


class Browser:
    """Asks the application as a browser does; follows no redirect."""

    def __init__(self, app: FastAPI, user: str | None) -> None:
        self.app = app
        self.cookies = {"_token": user} if user else {}

    def request(
        self, method: str, address: str, headers: dict[str, str] | None = None, **sent: Any
    ) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(self.app), base_url="http://testserver", cookies=self.cookies
            ) as client:
                return await client.request(
                    method, address, headers={"Accept": "text/html", **(headers or {})}, **sent
                )

        return asyncio.run(ask())

    def get(self, address: str, headers: dict[str, str] | None = None) -> httpx.Response:
        return self.request("GET", address, headers)


def browser(around: PageContext, user: str | None = "ada") -> Browser:
    airflow = FastAPI()
    airflow.mount("/krayin-sync", create_app(around))
    return Browser(airflow, user)


def addresses(around: PageContext) -> dict[str, set[str]]:
    """Every address with the methods it takes."""
    app = create_app(around)
    filled = {"run_id": "1", "name": "report.html", "sync_name": "test", "contact_id": "1", "ending": "csv"}
    found: dict[str, set[str]] = {}
    for route in app.routes:
        assert isinstance(route, APIRoute)
        found.setdefault("/krayin-sync" + route.path.format(**filled), set()).update(route.methods)
    return found


def test_every_route_asks_who_is_there(around: PageContext) -> None:
    asked = addresses(around)
    assert asked == {
        "/krayin-sync/": {"GET"},
        "/krayin-sync/reports/1/report.html": {"GET"},
        "/krayin-sync/find": {"GET", "POST"},
        "/krayin-sync/records/test/1": {"GET", "POST"},
        "/krayin-sync/differences/test": {"GET", "POST"},
        "/krayin-sync/differences/test/differences.csv": {"GET"},
        "/krayin-sync/comparisons/test": {"GET"},
        "/krayin-sync/runs/test": {"GET"},
        "/krayin-sync/syncs/test": {"GET"},
        "/krayin-sync/work": {"GET"},
        "/krayin-sync/work/test": {"POST"},
        "/krayin-sync/answers/test": {"POST"},
        "/krayin-sync/preview/test": {"GET", "POST"},
        "/krayin-sync/preview/test/1": {"GET"},
        "/krayin-sync/decisions/test": {"GET", "POST"},
        "/krayin-sync/start/test": {"POST"},
    }
    nobody = browser(around, None)
    for address, methods in asked.items():
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            answer = nobody.request(method, address, headers={"Accept": "*/*"})
            assert answer.status_code in ({401} if method in methods else {401, 405}), (method, address)
            assert "<h1>Krayin sync" not in answer.text
        to_login = nobody.request(min(methods), address)
        assert to_login.status_code == 303
        assert to_login.headers["location"] == f"/auth/login?next=http://testserver{address}"


@pytest.mark.parametrize(
    "path", ["docs", "redoc", "openapi.json", "docs/oauth2-redirect", "reports", "reports/1"]
)
def test_nothing_else_is_served(around: PageContext, path: str) -> None:
    assert browser(around, None).get(f"/krayin-sync/{path}").status_code == 404


def test_one_who_cannot_sign_in_by_page_is_told_so(around: PageContext) -> None:
    answer = browser(replace(around, login=lambda _: None), None).get("/krayin-sync/")
    assert (answer.status_code, "Please sign in" in answer.text) == (401, True)


def test_one_who_may_read_no_dag_sees_no_sync_and_no_report(around: PageContext, sync_db_url: str) -> None:
    ledger = Ledger(sync_db_url)
    run = ledger.run()
    with psycopg.connect(sync_db_url, autocommit=True) as connection:
        keep(connection, run, PackedFile("report.html", "text/html", 1, gzip.compress(b"kept-secret")))
    stranger = browser(around, "eve")
    page = stranger.get("/krayin-sync/")
    assert page.status_code == 200
    assert "No sync to show" in page.text
    assert "test" not in page.text
    assert "krayin_replay" not in page.text
    hidden = stranger.get(f"/krayin-sync/reports/{run}/report.html")
    missing = stranger.get("/krayin-sync/reports/99/report.html")
    assert (hidden.status_code, hidden.text) == (404, missing.text)
    assert browser(around).get(f"/krayin-sync/reports/{run}/report.html").text == "kept-secret"


def test_an_open_incident_stands_on_top_until_it_is_closed(around: PageContext, sync_db_url: str) -> None:
    sentence = "Chatwoot hides <rows>: row security applies."
    with psycopg.connect(sync_db_url, autocommit=True) as connection:
        number = open_incident(connection, kind="k", sentence=sentence, facts={}, sync_name="test")
        open_incident(connection, kind="k", sentence="Another's.", facts={}, sync_name="hidden")
        text = browser(around).get("/krayin-sync/").text
        close_incidents(connection, incident_id=number, by="ada", why="granted")
    assert "hides &lt;rows&gt;" in text
    assert text.index(f"Incident {number}: test") < text.index("An incident is open")
    assert "Another" not in text
    assert "An incident is open" not in browser(around).get("/krayin-sync/").text


def test_a_fresh_install_says_that_nothing_happened_yet(around: PageContext) -> None:
    answer = browser(around).get("/krayin-sync/")
    assert answer.status_code == 200
    assert "Not started" in answer.text
    assert "Nothing has been read or sent yet." in answer.text
    for name, value in HEADERS.items():
        assert answer.headers[name] == value


def test_a_database_that_is_away_is_told_without_its_password(around: PageContext) -> None:
    away = browser(replace(around, sync_dsn=lambda: NOBODYS))
    for address, methods in addresses(around).items():
        # A form that is typed into needs no database yet.
        if "GET" not in methods or address.endswith(("/find", "/preview/test")):
            continue
        answer = away.get(address)
        assert answer.status_code == 503, address
        assert "cannot be reached" in answer.text
        assert "secret-word" not in answer.text
    answer = away.request(
        "POST", "/krayin-sync/find", {"Sec-Fetch-Site": "same-origin"}, data={"text": "ada"}
    )
    assert (answer.status_code, "Look again" in answer.text) == (503, True)


@pytest.mark.parametrize(
    ("address", "home"), [("nowhere", ""), ("records/nobody/1", "../../"), ("runs/test?before=ada", "../")]
)
def test_a_page_that_is_not_there_leads_back_and_repeats_nothing(
    around: PageContext, address: str, home: str
) -> None:
    answer = browser(around).get(f"/krayin-sync/{address}")
    assert answer.status_code in {404, 422}
    assert links_of(answer.text).links == [f"{home}./", f"{home}find", f"{home}work", f"{home}../"]
    assert "ada" not in answer.text


def test_a_database_without_our_tables_names_the_dag_to_run(around: PageContext, database_url: str) -> None:
    answer = browser(replace(around, sync_dsn=lambda: database_url)).get("/krayin-sync/")
    assert answer.status_code == 503
    assert "krayin_setup" in answer.text


def test_a_broken_sync_file_shows_what_is_wrong_with_it(around: PageContext, syncs: Path) -> None:
    (syncs / "test.yaml").write_text("name: test\nchatwoot: {account_id: <b>}\n")
    text = browser(around).get("/krayin-sync/").text
    assert "Its file is broken" in text
    assert "chatwoot.account_id" in text
    assert "<b>" not in text


class Links(HTMLParser):
    """Gathers what a page links to and what it would load."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "href" and tag == "a":
                self.links.append(value or "")
            elif name in {"src", "srcset", "action", "data"} or (name == "href" and tag == "link"):
                self.loads.append(value or "")


def links_of(text: str) -> Links:
    parser = Links()
    parser.feed(text)
    return parser


def test_a_working_sync_with_everything_that_can_be_said(around: PageContext, sync_db_url: str) -> None:
    now = datetime.now(UTC)
    ledger = Ledger(sync_db_url)
    run = ledger.run(finished_at=now - timedelta(minutes=2), started_at=now - timedelta(minutes=3))
    ledger.insert_raw(
        "INSERT INTO watermark (sync_name, stream, scope_id, position, settings_hash, run_id)"
        " SELECT 'test', looks.stream, %s, looks.position, 'x', %s"
        " FROM (VALUES ('contacts', %s), ('messages', %s)) AS looks (stream, position)",
        ledger.scope, run, *(
            Jsonb(Watermark.of("8:8:", "here", now - ago).to_json())
            for ago in (timedelta(minutes=3), timedelta(hours=2))
        ),
    )  # fmt: skip
    ledger.insert_raw(
        "INSERT INTO rate_budget (key, window_seconds, setting, setting_at, clock) VALUES (%s, 60, 60, now(), now())",
        f"target:{ledger.target}#user:3",
    )
    for number in range(6):
        ledger.call(run, str(now - timedelta(minutes=10 * number)))
    ledger.operation(run, "1", lane=1)
    ledger.operation(run, "2", lane=3)
    ledger.operation(
        run, "3", state="quarantined", error_class="ambiguous_person", error_message="Ann Secret"
    )
    ledger.operation(run, "4", state="planned", error_class="server_failed")
    plan = ledger.insert("approval", sync_name="test", run_id=run, state="asked", dag_run_id="asset__2026+1")
    ledger.operation(run, "5", state="held", approval_id=plan)
    compared = ledger.run(kind="reconcile", started_at=now, finished_at=now)
    reconciliation = ledger.reconciliation(compared, {"in_scope": 200, "in_sync": 199})
    ledger.finding(reconciliation, "missing", contact_id=9)
    for state in ("done", "done", "failed", "loading"):
        finished = None if state == "loading" else now
        summary = Jsonb({"done": 10})
        ledger.run(kind="backfill", state=state, started_at=now, finished_at=finished, summary=summary)

    client = browser(around)
    text = re.sub(r"\s+", " ", client.get("/krayin-sync/").text)
    for said in (
        "Works, needs you",
        "<dt>Looked at exactly</dt> <dd>contacts 3 min",
        "messages 2 h",
        "1 change waits for approval.",
        "1 record needs a person&#39;s decision.",
        "3 operations, about 3.0 s of calls",
        "1 of 60 in the last minute, 6 of 3,600 in the last hour (0.17 %)",
        "99.5 % of 200 contacts as they should be, 1 difference now",
        '2 of 4 runs done, 1 under way, <span class="bad">1 failed</span>; 40 operations carried out',
        '<td>scheduled</td><td class="n">2</td>',
        '<td>backfill</td><td class="n">1</td>',
    ):  # fmt: skip
        assert said in text
    assert HINTS["ambiguous_person"] in text
    assert HINTS["server_failed"] in text
    assert "Ann Secret" not in text
    assert "Report</a>" not in text

    with psycopg.connect(sync_db_url, autocommit=True) as connection:
        make_report(connection, compared)
    found = links_of(client.get("/krayin-sync/").text)
    assert found.loads == ["start/test"]
    assert set(found.links) == {
        "../",
        "./",
        "find",
        "work",
        "syncs/test",
        "runs/test",
        "preview/test",
        "differences/test",
        "comparisons/test",
        "decisions/test",
        f"reports/{compared}/report.html",
        "work?sync=test&reason=ambiguous_person",
        f"work?sync=test#a{plan}",
        *(f"../dags/{dag}" for dag in DAGS),
    }


def test_only_dags_that_are_there_are_linked(around: PageContext) -> None:
    few = replace(around, readable=lambda _: {"test__sync": True})
    text = browser(few).get("/krayin-sync/").text
    assert links_of(text).links == [
        "./",
        "find",
        "work",
        "../",
        "./",
        "syncs/test",
        "runs/test",
        "preview/test",
        "differences/test",
        "comparisons/test",
        "decisions/test",
        "../dags/test__sync",
    ]
    assert "Its DAG is paused" in text


def test_files_of_a_report_come_packed_or_not_as_the_browser_wishes(
    around: PageContext, sync_db_url: str
) -> None:
    ledger = Ledger(sync_db_url)
    run = ledger.run(kind="reconcile")
    reconciliation = ledger.reconciliation(run, {"in_scope": 1, "in_sync": 0})
    ledger.finding(reconciliation, "missing", contact_id=9)
    with psycopg.connect(sync_db_url, autocommit=True) as connection:
        made = make_report(connection, run)
    client = browser(around)
    for name in made.files:
        plain = client.get(f"/krayin-sync/reports/{run}/{name}", headers={"Accept-Encoding": "identity"})
        packed = client.get(f"/krayin-sync/reports/{run}/{name}", headers={"Accept-Encoding": "gzip"})
        assert (plain.status_code, packed.headers["content-encoding"]) == (200, "gzip")
        assert plain.content == packed.content
        assert "content-encoding" not in plain.headers
    (row,) = csv.DictReader(io.StringIO(client.get(f"/krayin-sync/reports/{run}/findings.csv").text))
    assert row["contact_id"] == "9"
    sheet = client.get(f"/krayin-sync/reports/{run}/findings.csv")
    assert sheet.headers["content-disposition"] == f'attachment; filename="test-{run}-findings.csv"'
    page = client.get(f"/krayin-sync/reports/{run}/report.html")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "content-disposition" not in page.headers


@pytest.mark.parametrize("run", ["0", "-1", "one", str(2**63), "1;--"])
def test_odd_numbers_of_runs_are_refused(around: PageContext, run: str) -> None:
    assert browser(around).get(f"/krayin-sync/reports/{run}/report.html").status_code in {404, 422}


def test_every_class_of_findings_has_a_name() -> None:
    assert set(LABELS) == {str(kind) for kind in FindingClass}


def test_every_reason_in_the_code_has_a_hint() -> None:
    plugins = Path(__file__).resolve().parents[3] / "plugins" / "reconciliation"
    pattern = re.compile(
        r'error_class="([a-z_]+)"|(?:quarantined|rejected|later|unknown|_failing|Ambiguous)\(\s*"([a-z_]+)"'
    )
    found = {
        one or other
        for path in plugins.rglob("*.py")
        for one, other in pattern.findall(path.read_text("utf-8"))
    }
    assert len(found) > 10
    assert found - HINTS.keys() == set()
