"""The profile `celery` on a real engine: three workers, one of which dies in the middle of a load."""

from __future__ import annotations

import logging
import time
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest

from sandbox.chatwoot import changes
from tests.containers.engine import why_not
from tests.containers.project import SYNC, Project, eventually, new_project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

log = logging.getLogger(__name__)
pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(3600)]
WORKERS, CONTACTS, LIMIT = 3, 300, 120
LOADERS = f"requests_per_minute: {LIMIT}, loaders: {WORKERS}"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    if reason := why_not():
        pytest.skip(reason)
    celery = {"COMPOSE_PROFILES": "celery", "AIRFLOW_EXECUTOR": "CeleryExecutor"}
    made = new_project(tmp_path_factory.mktemp("celery"), **celery)
    (made.syncs / "shop.yaml").write_text(SYNC.replace("requests_per_minute: 600", LOADERS))
    try:
        log.info("first start: %.0f s", made.up("--build", "--scale", f"worker={WORKERS}"))
        yield made
    finally:
        made.compose("down", "--volumes", "--timeout", "5")


def test_every_service_is_healthy(project: Project) -> None:
    services = project.services()
    assert {"redis", "worker", "scheduler", "api-server"} <= services.keys()
    for name, containers in services.items():
        if name not in {"init", "sandbox"}:
            assert {container["Health"] for container in containers} == {"healthy"}, name
    assert len(services["worker"]) == WORKERS


def test_the_broker_does_not_run_as_root(project: Project) -> None:
    assert project.compose("exec", "-T", "redis", "stat", "-c", "%U", "/proc/1").strip() == "redis"


def test_a_worker_that_dies_costs_nothing(project: Project) -> None:
    httpx.put(
        f"http://127.0.0.1:{project.krayin_port}/sandbox/settings", json={"requests_per_minute": LIMIT}
    ).raise_for_status()
    with psycopg.connect(project.chatwoot_dsn, autocommit=True) as connection:
        for number in range(CONTACTS):
            changes.add_contact(connection, 1, name=f"Contact {number}", email=f"contact{number}@example.com")
    with project.api() as api:
        eventually(lambda: "shop__sync" in api.paused(), 600)
        project.run("krayin_setup", seconds=900)
        api.unpause("shop__sync")
        began = time.monotonic()
        run = api.trigger("shop__sync")
        eventually(lambda: done(project) >= CONTACTS // 3, 600)
        # All that the worker's user may end; the container ends with them and is started again.
        project.compose("exec", "--index", "2", "-T", "worker", "bash", "-c", "kill -9 -1", check=False)
        assert api.wait("shop__sync", run, 1500) == "success"
    log.info("with a killed worker: %.0f s", time.monotonic() - began)
    eventually(lambda: all(each["Health"] == "healthy" for each in project.services()["worker"]), 900)
    project.run("shop__sync", seconds=600)
    assert project.rows(
        "SELECT count(*) FROM operation WHERE state IN ('planned', 'in_flight', 'unknown')"
    ) == [(0,)]
    names = Counter(project.persons().values())
    assert [names[f"Contact {number}"] for number in range(CONTACTS)] == [1] * CONTACTS
    times = [at for (at,) in project.rows("SELECT at FROM api_call ORDER BY at")]
    log.info("%s calls, busiest minute %s of %s", len(times), busiest(times), LIMIT)
    assert busiest(times) <= LIMIT
    assert project.rows("SELECT count(*) FROM api_call WHERE outcome = 'rate_limited'") == [(0,)]


def test_logs_of_workers_are_shown(project: Project) -> None:
    with project.api() as api:
        run = api.trigger("krayin_setup")
        assert api.wait("krayin_setup", run, 900) == "success"
        path = f"/api/v2/dags/krayin_setup/dagRuns/{run}/taskInstances/check_shop/logs/1"
        log_lines = api.client.get(
            path, params={"full_content": True}, headers={"Accept": "application/json"}
        ).json()
    assert "shop" in str(log_lines["content"])


def done(project: Project) -> int:
    """Return how many operations are done."""
    return int(project.rows("SELECT count(*) FROM operation WHERE state = 'done'")[0][0])


def busiest(times: list[datetime]) -> int:
    """Return the largest number of calls in any 60 seconds."""
    first = most = 0
    for last, at in enumerate(times):
        while at - times[first] >= timedelta(seconds=60):
            first += 1
        most = max(most, last - first + 1)
    return most
