"""Webhooks on the stack of `make up`: from a signed POST to the person in Krayin, whatever is killed on the way."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest

from sandbox.chatwoot import changes, conversations, webhooks
from stack.airflow import DATABASE
from stack.instance import SYNC_DATABASE
from tests.running_stack import RunningStack, running_stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(900)]

SECRET = "uQ5rW9xK3nVb7ZmT2cLhYp4D"
SYNC = "sandbox"
# Only webhooks may bring changes over here, so nothing runs by the clock.
SETTINGS = f"""\
name: {SYNC}
schedule: null
reconcile: {{schedule: null}}
chatwoot: {{account_id: 1}}
sync_conversations: true
sync_messages: true
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    folder = tmp_path_factory.mktemp("webhooks")
    syncs = folder / "syncs"
    syncs.mkdir()
    (syncs / f"{SYNC}.yaml").write_text(SETTINGS)
    with running_stack(
        folder / "stack",
        krayin_sync_syncs=syncs,
        sandbox_contacts=16,
        sandbox_conversations=2,
        sandbox_messages=4,
        airflow_parallelism=2,
    ) as running:
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


def kill(stack: RunningStack, component: str) -> None:
    """End a component, or the server of all databases, without warning."""
    number = (
        int((stack.instance.layout.postgres / "postmaster.pid").read_text().split()[0])
        if component == "postgresql"
        else pid(stack, component)
    )
    assert number
    os.kill(number, signal.SIGKILL)


def rename(stack: RunningStack, contact_id: int, name: str) -> None:
    def changed() -> bool:
        try:
            _rename(stack, contact_id, name)
        except psycopg.OperationalError:
            # Chatwoot's database is on the server that one of the tests kills.
            return False
        return True

    eventually(changed)


def _rename(stack: RunningStack, contact_id: int, name: str) -> None:
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
    assert f"its secret is in the Airflow connection chatwoot_webhook_{SYNC}" in text
    assert SECRET not in text


PRIVATE, PUBLIC = "aubergine-word", "tangerine-word"


def databases(stack: RunningStack) -> Iterator[tuple[str, str]]:
    """Every row of the sync database and of Airflow's, as text, by table."""
    for database in (SYNC_DATABASE, DATABASE):
        with psycopg.connect(stack.instance.dsn(database)) as connection:
            # Bytes are shown as letters, not in hexadecimal.
            connection.execute("SET bytea_output = 'escape'")
            tables = connection.execute(
                "SELECT table_schema || '.' || quote_ident(table_name) FROM information_schema.tables"
                " WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')"
            ).fetchall()
            for (table,) in tables:
                rows = connection.execute(f"SELECT row::text FROM {table} AS row").fetchall()
                yield f"{database}.{table}", repr(rows)


def files_with(folder: Path, word: str) -> set[str]:
    """The names of the files with a word: logs of components and tasks, and the stand-in's own database."""
    return {
        path.name
        for path in folder.rglob("*")
        if path.is_file()
        and "postgres" not in path.relative_to(folder).parts
        and word.encode() in path.read_bytes()
    }


def test_what_a_private_note_says_is_nowhere_after_a_full_run(stack: RunningStack) -> None:
    with psycopg.connect(stack.chatwoot_dsn, autocommit=True) as connection:
        box = connection.execute("SELECT id FROM inboxes WHERE account_id = 1 ORDER BY id").fetchone()
        assert box
        contact = changes.add_contact(connection, 1, inbox_id=box[0], name="Ines", email="ines@example.com")
        talk = conversations.add_conversation(connection, contact, box[0])
        said = conversations.add_message(connection, talk, PUBLIC)
        note = conversations.add_message(
            connection, talk, PRIVATE, message_type=1, private=True, sender_type="User", sender_id=1
        )
        row = connection.execute("SELECT display_id FROM conversations WHERE id = %s", (talk,)).fetchone()
        assert row
    private = webhooks.message(note, row[0], contact, "message_created", private=True, content=PRIVATE)
    assert post(stack, private).json() == {"status": "ignored"}
    # Conversation events show the latest message, whichever it is.
    latest = {"id": note, "private": True, "content": PRIVATE, "processed_message_content": PRIVATE}
    talked = {**webhooks.conversation(row[0], contact, messages=[latest]), "event": "conversation_updated"}
    assert post(stack, talked).json() == {"status": "accepted"}
    public = webhooks.message(said, row[0], contact, "message_created", content=PUBLIC)
    public["conversation"]["messages"] = [latest]
    assert post(stack, public).json() == {"status": "accepted"}
    folder = stack.instance.settings.data_dir
    eventually(lambda: any("krayin" in name for name in files_with(folder, PUBLIC)))
    stack.run(f"{SYNC}__sync", {"full": True})
    eventually(lambda: not stack.api.active_runs(f"{SYNC}__events"))
    found = {table for table, rows in databases(stack) if PRIVATE in rows}
    assert found == set()
    assert files_with(folder, PRIVATE) == set()
    # The search finds words: those everybody may read are in Krayin and in the plan, and in no log either.
    assert any("operation" in table for table, rows in databases(stack) if PUBLIC in rows)
    assert all("krayin" in name for name in files_with(folder, PUBLIC))


@pytest.mark.parametrize("component", ["api-server", "triggerer", "scheduler", "postgresql"])
def test_what_was_accepted_arrives_though_a_component_is_killed(stack: RunningStack, component: str) -> None:
    found = list(persons(stack).items())[1:13]
    expected = {}
    for number, (contact_id, person_id) in enumerate(found):
        name = f"{component} {number}"
        rename(stack, contact_id, name)
        if accepted(stack, webhooks.contact_updated(contact_id)):
            expected[person_id] = name
        if number == len(found) // 2:
            kill(stack, component)
        time.sleep(0.3)
    assert len(expected) > len(found) // 2
    eventually(lambda: {key: names(stack)[key] for key in expected} == expected, 400)
    eventually(lambda: set(stack.api.health().values()) == {"healthy"})
    with psycopg.connect(stack.sync_dsn) as connection:
        waiting = connection.execute(
            "SELECT count(*) FROM krayin_sync.inbox_event WHERE processed_at IS NULL"
        ).fetchone()
    assert waiting == (0,)
