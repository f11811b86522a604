"""Chatwoot read from a real standby that is behind: what it does not show yet is not taken for gone."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from psycopg.conninfo import make_conninfo
from reconciliation.errors import IncidentOpenError
from reconciliation.extract.look import FEWER, OTHER
from reconciliation.run.request import RunRequest
from reconciliation.store.run_rows import RunKind

from stack.postgres import Cluster
from tests.reconciliation.another_krayin import writes
from tests.standby import running_standby, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.reconciliation.world import World

CONTACTS = 40
NEW = 41
UNASKED = {"number": 1000, "share": 1.0}

pytestmark = pytest.mark.slow


def test_what_a_standby_has_not_replayed_is_neither_gone_nor_as_it_was(
    world: World, postgres: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that leads to the primary and to a standby in turns: a pooler's, or one with two hosts."""
    world.settings = {
        "reconcile": {"repair": "repair"},
        "on_source_delete": "delete",
        "max_changes_without_approval": UNASKED,
        "max_removals_without_approval": UNASKED,
    }
    for number in range(1, CONTACTS + 1):
        assert world.add(name=f"Ada {number}", email=f"ada{number}@example.com") == number
    world.run()
    world.compared(repairing=None)

    def webhooks() -> None:
        world.run(RunRequest(kind=RunKind.EVENTS, contact_ids=frozenset({5, NEW})))

    def compared() -> None:
        world.compared(repairing=None)

    with running_standby(postgres, tmp_path / "standby", recovery_min_apply_delay="1h") as standby:
        replica = make_conninfo(world.chatwoot_url, port=standby.port)
        assert world.add(name="New", email="new@example.com") == NEW
        world.change(5, name="Ada Lovelace")
        wait_for(postgres, standby, "receive")
        world.krayin.clear_calls()

        # Before anything newer was read, how far it is behind is all that tells.
        world.reader = replica
        with monkeypatch.context() as patched:
            patched.setattr("chatwoot.database.source.LONGEST_LAG", timedelta(0))
            compared()
            assert world.kinds() == [FEWER]
            assert re.search(r"this standby is \d+ minutes behind its primary", world.incidents()[0].sentence)
        compared()
        assert (world.kinds(), writes(world)) == ([], [])

        # Then a few seconds are too much, whichever lane read the primary.
        world.reader = None
        webhooks()
        known = [(row["id"], row["name"]) for row in world.persons()]
        assert {"New", "Ada Lovelace"} <= {name for _, name in known}
        world.krayin.clear_calls()
        for read_by in (webhooks, world.run):
            world.reader = None
            read_by()
            world.reader = replica
            for way in (webhooks, world.run, lambda: world.run(RunRequest(full=True)), compared):
                with pytest.raises(IncidentOpenError, match="an older moment than was read before"):
                    way()
            assert world.kinds() == [OTHER]

        world.reader = None
        world.run()
        compared()
        assert (world.kinds(), writes(world)) == ([], [])
        assert [(row["id"], row["name"]) for row in world.persons()] == known


def test_a_standby_that_is_cut_off_is_behind_since_its_last_transaction(
    world: World, postgres: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatwoot.database.source.LONGEST_LAG", timedelta(0))

    def passing() -> tuple[str, ...]:
        with world.source().snapshot() as snapshot:
            return snapshot.vouch.passing

    with running_standby(postgres, tmp_path / "standby") as standby:
        world.add(name="New")
        wait_for(postgres, standby)
        world.reader = make_conninfo(world.chatwoot_url, port=standby.port)
        assert passing() == ()
        standby.stop("fast")
        cut_off = Cluster(
            standby.directory, standby.port, standby.password, {**standby.settings, "primary_conninfo": ""}
        )
        cut_off.start()
        assert passing() == ("this standby is 0 minutes behind its primary",)
