"""Nothing duplicated, nothing lost: a workload under kills and faults ends as a calm one does."""

from __future__ import annotations

import json
import os
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from sandbox.krayin.testing import USUAL
from tests.chaos.conversations import PRIVATE_WORD, PUBLIC_WORD
from tests.chaos.harness import Chaos
from tests.chaos.seed import SEED
from tests.chaos.served import TOKEN, Served
from tests.chaos.state import counts, differences, state_of
from tests.chaos.workload import Workload
from tests.soak import SOAK

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator
    from pathlib import Path

KILLS = int(os.environ.get("CHAOS_KILLS") or (500 if SOAK else 10))
EACH_POINT = int(os.environ.get("CHAOS_POINTS") or (50 if SOAK else 1))
RESTARTS = 20 if SOAK else 1
SHARE = 0.2
SIZE = int(os.environ.get("CHAOS_SIZE") or (120 if SOAK else 18))
MINUTES = int(os.environ.get("CHAOS_MINUTES") or (240 if SOAK else 15))
FOR_ROUNDS = 0.6
KRAYINS = ("2.1-mariadb", "2.2-mariadb", "2.2-mysql") if SOAK else ("2.2-mysql",)


@pytest.fixture
def new_chaos(
    new_databases: Callable[[], tuple[str, str]], tmp_path: Path
) -> Iterator[Callable[..., tuple[Chaos, Workload]]]:
    served: list[Served] = []

    def make(label: str, **options: float) -> tuple[Chaos, Workload]:
        folder = tmp_path / label
        folder.mkdir()
        chatwoot_url, sync_url = new_databases()
        krayin = Served(folder)
        served.append(krayin)
        krayin.start()
        chaos = Chaos(chatwoot_url, sync_url, krayin, folder, SEED, **options)
        return chaos, Workload(chatwoot_url, krayin, SEED, SIZE)

    yield make
    for one in served:
        one.kill()


@pytest.mark.chaos
@pytest.mark.timeout(MINUTES * 60 + 60)
@pytest.mark.parametrize("version", KRAYINS)
def test_kills_and_faults_leave_what_a_calm_run_leaves(
    version: str, new_chaos: Callable[..., tuple[Chaos, Workload]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(USUAL, version)
    say(f"CHAOS_SEED={SEED}")
    began = time.monotonic()
    deadline = began + MINUTES * 60
    chaos, workload = new_chaos(
        "chaos", share=SHARE, kills_wanted=KILLS, each_point=EACH_POINT, restarts_wanted=RESTARTS
    )
    workload.prepare()
    calmly(chaos, deadline)
    workload.work_on_everything()
    rounds = 0
    # A slow machine comes to fewer kills, but what it came to is compared.
    while rounds < 2 or (not chaos.satisfied and time.monotonic() - began < MINUTES * 60 * FOR_ROUNDS):
        rounds += 1
        workload.round(rounds)
        chaos.disturb()
        chaos.drain(deadline, partial(workload.meanwhile, rounds))
        say(f"round {rounds}: killed {dict(chaos.killed)}, ended {dict(chaos.ended)}, {chaos.operations()}")
    chaos.krayin.calm()
    calmly(chaos, deadline)
    set_aside = chaos.quarantine()
    if set_aside:
        # What failed twice alike waits for a person, who finds that only Krayin was to blame.
        say("\n".join(map(str, set_aside)))
        assert {row[4] for row in set_aside} == {"fails_in_krayin"}
        assert chaos.replay() == len(set_aside)
        calmly(chaos, deadline)
    under_fire = chaos.krayin.calls()

    calm, workload = new_chaos("calm")
    workload.prepare()
    calmly(calm, deadline)
    workload.work_on_everything()
    for number in range(1, rounds + 1):
        workload.round(number)
        workload.meanwhile(number)
        calmly(calm, deadline)
    found = differences(state_of(calm.krayin) | calm.mapping(), state_of(chaos.krayin) | chaos.mapping())
    report(chaos, under_fire, calm.krayin.calls(), len(set_aside), len(found))
    assert not chaos.quarantine()
    assert not found, "\n".join([f"CHAOS_SEED={SEED}", *found])
    states = chaos.operations()
    assert states["in_flight"] == states["unknown"] == states["planned"] == 0
    assert calm.operations()["unknown"] == 0
    assert chaos.marks() == calm.marks() == 0
    assert chaos.satisfied, f"in {MINUTES} minutes only {dict(chaos.killed)} and {chaos.restarts} restarts"
    again = chaos.krayin.calls()
    chaos.a_day_passes()
    calmly(chaos, deadline)
    assert chaos.krayin.calls() == again, "a run after everything is done makes no call"
    nothing_private_is_left(chaos)


def report(chaos: Chaos, under_fire: Counter[str], in_peace: Counter[str], replayed: int, found: int) -> None:
    """Print what was done to the world and what it cost."""
    met = chaos.krayin.troubles()
    at = (f"{many} {what.replace(chr(9), ' ')}" for what, many in sorted(chaos.deaths.items()))
    say(f"{sum(chaos.killed.values())} kills: {dict(chaos.killed)}")
    say(f"of these {', '.join(at)}")
    say(f"{chaos.restarts} restarts of Krayin, {dict(chaos.refusals)} times of refusal")
    say(f"{sum(met.values())} of {sum(under_fire.values())} calls met trouble: {dict(met)}")
    say(f"records {counts(state_of(chaos.krayin))}, {replayed} replayed")
    say(
        f"calls {dict(under_fire)} instead of {dict(in_peace)}: "
        f"{sum(under_fire.values()) - sum(in_peace.values())} extra on {sum(in_peace.values())}"
    )
    say(f"{found} differences to a calm run")


def nothing_private_is_left(chaos: Chaos) -> None:
    """Search for the token and for words of messages where they must not be."""
    assert not chaos.krayin.mails()
    assert not chaos.leaks((TOKEN, PUBLIC_WORD, PRIVATE_WORD))
    assert TOKEN not in chaos.krayin.log.read_text(errors="replace")
    assert PRIVATE_WORD not in json.dumps(chaos.krayin.records())
    assert PRIVATE_WORD not in chaos.payloads()
    assert PUBLIC_WORD in chaos.payloads(), "the search finds what is there"


def calmly(chaos: Chaos, deadline: float) -> None:
    """Run without kills and faults until everything is done."""
    peace = Chaos(chaos.chatwoot_url, chaos.sync_url, chaos.krayin, chaos.folder, chaos.seed)
    peace.drain(deadline)


def say(text: str) -> None:
    """Write to the test's output, which pytest shows when it fails (with -s always)."""
    sys.stdout.write(f"{text}\n")
