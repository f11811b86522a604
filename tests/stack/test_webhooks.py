"""Webhooks on the stack of `make up`: from a signed POST to the person in Krayin, whatever is killed on the way."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest

from sandbox.chatwoot import changes, webhooks
from stack.testing import RunningStack, running_stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(900)]

SECRET = "uQ5rW9xK3nVb7ZmT2cLhYp4D"
SYNC = "sandbox"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with running_stack(
        tmp_path_factory.mktemp("webhooks"),
        sandbox_contacts=16,
        sandbox_conversations=2,
        sandbox_messages=4,
        airflow_parallelism=2,
    ) as running:
        # Only webhooks may bring changes over here.
        running.api._call("PATCH", f"/api/v2/dags/{SYNC}__sync", json={"is_paused": True})
        running.api.write_connections(
            [{"connection_id": f"chatwoot_webhook_{SYNC}", "conn_type": "generic", "password": SECRET}]
        )
        yield running


def eventually(check: Callable[[], object], seconds: float = 180.0) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "did not come true"
        time.sleep(0.5)


def pid(stack: RunningStack, component: str) -> int | None:
    said = stack.instance.supervised()
    assert said
    return next(each["pid"] for each in said["components"] if each["name"] == component)


def post(stack: RunningStack, payload: dict, secret: str = SECRET, sync: str = SYNC) -> httpx.Response:
    body = webhooks.encode(payload)
    return httpx.post(
        f"{stack.url}/chatwoot/webhooks/{sync}",
        content=body,
        headers=webhooks.headers(secret, body),
        timeout=5,
    )


def accepted(stack: RunningStack, payload: dict) -> bool:
    try:
        return post(stack, payload).status_code == 200
    except httpx.TransportError:
        return False


def rename(stack: RunningStack, contact_id: int, name: str) -> None:
    with psycopg.connect(stack.chatwoot_dsn, autocommit=True) as connection:
        changes.update_contact(connection, contact_id, name=name)


def persons(stack: RunningStack) -> dict[int, int]:
    """Contact id to person id."""
    with psycopg.connect(stack.sync_dsn) as connection:
        return dict(
            connection.execute(
                "SELECT source_id::int, crm_id::int FROM krayin_sync.mapping"
                " WHERE source_kind = 'contact' AND crm_kind = 'person' AND crm_id IS NOT NULL ORDER BY 1"
            ).fetchall()
        )


def names(stack: RunningStack) -> dict[int, str]:
    answer = httpx.get(
        f"{stack.krayin_url}/api/v1/contacts/persons?pagination=0",
        headers={"Authorization": f"Bearer {stack.krayin_token}", "Accept": "application/json"},
        timeout=30,
    )
    return {person["id"]: person["name"] for person in answer.json()["data"]}


def test_a_signed_webhook_changes_the_person(stack: RunningStack) -> None:
    contact_id, person_id = next(iter(persons(stack).items()))
    rename(stack, contact_id, "Brought over by a webhook")
    answer = post(stack, webhooks.contact_updated(contact_id))
    assert (answer.status_code, answer.json()) == (200, {"status": "accepted"})
    eventually(lambda: names(stack)[person_id] == "Brought over by a webhook")


def test_bad_requests_are_refused_by_the_api_server(stack: RunningStack) -> None:
    payload = webhooks.contact_updated(1)
    assert post(stack, payload, secret="another").status_code == 401
    assert post(stack, payload, sync="nowhere").status_code == 404
    assert post(stack, webhooks.contact_updated(1, 99)).status_code == 422
    large = httpx.post(f"{stack.url}/chatwoot/webhooks/{SYNC}", content=b"x" * 2_000_000, timeout=10)
    assert large.status_code == 413


def test_setup_says_what_to_enter(stack: RunningStack) -> None:
    run_id = stack.run("krayin_setup")
    path = f"/api/v2/dags/krayin_setup/dagRuns/{run_id}/taskInstances/check_{SYNC}/logs/1"
    log = stack.api._call("GET", path, params={"full_content": True})
    text = "\n".join(str(line.get("event")) for line in log["content"])
    assert f"its secret stands in the Airflow connection chatwoot_webhook_{SYNC}" in text
    assert SECRET not in text


@pytest.mark.parametrize("component", ["api-server", "triggerer", "scheduler"])
def test_what_was_accepted_arrives_though_a_component_is_killed(stack: RunningStack, component: str) -> None:
    found = list(persons(stack).items())[1:13]
    expected = {}
    for number, (contact_id, person_id) in enumerate(found):
        name = f"{component} {number}"
        rename(stack, contact_id, name)
        if accepted(stack, webhooks.contact_updated(contact_id)):
            expected[person_id] = name
        if number == len(found) // 2:
            killed = pid(stack, component)
            assert killed
            os.kill(killed, signal.SIGKILL)
        time.sleep(0.3)
    assert len(expected) > len(found) // 2
    eventually(lambda: {key: names(stack)[key] for key in expected} == expected, 400)
    eventually(lambda: set(stack.api.health().values()) == {"healthy"})
    with psycopg.connect(stack.sync_dsn) as connection:
        waiting = connection.execute(
            "SELECT count(*) FROM krayin_sync.inbox_event WHERE processed_at IS NULL"
        ).fetchone()
    assert waiting == (0,)
