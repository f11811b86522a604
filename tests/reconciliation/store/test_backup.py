"""The sync database comes back from a backup, an old one too, and no record is made twice."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import psycopg
from reconciliation.run.request import RunRequest

from sandbox.chatwoot import conversations
from stack import postgres as stack_postgres
from tests.reconciliation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


SETTINGS = {"sync_to_organization": True, "sync_conversations": True}


def program(name: str) -> str:
    return str(stack_postgres.programs() / name)


def talk_activities(world: World) -> int:
    rows = world.krayin.records("activities")["activities"]
    return sum(str(row["title"]).startswith("Conversation #") for row in rows)


def test_an_old_backup_makes_nothing_twice(
    world: World, new_database: Callable[..., str], tmp_path: Path
) -> None:
    for name in ("ada", "bob", "eve"):
        world.add(name=name, email=f"{name}@example.com", additional_attributes={"company_name": "Acme"})
    world.run(**SETTINGS)
    backup = tmp_path / "krayin_sync.dump"
    subprocess.run(
        [program("pg_dump"), "--format=custom", "--schema=krayin_sync", f"--file={backup}", world.sync_url],
        check=True,
    )
    # What was done after the backup is not in it.
    kim = world.add(name="kim", email="kim@example.com")
    world.change(1, name="Ada Lovelace")
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        conversations.add_conversation(connection, 1, 1)
        conversations.add_conversation(connection, kim, 1)
    world.run(**SETTINGS)
    assert talk_activities(world) == 2
    before = world.persons(), world.leads(), world.organizations()

    restored = new_database("restored")
    subprocess.run(
        [program("pg_restore"), "--no-owner", "--exit-on-error", f"--dbname={restored}", str(backup)],
        check=True,
    )
    again = World(world.chatwoot_url, restored, world.krayin)
    run = again.run(RunRequest(full=True), **SETTINGS)

    assert run.summary["planned"]["adopt"] == 1
    assert [person["name"] for person in world.persons()] == ["Ada Lovelace", "bob", "eve", "kim"]
    assert (len(world.persons()), len(world.leads()), len(world.organizations())) == tuple(map(len, before))
    assert talk_activities(world) == 2
    assert again.run(RunRequest(full=True), **SETTINGS).summary["calls"] == 0
    with psycopg.connect(restored) as connection:
        linked = connection.execute(
            "SELECT count(*) FROM krayin_sync.mapping WHERE source_kind = 'contact' AND state = 'linked'"
        ).fetchone()
    assert linked == (8,)
