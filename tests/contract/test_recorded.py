"""The stand-in answers as a real Krayin 2.1.5 did."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.krayin.testing import running_krayin
from tests.contract.replay import Replay, sequences

if TYPE_CHECKING:
    from pathlib import Path

# Recorded pairs that the stand-in answers otherwise: name -> reason. A pair that matches must not be here.
EXCEPTIONS: dict[str, str] = {}
SMALLEST_SHARE = 0.95
RECORDED_PAIRS = 708


def played(path: Path) -> dict[str, list[str]]:
    with running_krayin() as krayin:
        pairs = Replay(krayin.url, krayin.token).sequence(path)
        assert krayin.health()["crashes"] == []
    return {pair.name: pair.differences for pair in pairs}


@pytest.mark.parametrize("path", sequences(), ids=lambda path: path.stem)
def test_every_pair_matches_but_the_listed_exceptions(path):
    pairs = played(path)
    differing = {name: found for name, found in pairs.items() if found}
    listed = {name for name in EXCEPTIONS if name in pairs}
    assert differing.keys() == listed, differing


def test_names_are_unique_and_nearly_all_pairs_match():
    names = [
        line.split('"name":"', 1)[1].split('","method"', 1)[0]
        for path in sequences()
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith('{"name"')
    ]
    assert len(names) == len(set(names)) == RECORDED_PAIRS
    assert 1 - len(EXCEPTIONS) / len(names) >= SMALLEST_SHARE
