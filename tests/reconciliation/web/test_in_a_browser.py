"""The pages in Chromium: what axe-core says of each, and what a person does with mouse and keyboard."""

from __future__ import annotations

import os
import shutil
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from fastapi import FastAPI
from playwright.sync_api import sync_playwright
from reconciliation.settings.sync_files import load_syncs
from reconciliation.web.page_context import PageContext
from reconciliation.web.status_app import create_app

from tests.ports import free_port
from tests.reconciliation.web.test_status_app import DAGS, User

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from tests.reconciliation.world import World

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PICTURES = os.environ.get("WRITE_PICTURES")
"""A folder: the pictures of the pages that are there are made anew."""
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium is installed (apt-get install chromium)"
)
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
def address(tmp_path: Path, world: World) -> Iterator[str]:
    """Contacts that were brought over, some whose match is ambiguous, and names that were edited in Krayin."""
    (tmp_path / "test.yaml").write_text(
        "name: test\nchatwoot: {account_id: 1, url: https://chat.example.com/}\n"
    )
    for number, name in enumerate(NAMES):
        first = name.split()[0].lower()
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
        world.add(name=f"{name} II", email=f"{first}2@example.com", phone_number=f"+494077700{number}")
    world.run()
    for one in world.persons()[-2:]:
        kept = {name: one[name] for name in ("emails", "contact_numbers")}
        body = {**kept, "name": one["name"].upper(), "job_title": "Countess", "user_id": 1}
        world.api("PUT", f"contacts/persons/{one['id']}", body)
    world.compared(repairing=False)

    async def signed_in() -> User:
        return User("ada")

    app = FastAPI()
    context = PageContext(
        signed_in=signed_in,
        readable=lambda _: DAGS,
        login=lambda _: None,
        may_start=lambda *_: True,
        start=lambda *_: "manual__1",
        question=lambda _: None,
        answer=lambda *_: None,
        audit=lambda *_: None,
        syncs=lambda: load_syncs(tmp_path),
        open_sync=world.sync,
        sync_dsn=lambda: world.sync_url,
    )
    app.mount("/krayin-sync", create_app(context))
    with served(app) as base:
        yield base


def opened(browser: Browser, width: int, *, bypass_csp: bool = False) -> Page:
    """A page of this width; with `bypass_csp` axe-core may be put into it."""
    size: Any = {"width": width, "height": 1000}
    context = browser.new_context(viewport=size, color_scheme=SIZES[width], bypass_csp=bypass_csp)
    context.set_default_timeout(15_000)
    return context.new_page()


def preview(page: Page, address: str) -> str:
    """Ask by keyboard what would become of some contacts, and wait for it; return where it is."""
    page.goto(f"{address}preview/test")
    page.keyboard.type("rosa@example.com, +49 40 777001, 1, 999")
    page.keyboard.press("Tab")
    page.keyboard.type("0")
    page.keyboard.press("Enter")
    page.get_by_role("article").nth(3).wait_for()
    return page.url.removeprefix(address)


def test_axe_finds_nothing_serious_and_no_page_scrolls_sideways(
    browser: Browser, address: str, world: World
) -> None:
    pages = {
        "status": "", "find": "find", "work": "work?chosen=all", "decisions": "decisions/test",
        "differences": "differences/test", "gone": "differences/test?change=gone",
        "comparisons": "comparisons/test", "runs": "runs/test", "record": "records/test/2",
        "waiting": "records/test/1", "unknown": "records/test/999", "preview": "preview/test",
    }  # fmt: skip
    found = []
    page = opened(browser, 1280)
    world.change(4, name="Rear Admiral Grace Hopper")
    world.add(name="Rosa Parks", email="rosa@example.com", additional_attributes={"job_title": "Buyer"})
    pages["previewed"] = preview(page, address)
    page.goto(f"{address}work")
    page.get_by_role("button", name="It is this person").first.click()
    for width in SIZES:
        page = opened(browser, width, bypass_csp=True)
        schemes: Any = ("light", "dark")
        for scheme in schemes:
            page.emulate_media(color_scheme=scheme)
            for name, path in pages.items():
                page.goto(address + path)
                found += [
                    (name, width, scheme, one["id"], one["nodes"][0]["html"])
                    for one in Axe().run(page).response["violations"]
                    if one["impact"] in {"serious", "critical"}
                ]
                if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                    found.append((name, width, scheme, "scrolls sideways", ""))
                picture = Path(PICTURES or "none") / f"{name}-{width}-{scheme}.png"
                if picture.exists():
                    page.screenshot(path=picture)
    assert found == []


@pytest.mark.parametrize("width", SIZES)
def test_a_customer_is_found_by_phone_and_krayins_name_accepted_by_keyboard(
    browser: Browser, address: str, world: World, width: int
) -> None:
    page = opened(browser, width)
    page.goto(f"{address}find")
    page.keyboard.type("77700 4")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="10", exact=True).press("Enter")
    page.get_by_role("button", name="Read both sides now").press("Enter")
    page.get_by_text("Both sides were read just now.").wait_for()
    name = page.get_by_role("row").filter(has_text="MARGARET HAMILTON II").first
    assert "Krayin's value counts: somebody edited it there" in name.inner_text()
    name.get_by_role("button", name="Accept Krayin's value").press("Enter")
    page.get_by_text("Krayin keeps its value: the difference was accepted.").wait_for()
    assert world.rows("SELECT answer, decided_by, contact_id FROM decision") == [("accept", "ada", 10)]


@pytest.mark.parametrize("width", SIZES)
def test_several_are_answered_at_once_one_by_one_and_one_is_taken_back(
    browser: Browser, address: str, world: World, width: int
) -> None:
    page = opened(browser, width)
    page.goto(f"{address}work")
    page.get_by_role("link", name="Choose all on this page").click()
    boxes = page.get_by_role("checkbox")
    boxes.first.press("Space")
    page.get_by_role("button", name="They are the persons with the same e-mail").press("Enter")
    page.get_by_role("status").filter(has_text="4 of 4 decided").wait_for()
    page.get_by_role("button", name="It is this person").last.click()
    page.get_by_role("status").filter(has_text="1 of 1 decided").wait_for()
    page.get_by_role("link", name="taken back").click()
    page.get_by_role("checkbox").nth(1).check()
    page.get_by_role("button", name="Take the chosen ones back").click()
    page.get_by_role("cell", name="taken back by ada").wait_for()
    world.run()
    linked = world.rows("SELECT count(*) FROM mapping WHERE crm_kind = 'person' AND origin = 'adopted'")
    assert linked == [(4,)]
    page.goto(f"{address}work")
    assert page.get_by_role("article").count() == 1


def test_a_load_is_watched_to_its_end(browser: Browser, address: str, world: World) -> None:
    working = "UPDATE sync_run SET state = 'loading', summary = summary || %s::jsonb RETURNING id"
    world.rows(working, '{"done": 3, "waiting": 9}')
    page = opened(browser, 1280)
    page.goto(f"{address}runs/test")
    page.get_by_text("3 of 12").first.wait_for()
    world.rows(working, '{"done": 11, "waiting": 1}')
    page.get_by_text("11 of 12").first.wait_for()
    world.rows("UPDATE sync_run SET state = 'done' RETURNING id")
    page.get_by_role("progressbar").first.wait_for(state="detached")
