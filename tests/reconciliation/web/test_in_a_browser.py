"""The pages in Chromium: what axe-core says of each, and what a person does with mouse and keyboard."""

from __future__ import annotations

import os
import shutil
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from fastapi import FastAPI
from playwright.sync_api import sync_playwright
from reconciliation.admin.approval import ask
from reconciliation.settings.sync_files import load_syncs
from reconciliation.store.incidents import open_incident
from reconciliation.web.page_context import PageContext
from reconciliation.web.run_report import make_report
from reconciliation.web.status_app import create_app

from tests.ports import free_port
from tests.reconciliation.web.test_status_app import DAGS, User

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Locator, Page

    from tests.reconciliation.world import World

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PICTURES = os.environ.get("WRITE_PICTURES")
"""A folder: the pictures of the pages that are there are made anew."""
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium is installed (apt-get install chromium)"
)
DAYS = 28
SIZES: dict[int, Any] = {1280: "light", 390: "dark"}
NAMES = ("Ada Lovelace", "Grace Hopper", "Barbara Liskov", "Frances Allen", "Margaret Hamilton")


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, port=free_port(), log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.05)
        yield f"http://127.0.0.1:{server.config.port}/krayin-sync/"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def started() -> list[tuple[Any, ...]]:
    """The runs that were started: user, DAG and form."""
    return []


@pytest.fixture
def address(tmp_path: Path, world: World, started: list[tuple[Any, ...]]) -> Iterator[str]:
    """Contacts that were brought over, some whose match is ambiguous, and names that were edited in Krayin."""
    (tmp_path / "test.yaml").write_text(
        "name: test\nchatwoot: {account_id: 1, url: https://chat.example.com/}\n"
    )
    with psycopg.connect(world.sync_url, autocommit=True) as connection:
        for table in ("sync_run", "reconciliation"):
            # Room for what `a_month_before` puts there.
            connection.execute(
                "SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", (f"krayin_sync.{table}", DAYS)
            )
    for number, name in enumerate(NAMES):
        ambiguous(world, number, name)
        first = name.split()[0].lower()
        world.add(name=f"{name} II", email=f"{first}2@example.com", phone_number=f"+494077700{number}",
                  additional_attributes={"job_title": "Engineer"})  # fmt: skip
    world.run()
    for one in world.persons()[-2:]:
        kept = {name: one[name] for name in ("emails", "contact_numbers")}
        body = {**kept, "name": one["name"].upper(), "job_title": "Countess", "user_id": 1}
        world.api("PUT", f"contacts/persons/{one['id']}", body)
    world.compared(repairing=False)
    with mounted(around(tmp_path, world, started)) as base:
        yield base


@contextmanager
def mounted(context: PageContext) -> Iterator[str]:
    """Serve the pages; yields their address."""
    app = FastAPI()
    app.mount("/krayin-sync", create_app(context))
    with served(app) as base:
        yield base


def around(folder: Path, world: World, started: list[tuple[Any, ...]]) -> PageContext:
    """What the pages need, with the sync files of a folder and a user who may do everything."""

    async def signed_in() -> User:
        return User("ada")

    return PageContext(
        signed_in=signed_in,
        readable=lambda _: DAGS,
        login=lambda _: None,
        may_start=lambda *_: True,
        start=lambda *facts: started.append(facts) or "manual__1",  # type: ignore[func-returns-value]
        question=lambda _: "asset__1",
        answer=lambda *_: None,
        audit=lambda *_: None,
        syncs=lambda: load_syncs(folder),
        open_sync=world.sync,
        sync_dsn=lambda: world.sync_url,
    )


def ambiguous(world: World, number: int, name: str) -> None:
    """Add a contact who could be two persons in Krayin: one by the e-mail, one by the phone."""
    first = name.split(maxsplit=1)[0].lower()
    persons = (
        (name, f"{first}@example.com", f"+493011{number}"),
        (f"{name} (Sales)", None, f"+493022{number}"),
    )
    world.krayin.seed(persons=[
        {"name": called, "emails": [{"value": email or f"{first}@work.example", "label": "work"}],
         "contact_numbers": [{"value": phone, "label": "work"}]}
        for called, email, phone in persons
    ])  # fmt: skip
    world.add(name=name, email=f"{first}@example.com", phone_number=f"+493022{number}")


def act(what: Locator, by: str) -> None:
    """Press a button, follow a link or choose a box, by mouse or keyboard."""
    what.wait_for()
    if by == "mouse":
        what.click()
    else:
        what.press("Space" if what.get_attribute("type") == "checkbox" else "Enter")


def opened(browser: Browser, width: int, *, bypass_csp: bool = False) -> Page:
    """A page of this width; with `bypass_csp` axe-core may be put into it."""
    size: Any = {"width": width, "height": 1000}
    context = browser.new_context(viewport=size, color_scheme=SIZES[width], bypass_csp=bypass_csp)
    context.set_default_timeout(15_000)
    return context.new_page()


def preview(page: Page, address: str) -> str:
    """Ask by keyboard what would become of some contacts, and wait for it; return where it is."""
    page.goto(f"{address}preview/test")
    page.keyboard.type("rosa@example.com, +49 40 777001, 999")
    page.keyboard.press("Tab")
    page.keyboard.type("0")
    page.keyboard.press("Enter")
    page.get_by_role("article").nth(2).wait_for()
    return page.url.removeprefix(address)


def held_plan(world: World) -> None:
    """Have changes of three contacts wait for approval."""
    for contact in (6, 8):
        world.change(contact, additional_attributes={"job_title": "Professor"})
    world.run(max_changes_without_approval={"number": 1, "share": 0.01})
    with psycopg.connect(world.sync_url, autocommit=True) as connection:
        connection.execute("SET search_path = krayin_sync")
        ask(connection, "test", "asset__1")


def a_month_before(world: World) -> None:
    """Have a month of comparisons stand before what happened, and a day of calls and changes."""
    with psycopg.connect(world.sync_url, autocommit=True) as connection:
        connection.execute("SET search_path = krayin_sync")
        connection.execute(
            """
            WITH day AS (
                SELECT n, now() - (1 + %(days)s - n) * interval '1 day' AS at FROM generate_series(1, %(days)s) AS n),
            run AS (
                INSERT INTO sync_run (id, sync_name, kind, state, started_at, finished_at, summary)
                OVERRIDING SYSTEM VALUE
                SELECT n, 'test', 'scheduled', 'done', at, at + 4 * interval '1 second', jsonb_build_object(
                    'read', 2 + n %% 5, 'updated', jsonb_build_object('person', n %% 3, 'lead', n %% 2),
                    'waiting', 0, 'calls', 5 + n %% 7, 'forecast_calls', 5 + n %% 7)
                FROM day
                RETURNING id)
            INSERT INTO reconciliation
                (id, run_id, sync_name, scope_id, depth, started_at, finished_at, counts)
            OVERRIDING SYSTEM VALUE
            SELECT n, n, 'test', scope.id, 'full', at, at,
                   jsonb_build_object('in_scope', 10, 'in_sync', 10 - n / 4)
            FROM day JOIN run ON run.id = n CROSS JOIN scope""",
            {"days": DAYS},
        )
        connection.execute("""
            INSERT INTO api_call (at, target_id, run_id, lane, method, route, status, milliseconds, outcome)
            SELECT now() - (n * n % 1440) * interval '1 minute', krayin_target.id, 1, 1, 'GET', 'leads', 200,
                   40 + n % 90, 'answered'
            FROM generate_series(1, 6000) AS n CROSS JOIN krayin_target""")
        connection.execute("""
            INSERT INTO operation (run_id, sync_name, lane, target_id, scope_id, source_kind, source_id, payload,
                                   source_read_at, forecast_calls, state, finished_at, source_changed_at)
            SELECT 2 + n % 20, 'test', 1, scope.target_id, scope.id, 'contact', -n, '{}', now(), 1, 'done', ended.at,
                   ended.at - (20 + n % 17 * n % 23) * interval '1 second'
            FROM generate_series(1, 200) AS n CROSS JOIN scope
            CROSS JOIN LATERAL (SELECT now() - n * interval '7 minutes') AS ended (at)""")


def serious(page: Page, *where: Any) -> list[tuple[Any, ...]]:
    """What is wrong with a page, each with `where` it is."""
    found: list[tuple[Any, ...]] = [
        (*where, one["id"], one["nodes"][0]["html"])
        for one in Axe().run(page).response["violations"]
        if one["impact"] in {"serious", "critical"}
    ]
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        found.append((*where, "scrolls sideways", ""))
    return found


def take(page: Page, name: str, width: int, scheme: str) -> None:
    """Make the picture of a page anew, where there is one."""
    picture = Path(PICTURES or "none") / f"{name}-{width}-{scheme}.png"
    if picture.exists():
        page.screenshot(path=picture, full_page=name == "sync")


def test_axe_finds_nothing_serious_and_no_page_scrolls_sideways(
    browser: Browser, address: str, world: World
) -> None:
    pages = {
        "status": "", "find": "find", "work": "work?chosen=all", "decisions": "decisions/test",
        "differences": "differences/test", "gone": "differences/test?change=gone",
        "comparisons": "comparisons/test", "runs": "runs/test", "sync": "syncs/test", "record": "records/test/10",
        "waiting": "records/test/1", "unknown": "records/test/999", "preview": "preview/test",
    }  # fmt: skip
    found = []
    page = opened(browser, 1280)
    world.change(4, name="Rear Admiral Grace Hopper")
    world.add(name="Rosa Parks", email="rosa@example.com", additional_attributes={"job_title": "Buyer"})
    pages["previewed"] = preview(page, address)
    held_plan(world)
    with psycopg.connect(world.sync_url, autocommit=True) as connection:
        a_month_before(world)
        ((compared,),) = world.rows("SELECT max(run_id) FROM reconciliation")
        make_report(connection, compared, chatwoot_url="https://chat.example.com/")
    pages["report"] = f"reports/{compared}/report.html"
    page.goto(f"{address}work")
    page.get_by_role("button", name="It is this person").first.click()
    for width in SIZES:
        page = opened(browser, width, bypass_csp=True)
        schemes: Any = ("light", "dark")
        for scheme in schemes:
            page.emulate_media(color_scheme=scheme)
            for name, path in pages.items():
                page.goto(address + path)
                found += serious(page, name, width, scheme)
                take(page, name, width, scheme)
    assert found == []


def test_axe_finds_nothing_serious_where_there_is_nothing_or_something_is_down(
    browser: Browser, tmp_path: Path, world: World
) -> None:
    (tmp_path / "test.yaml").write_text("name: test\nchatwoot: {account_id: 1}\n")
    (tmp_path / "broken.yaml").write_text("name: broken\nchatwoot: {account: 1}\n")
    here = around(tmp_path, world, [])
    here = replace(here, readable=lambda _: {**DAGS, "broken__sync": False})
    down = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    states = {
        "empty": (here, ("", "syncs/test", "syncs/broken", "runs/test", "work", "differences/test",
                         "comparisons/test", "decisions/test", "records/test/1", "preview/broken")),
        "none": (replace(here, readable=lambda _: {}), ("", "find", "work", "syncs/test")),
        "down": (replace(here, sync_dsn=lambda: down), ("", "syncs/test", "records/test/1")),
        "odd": (here, ("nowhere", "runs/test?before=x")),
    }  # fmt: skip
    found = []
    for state, (context, paths) in states.items():
        with mounted(context) as address:
            for width, scheme in SIZES.items():
                page = opened(browser, width, bypass_csp=True)
                for path in paths:
                    page.goto(address + path)
                    found += serious(page, f"{state}:{path}", width, scheme)
                    page.get_by_role("navigation").wait_for()
                    name = f"{state}-{path.partition('?')[0].replace('/', '-') or 'overview'}"
                    take(page, name, width, scheme)
    assert found == []


both = pytest.mark.parametrize("by", ["mouse", "keyboard"])
sizes = pytest.mark.parametrize("width", SIZES)


@sizes
@both
def test_a_customer_is_found_by_phone_and_krayins_job_title_accepted(
    browser: Browser, address: str, world: World, width: int, by: str
) -> None:
    page = opened(browser, width)
    page.goto(address)
    act(page.get_by_role("link", name="Find a contact"), by)
    page.keyboard.type("77700 4")
    act(page.get_by_role("button", name="Find"), by)
    act(page.get_by_role("link", name="10", exact=True), by)
    act(page.get_by_role("button", name="Read both sides now"), by)
    page.get_by_text("Both sides were read just now.").wait_for()
    title = page.get_by_role("row").filter(has_text="job title").first
    for shown in ("Engineer", "Countess", "Krayin's value counts: somebody edited it there"):
        assert shown in title.inner_text()
    act(title.get_by_role("button", name="Accept Krayin's value"), by)
    page.get_by_text("Krayin keeps its value: the difference was accepted.").wait_for()
    assert world.rows("SELECT answer, decided_by, contact_id FROM decision") == [("accept", "ada", 10)]


@sizes
@both
def test_of_25_matches_20_are_answered_in_one_action_and_one_is_taken_back(
    browser: Browser, address: str, world: World, width: int, by: str
) -> None:
    for number in range(len(NAMES), 25):
        ambiguous(world, number, f"Customer{number} Example")
    world.run()
    page = opened(browser, width)
    page.goto(f"{address}work")
    assert page.get_by_role("article").count() == 25
    act(page.get_by_role("link", name="Choose all on this page"), by)
    for place in range(5):
        act(page.get_by_role("checkbox").nth(place), by)
    act(page.get_by_role("button", name="They are the persons with the same e-mail"), by)
    page.get_by_role("status").filter(has_text="20 of 20 decided").wait_for()
    for left in range(5, 0, -1):
        assert page.get_by_role("article").count() == left
        act(page.get_by_role("button", name="It is this person").last, by)
        page.get_by_role("status").filter(has_text="1 of 1 decided").wait_for()
    act(page.get_by_role("link", name="taken back"), by)
    act(page.get_by_role("checkbox").first, by)
    act(page.get_by_role("button", name="Take the chosen ones back"), by)
    page.get_by_role("cell", name="taken back by ada").wait_for()
    world.run()
    linked = "SELECT count(*) FROM mapping WHERE crm_kind = 'person' AND origin = 'adopted'"
    assert world.rows(linked) == [(24,)]
    page.goto(f"{address}work")
    assert page.get_by_role("article").count() == 1


@sizes
@both
def test_an_incident_is_answered(
    browser: Browser, address: str, world: World, started: list[tuple[Any, ...]], width: int, by: str
) -> None:
    with psycopg.connect(world.sync_url, autocommit=True) as connection:
        open_incident(connection, kind="chatwoot_fewer", sentence="Half is gone.", facts={}, sync_name="test")
    page = opened(browser, width)
    page.goto(address)
    act(page.get_by_role("link", name="Waiting for a decision"), by)
    answer = page.get_by_role("radio", name="Chatwoot is right as it shows itself")
    answer.check() if by == "mouse" else answer.press("Space")
    act(page.get_by_role("button", name="Answer"), by)
    page.wait_for_url("**/work")
    ((_, dag_id, form),) = started
    assert (dag_id, form["sync"], form["happened"]) == (
        "krayin_recover", "test", "Chatwoot is right as it shows itself"
    )  # fmt: skip


@sizes
@both
def test_a_load_is_started_and_watched_to_its_end(
    browser: Browser, address: str, world: World, started: list[tuple[Any, ...]], width: int, by: str
) -> None:
    page = opened(browser, width)
    page.goto(address)
    act(page.get_by_role("button", name="Run it now"), by)
    page.get_by_text("Started: it appears here in a few seconds.").wait_for()
    ((_, dag_id, _),) = started
    assert dag_id == "test__sync"
    page.get_by_role("heading").first.click()
    working = (
        "INSERT INTO sync_run (sync_name, dag_run_id, kind, state, summary)"
        " VALUES ('test', 'manual__1', 'manual', 'loading', '{\"done\": 3, \"waiting\": 9}') RETURNING id"
    )
    ((run_id,),) = world.rows(working)
    page.get_by_text("3 of 12").wait_for()
    page.get_by_text("The run that was started is below.").wait_for()
    numbers = "UPDATE sync_run SET summary = summary || %s::jsonb WHERE id = %s RETURNING id"
    world.rows(numbers, '{"done": 11, "waiting": 1}', run_id)
    page.get_by_text("11 of 12").wait_for()
    world.rows("UPDATE sync_run SET state = 'done' WHERE id = %s RETURNING id", run_id)
    page.get_by_role("progressbar").wait_for(state="detached")


@sizes
@both
def test_differences_are_downloaded(browser: Browser, address: str, width: int, by: str) -> None:
    page = opened(browser, width)
    page.goto(address)
    act(page.get_by_role("link", name="Differences"), by)
    for name in ("CSV", "Parquet", "Excel"):
        with page.expect_download() as loading:
            act(page.get_by_role("link", name=name), by)
        assert loading.value.suggested_filename.startswith("test-differences.")
        content = loading.value.path().read_bytes()
        assert (b"Countess" in content) == (name != "Excel")


@sizes
def test_times_are_those_of_the_reader(browser: Browser, address: str, width: int) -> None:
    size: Any = {"width": width, "height": 1000}
    for zone, script in (("Asia/Tokyo", True), ("Asia/Tokyo", False)):
        context = browser.new_context(viewport=size, timezone_id=zone, java_script_enabled=script)
        page = context.new_page()
        page.goto(f"{address}runs/test")
        at = page.locator("time").first
        utc = datetime.fromisoformat(str(at.get_attribute("datetime")))
        local = utc.astimezone(ZoneInfo(zone))
        assert at.inner_text() == (f"{local:%Y-%m-%d %H:%M}" if script else f"{utc:%Y-%m-%d %H:%M} UTC")
        assert (zone if script else "UTC") in page.locator("footer").inner_text()
