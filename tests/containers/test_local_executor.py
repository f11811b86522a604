"""docker-compose.yaml on a real engine: from the first start to a backup that is restored."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest
from playwright.sync_api import sync_playwright

from sandbox.chatwoot import changes, webhooks
from tests.containers.engine import why_not
from tests.containers.project import PASSWORD, Project, eventually, new_project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

log = logging.getLogger(__name__)
pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(3600)]
SERVICES = {"api-server", "scheduler", "dag-processor", "triggerer", "postgres"}
SECRET = "of the webhook"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PICTURES = os.environ.get("WRITE_PICTURES")
in_a_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium is installed (apt-get install chromium)"
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    if reason := why_not():
        pytest.skip(reason)
    made = new_project(tmp_path_factory.mktemp("compose"))
    try:
        log.info("first start: %.0f s", made.up("--build"))
        yield made
    finally:
        made.compose("down", "--volumes", "--timeout", "5")


def healthy(project: Project) -> bool:
    return {
        name for name, containers in project.services().items() if containers[0]["Health"] == "healthy"
    } >= SERVICES


def made_and_open(project: Project) -> tuple[int, int]:
    """Return the number of persons made, and of operations that are not at their end."""
    return (
        len(project.persons()),
        project.rows("SELECT count(*) FROM operation WHERE state IN ('planned', 'in_flight', 'unknown')")[0][
            0
        ],
    )


def test_every_service_is_healthy(project: Project) -> None:
    assert healthy(project)
    assert project.services()["init"][0]["ExitCode"] == 0
    assert not {
        container["Image"] for name in SERVICES - {"postgres"} for container in project.services()[name]
    } - {"chatwoot-krayin-sync:0.1.0"}


def test_a_second_start_does_nothing(project: Project) -> None:
    before = {name: containers[0]["ID"] for name, containers in project.services().items()}
    seconds = project.up()
    log.info("second start: %.0f s", seconds)
    assert "nothing to do" in project.compose("logs", "--no-log-prefix", "--tail", "3", "init")
    assert {name: containers[0]["ID"] for name, containers in project.services().items()} == before


def test_setup_finds_nothing_wrong(project: Project) -> None:
    with project.api() as api:
        eventually(lambda: "shop__backfill" in api.paused(), 600)
        assert not api.import_errors()
        assert all(api.paused().values())
    project.run("krayin_setup")


def test_a_forecast_sends_nothing_and_lets_nothing_else_run(project: Project) -> None:
    before = project.persons()
    project.run("shop__backfill")
    assert project.persons() == before
    assert project.rows("SELECT count(*) FROM mapping") == [(0,)]
    with project.api() as api:
        assert api.paused()["shop__sync"]


def test_the_first_sync_makes_everybody(project: Project) -> None:
    began = time.monotonic()
    project.run("shop__sync")
    log.info("first sync: %.0f s, %s persons", time.monotonic() - began, len(project.persons()))
    assert len(project.persons()) > 40
    assert made_and_open(project)[1] == 0


def brought_over(project: Project, name: str, path: str = "") -> float:
    """Rename the first contact in Chatwoot and tell by webhook; return the seconds until Krayin has it."""
    contact, person = project.rows(
        "SELECT source_id::bigint, crm_id FROM mapping WHERE (source_kind, crm_kind) = ('contact', 'person') ORDER BY 1 LIMIT 1"
    )[0]
    with psycopg.connect(project.chatwoot_dsn, autocommit=True) as connection:
        changes.update_contact(connection, contact, name=name)
    body = webhooks.encode(webhooks.contact_updated(contact))
    answer = httpx.post(
        f"{project.url}{path}/chatwoot/webhooks/shop", content=body, headers=webhooks.headers(SECRET, body)
    )
    assert answer.status_code == 200, answer.text
    return eventually(lambda: project.persons()[person] == name, 300)


def test_a_webhook_arrives_within_seconds(project: Project) -> None:
    with project.api() as api:
        api.write_connections(
            [{"connection_id": "chatwoot_webhook_shop", "conn_type": "generic", "password": SECRET}]
        )
        api.unpause("shop__events")
        api.parse_again(["shop__events"])
    for name in ("A first time", "Brought over by a webhook"):
        log.info("from the webhook to Krayin: %.1f s", brought_over(project, name))


@contextmanager
def status_page(project: Project, path: str = "") -> Iterator[Page]:
    """Open the status page in Chromium, signing in on the way."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(f"{project.url}{path}/krayin-sync/")
        page.get_by_label("Username").fill("admin")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign In").click()
        page.get_by_role("heading", name="shop").wait_for()
        yield page
        browser.close()


def keep_picture(page: Page, name: str) -> None:
    if PICTURES:
        page.wait_for_load_state("networkidle")
        page.screenshot(path=Path(PICTURES) / f"{name}.png")


@in_a_browser
def test_whoever_signs_in_sees_the_syncs(project: Project) -> None:
    """With WRITE_PICTURES, a folder, what they look like is kept in it."""
    with status_page(project) as page:
        keep_picture(page, "docker-status")
        page.get_by_role("link", name="Runs with a form").click()
        page.get_by_role("button", name="Trigger").wait_for()
        keep_picture(page, "docker-sync-dag")


def test_an_edited_sync_file_counts_within_a_minute(project: Project) -> None:
    file = project.syncs / "second.yaml"
    file.write_text("name: second\nschedule: null\nchatwoot: {account_id: 2}\n")
    with project.api() as api:
        log.info("a new sync file shows: %.0f s", eventually(lambda: "second__sync" in api.paused(), 120))
        file.unlink()


def test_a_restart_leaves_everything_as_it_was(project: Project) -> None:
    before = made_and_open(project)
    project.compose("restart")
    log.info("healthy after a restart: %.0f s", eventually(lambda: healthy(project), 900))
    project.run("shop__sync", {"full": True})
    assert made_and_open(project) == before


def test_down_and_up_leave_everything_as_it_was(project: Project) -> None:
    before = made_and_open(project)
    project.compose("down")
    log.info("up after down: %.0f s", project.up())
    assert "nothing to do" in project.compose("logs", "--no-log-prefix", "init")
    project.run("shop__sync", {"full": True})
    assert made_and_open(project) == before


def test_an_upgrade_migrates_and_replaces_all(project: Project) -> None:
    before, image = made_and_open(project), "chatwoot-krayin-sync:0.1.0"
    newer = f"FROM {image}\nRUN echo '-- newer' > /opt/airflow/include/sql/newer.sql\n"
    subprocess.run(["docker", "build", "--quiet", "--tag", image, "-"], input=newer, text=True, check=True)
    old = {container["ID"] for containers in project.services().values() for container in containers}
    log.info("upgrade: %.0f s", project.up())
    assert "nothing to do" not in project.compose("logs", "--no-log-prefix", "init")
    kept = {name for name, containers in project.services().items() if containers[0]["ID"] in old}
    assert kept == {"postgres"}
    project.run("shop__sync", {"full": True})
    assert made_and_open(project) == before
    project.up("--build")


def test_a_backup_brings_everything_back(project: Project) -> None:
    """With the commands of docs/operations/backup.md."""
    before = made_and_open(project)
    dumped = "".join(
        project.compose(
            *("exec", "-T", "postgres", "pg_dump", "--username", "postgres"),
            *("--create", "--clean", "--if-exists", name),
        )
        for name in ("airflow", "krayin_sync")
    )
    project.compose("stop", *SERVICES - {"postgres"})
    for name in ("airflow", "krayin_sync"):
        project.compose("exec", "-T", "postgres", "dropdb", "--username", "postgres", name)
    project.compose(
        *["exec", "-T", "postgres", "psql", "--quiet", "--username", "postgres", "--set", "ON_ERROR_STOP=1"],
        stdin=dumped,
    )
    log.info("up after the restore: %.0f s", project.up())
    assert "nothing to do" in project.compose("logs", "--no-log-prefix", "--tail", "3", "init")
    project.run("shop__sync", {"full": True})
    assert made_and_open(project) == before


def test_under_a_path_of_an_address(project: Project) -> None:
    with (project.folder / ".env").open("a") as settings:
        settings.write(f"AIRFLOW_BASE_URL={project.url}/office\nAIRFLOW_BASE_PATH=/office\n")
    log.info("up under a path: %.0f s", project.up())
    with project.api("/office") as api:
        assert api.wait("shop__sync", api.trigger("shop__sync", {"full": True}), 900.0) == "success"
    log.info("from the webhook to Krayin: %.1f s", brought_over(project, "Under a path", "/office"))


@in_a_browser
def test_the_pages_follow_the_path(project: Project) -> None:
    with status_page(project, "/office") as page:
        assert page.url == f"{project.url}/office/krayin-sync/"
        page.get_by_role("link", name="Runs", exact=True).click()
        page.get_by_role("heading", name="Runs of shop").wait_for()
        page.get_by_role("link", name="Airflow", exact=True).click()
        page.get_by_text("Dags", exact=True).first.wait_for()
        assert page.url.startswith(f"{project.url}/office/")
