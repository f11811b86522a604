"""Held plans and a recovery answered through Airflow's REST API, and an erasure that leaves no trace."""

from __future__ import annotations

import gzip
import json
import time
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest

from sandbox.chatwoot import changes, conversations, webhooks
from stack.airflow import DATABASE as AIRFLOW_DATABASE
from stack.errors import RunFailedError
from tests.database_dump import dump
from tests.running_stack import RunningStack, running_stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(1200)]

SYNC = "guarded"
APPROVAL = f"{SYNC}__approval"
RECOVER = "krayin_recover"
SECRET = "uQ5rW9xK3nVb7ZmT2cLhYp4D"
SETTINGS = f"""\
name: {SYNC}
schedule: null
reconcile: {{schedule: null}}
chatwoot: {{account_id: 1}}
sync_conversations: true
sync_messages: true
max_changes_without_approval: {{share: 0.1, number: 3}}
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    syncs = tmp_path_factory.mktemp("syncs")
    (syncs / f"{SYNC}.yaml").write_text(SETTINGS)
    with running_stack(
        tmp_path_factory.mktemp("approval"),
        krayin_sync_syncs=syncs,
        sandbox_contacts=12,
        sandbox_conversations=0,
        sandbox_messages=0,
        airflow_parallelism=2,
    ) as running:
        running.api.write_connections(
            [{"connection_id": f"chatwoot_webhook_{SYNC}", "conn_type": "generic", "password": SECRET}]
        )
        yield running


def eventually(check: Callable[[], Any], seconds: float = 180.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, "did not come true"
        time.sleep(0.5)
    return found


def rows(stack: RunningStack, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(stack.sync_dsn, autocommit=True) as connection:
        connection.execute("SET search_path = krayin_sync")
        return connection.execute(query, parameters).fetchall()


def contacts(stack: RunningStack) -> dict[int, int]:
    """Contact id to person id."""
    return dict(
        rows(
            stack,
            "SELECT source_id::int, crm_id::int FROM mapping WHERE source_kind = 'contact'"
            " AND crm_kind = 'person' AND state = 'linked' ORDER BY 1",
        )
    )


def rename(stack: RunningStack, contact_ids: list[int], name: str) -> None:
    with psycopg.connect(stack.chatwoot_dsn, autocommit=True) as connection:
        for contact_id in contact_ids:
            changes.update_contact(connection, contact_id, name=f"{name} {contact_id}")


def names(stack: RunningStack) -> dict[int, str]:
    answer = httpx.get(
        f"{stack.krayin_url}/api/v1/contacts/persons?pagination=0",
        headers={"Authorization": f"Bearer {stack.krayin_token}", "Accept": "application/json"},
        timeout=30,
    )
    return {person["id"]: person["name"] for person in answer.json()["data"]}


def tell(stack: RunningStack, contact_id: int) -> None:
    body = webhooks.encode(webhooks.contact_updated(contact_id))
    answer = httpx.post(
        f"{stack.url}/chatwoot/webhooks/{SYNC}",
        content=body,
        headers=webhooks.headers(SECRET, body),
        timeout=10,
    )
    assert answer.status_code == 200


def question(stack: RunningStack, dag_id: str = APPROVAL) -> tuple[str, dict[str, Any]]:
    """The DAG run that waits for an answer, and what it shows."""

    def waiting() -> tuple[str, dict[str, Any]] | None:
        for run_id in stack.api.active_runs(dag_id):
            path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/answer"
            state = stack.api.client.get(path)
            if state.status_code == 200 and state.json()["state"] == "awaiting_input":
                shown = stack.api._call("GET", f"{path}/-1/hitlDetails")
                if not shown["response_received"]:
                    return run_id, shown
        return None

    found: tuple[str, dict[str, Any]] = eventually(waiting)
    return found


def asked(stack: RunningStack, dag_id: str, run_id: str) -> bool:
    """Whether the process that asked has ended, and the scheduler has heard of it."""
    key = f"task instance TaskInstanceKey(dag_id='{dag_id}', task_id='answer', run_id='{run_id}'"
    log = stack.instance.layout.logs / "scheduler.log"
    return f"Received executor event with state success for {key}" in log.read_text()


def reply(stack: RunningStack, run_id: str, option: str, dag_id: str = APPROVAL) -> None:
    # Airflow 3.3 takes the end of that process for the task's, and fails it, if it already goes on.
    eventually(lambda: asked(stack, dag_id, run_id))
    path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/answer/-1/hitlDetails"
    stack.api._call("PATCH", path, json={"chosen_options": [option], "params_input": {}})
    assert stack.api.wait(dag_id, run_id, 300) == "success"


def test_declined_then_approved_while_changes_arrive(stack: RunningStack) -> None:
    people = contacts(stack)
    six = list(people)[:6]
    before = names(stack)
    rename(stack, six, "Declined")
    stack.run(f"{SYNC}__sync")
    run_id, shown = question(stack)
    assert "6 contact" in shown["body"]
    assert "`person.name`" in shown["body"]
    assert "Declined" not in shown["body"]

    # Meanwhile: one of the held changes again, by webhook, and somebody new comes by the schedule's run.
    rename(stack, six[:1], "Again")
    tell(stack, six[0])
    with psycopg.connect(stack.chatwoot_dsn, autocommit=True) as connection:
        changes.add_contact(connection, 1, name="New Comer", email="new.comer@example.com")
    stack.run(f"{SYNC}__sync")
    eventually(lambda: "New Comer" in names(stack).values())
    eventually(lambda: not rows(stack, "SELECT 1 FROM inbox_event WHERE processed_at IS NULL"))
    assert rows(stack, "SELECT count(*) FROM operation WHERE state = 'held'") == [(6,)]
    assert {names(stack)[people[one]] for one in six} == {before[people[one]] for one in six}

    reply(stack, run_id, "Decline")
    assert rows(stack, "SELECT count(*) FROM operation WHERE state = 'declined'") == [(6,)]
    assert rows(stack, "SELECT state, decided_by FROM approval") == [("declined", "admin")]
    stack.run(f"{SYNC}__sync", {"full": True})
    assert {names(stack)[people[one]] for one in six} == {before[people[one]] for one in six}

    # What was declined is planned again when it changes again, and this time it is wanted.
    rename(stack, six, "Approved")
    stack.run(f"{SYNC}__sync")
    run_id, _ = question(stack)
    rename(stack, six[1:2], "Latest")
    tell(stack, six[1])
    eventually(lambda: not rows(stack, "SELECT 1 FROM inbox_event WHERE processed_at IS NULL"))
    reply(stack, run_id, "Approve")
    now = names(stack)
    assert {now[people[one]] for one in six} == {
        *(f"Approved {one}" for one in six if one != six[1]),
        f"Latest {six[1]}",
    }
    assert rows(stack, "SELECT count(*) FROM operation WHERE state IN ('held', 'planned')") == [(0,)]


def test_a_question_nobody_answers_leaves_the_plan_held(stack: RunningStack) -> None:
    people = contacts(stack)
    four = list(people)[-4:]
    before = names(stack)
    rename(stack, four, "Unanswered")
    stack.run(f"{SYNC}__sync")
    run_id, _ = question(stack)
    with psycopg.connect(stack.instance.dsn(AIRFLOW_DATABASE), autocommit=True) as connection:
        # A week goes by.
        connection.execute("UPDATE task_instance SET trigger_timeout = now() WHERE state = 'awaiting_input'")
    eventually(lambda: stack.api.run_state(APPROVAL, run_id) == "failed")
    assert rows(stack, "SELECT state FROM approval ORDER BY id DESC LIMIT 1") == [("open",)]
    assert rows(stack, "SELECT count(*) FROM operation WHERE state = 'held'") == [(4,)]
    said = texts(stack.instance.layout.task_logs / f"dag_id={APPROVAL}" / f"run_id={run_id}")
    assert "its plan stays held" in said
    assert {names(stack)[people[one]] for one in four} == {before[people[one]] for one in four}

    stack.api.trigger(APPROVAL)
    run_id, shown = question(stack)
    assert "4 contacts" in shown["body"]
    reply(stack, run_id, "Approve")
    assert {names(stack)[people[one]] for one in four} == {f"Unanswered {one}" for one in four}


NAME, EMAIL, PHONE, TEXT = (
    "Zoë Quarrington",
    "zoe.quarrington@example.com",
    "+4915112345678",
    "my locksmith said",
)
TRACES = ("Zoë", "Zo\\u00eb", "Zo\\xc3\\xab", "Quarrington", "quarrington", "15112345678", "locksmith")


def texts(folder: Path) -> str:
    files = (path for path in folder.rglob("*") if path.is_file())
    return "\n".join(path.read_text(errors="replace") for path in files)


def places(stack: RunningStack) -> dict[str, str]:
    return {
        "stand-in": httpx.get(f"{stack.krayin_url}/sandbox/records", timeout=30).text,
        "sync database": dump(stack.sync_dsn),
        "Airflow's database": dump(stack.instance.dsn(AIRFLOW_DATABASE)),
        "logs": texts(stack.instance.layout.logs),
        "reports": "\n".join(
            gzip.decompress(content).decode(errors="replace")
            for (content,) in rows(stack, "SELECT content FROM report_file")
        ),
    }


def found_in(stack: RunningStack) -> dict[str, set[str]]:
    seen = {place: {trace for trace in TRACES if trace in text} for place, text in places(stack).items()}
    return {place: traces for place, traces in seen.items() if traces}


def test_an_erasure_leaves_no_trace(stack: RunningStack) -> None:
    with psycopg.connect(stack.chatwoot_dsn, autocommit=True) as connection:
        contact_id = changes.add_contact(connection, 1, name=NAME, email=EMAIL, phone_number=PHONE)
        (inbox,) = connection.execute("SELECT min(id) FROM inboxes WHERE account_id = 1").fetchone() or (0,)
        talk = conversations.add_conversation(connection, contact_id, inbox)
        conversations.add_message(connection, talk, TEXT)
    stack.run(f"{SYNC}__sync", {"dry_run": True, "contact_ids": str(contact_id)})
    stack.run(f"{SYNC}__sync")
    body = webhooks.encode({**webhooks.contact_updated(contact_id), "name": NAME, "email": EMAIL})
    httpx.post(
        f"{stack.url}/chatwoot/webhooks/{SYNC}",
        content=body,
        headers=webhooks.headers(SECRET, body),
        timeout=10,
    )
    eventually(lambda: not rows(stack, "SELECT 1 FROM inbox_event WHERE processed_at IS NULL"))
    # Somebody edits the person in Krayin, a comparison finds that and makes its report.
    httpx.put(
        f"{stack.krayin_url}/sandbox/records",
        json={"persons": [{"id": contacts(stack)[contact_id], "name": f"{NAME}-Smith"}]},
        timeout=30,
    ).raise_for_status()
    stack.run(f"{SYNC}__reconcile", {"depth": "full"}, seconds=400)
    assert rows(stack, "SELECT class, side FROM finding WHERE contact_id = %s", contact_id) == [
        ("changed", "theirs")
    ]
    assert len(rows(stack, "SELECT 1 FROM report_file")) == 4
    assert set(found_in(stack)) == {"stand-in", "sync database"}, "never in Airflow's database or a log"

    run_id = stack.run("krayin_erasure", {"sync": SYNC, "contact_id": contact_id})
    receipt = stack.api._call(
        "GET", f"/api/v2/dags/krayin_erasure/dagRuns/{run_id}/taskInstances/erase/xcomEntries/return_value"
    )["value"]
    receipt = json.loads(receipt) if isinstance(receipt, str) else receipt
    assert {kind: len(ids) for kind, ids in receipt["deleted"].items()}["person"] == 1
    assert receipt["kept"] == {}
    assert found_in(stack) == {}

    rename(stack, [contact_id], NAME)
    tell(stack, contact_id)
    stack.run(f"{SYNC}__sync", {"full": True})
    eventually(lambda: not rows(stack, "SELECT 1 FROM inbox_event WHERE processed_at IS NULL"))
    assert found_in(stack) == {}
    assert rows(
        stack, "SELECT count(*) FROM mapping WHERE source_id = %s AND crm_id IS NOT NULL", str(contact_id)
    ) == [(0,)]


def sandbox(stack: RunningStack, what: str) -> None:
    httpx.post(f"{stack.krayin_url}/sandbox/{what}", timeout=30).raise_for_status()


def test_a_restored_krayin_is_recovered_once_that_is_approved(stack: RunningStack) -> None:
    sandbox(stack, "backup")
    newcomers = [f"newcomer{number}@example.com" for number in range(4)]
    with psycopg.connect(stack.chatwoot_dsn, autocommit=True) as connection:
        for email in newcomers[:3]:
            changes.add_contact(connection, 1, name=email, email=email)
        stack.run(f"{SYNC}__sync")
        before = len(names(stack))
        sandbox(stack, "restore")
        changes.add_contact(connection, 1, name=newcomers[3], email=newcomers[3])
    with pytest.raises(RunFailedError, match="krayin_recover"):
        stack.run(f"{SYNC}__sync")
    assert rows(stack, "SELECT facts ->> 'sign' FROM incident WHERE closed_at IS NULL") == [
        ("id_given_again",)
    ]
    assert len(names(stack)) == before - 2

    stack.api.trigger(RECOVER, {"sync": SYNC, "happened": "restored from a backup"})
    run_id, shown = question(stack, RECOVER)
    assert "| persons |" in shown["body"]
    reply(stack, run_id, "Approve", RECOVER)
    assert rows(stack, "SELECT state, decided_by FROM recovery") == [("done", "admin")]
    assert rows(stack, "SELECT count(*) FROM incident WHERE closed_at IS NULL") == [(0,)]
    stack.run(f"{SYNC}__sync")
    there = list(names(stack).values())
    assert len(there) == before + 1
    assert [there.count(email) for email in newcomers] == [1, 1, 1, 1]


def test_maintenance_and_its_checks_pass(stack: RunningStack) -> None:
    stack.run("krayin_maintenance")
    stack.run("krayin_alerts")
