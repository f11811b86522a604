"""Syncs that are renamed, removed or switched off leave nothing undone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciliation.errors import SettingsError
from reconciliation.run.request import RunRequest
from reconciliation.run.sync_takeover import existing
from reconciliation.settings.sync_files import BrokenSync
from reconciliation.settings.sync_settings import SyncSettings

if TYPE_CHECKING:
    from reconciliation.run.sync_run import Sync

    from tests.reconciliation.world import World


def settings(name: str, **keys: Any) -> SyncSettings:
    return SyncSettings.model_validate({"name": name, "chatwoot": {"account_id": 1}, **keys})


def named(world: World, name: str, *others: str) -> Sync:
    return replace(world.sync(name), existing=frozenset({name, *others}))


def test_a_switched_off_sync_does_no_work_and_a_broken_file_may_hide_one() -> None:
    syncs = [settings("one"), settings("two", enabled=False)]
    assert existing(syncs) == {"one"}
    assert existing([*syncs, BrokenSync("bad", SettingsError(Path("bad.yaml"), ["no"]))]) is None


def test_what_a_renamed_sync_had_planned_is_carried_out_under_the_new_name(world: World) -> None:
    world.add(name="Ada", email="ada@example.com")
    named(world, "old").plan(RunRequest())
    assert world.persons() == []
    run = named(world, "new").run(RunRequest())
    assert run.summary["unchanged"] == 1
    assert [person["name"] for person in world.persons()] == ["Ada"]
    assert len(world.leads()) == 1


def test_the_work_of_another_sync_is_left_to_it(world: World) -> None:
    world.add(name="Ada", email="ada@example.com")
    named(world, "one", "two").plan(RunRequest())
    named(world, "two", "one").run(RunRequest())
    assert world.persons() == []
    world.sync("three").run(RunRequest())
    assert world.persons() == []
    named(world, "one", "two").run(RunRequest())
    assert len(world.persons()) == 1


def test_a_dry_run_takes_nothing_over(world: World) -> None:
    world.add(name="Ada", email="ada@example.com")
    named(world, "old").plan(RunRequest())
    named(world, "new").run(RunRequest(dry_run=True))
    assert world.rows("SELECT sync_name FROM operation") == [("old",)]


def test_questions_of_a_removed_sync_can_be_answered_under_the_heir(world: World) -> None:
    world.add(name="Ada", email="ada@example.com")
    named(world, "old").plan(RunRequest())
    with_question = "UPDATE operation SET state = 'quarantined', error_class = 'validation' RETURNING id"
    assert len(world.rows(with_question)) == 1
    named(world, "new").run(RunRequest())
    assert world.rows("SELECT sync_name, state FROM operation") == [("new", "quarantined")]
