"""The stand-in answers as a real Krayin 2.1.5 and a real 2.2.3 did, on MariaDB and on MySQL."""

from __future__ import annotations

import pytest

from sandbox.krayin.testing import running_krayin
from tests.contract.replay import Replay, sequences

# Recorded pairs that the stand-in answers otherwise: (installation, name) -> reason. A pair that matches must
# not be here.
EXCEPTIONS: dict[tuple[str, str], str] = {}
SMALLEST_SHARE = 0.99
RECORDED_PAIRS = {"2.1-mariadb": 708, "2.2-mariadb": 432, "2.1-mysql": 78, "2.2-mysql": 54}


@pytest.fixture(scope="module")
def krayin():
    with running_krayin() as running:
        yield running


@pytest.mark.parametrize("path", sequences(), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_pair_matches_but_the_listed_exceptions(krayin, path):
    pairs = Replay(krayin.url, krayin.token).sequence(path)
    assert krayin.health()["crashes"] == []
    differing = {pair.name: pair.differences for pair in pairs if pair.differences}
    listed = {pair.name for pair in pairs if (path.parent.name, pair.name) in EXCEPTIONS}
    assert differing.keys() == listed, differing


@pytest.mark.parametrize("installation", RECORDED_PAIRS)
def test_names_are_unique_and_nearly_all_pairs_match(installation):
    names = [
        line.split('"name":"', 1)[1].split('","method"', 1)[0]
        for path in sequences()
        if path.parent.name == installation
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith('{"name"')
    ]
    assert len(names) == len(set(names)) == RECORDED_PAIRS[installation]
    listed = [name for own, name in EXCEPTIONS if own == installation]
    assert set(listed) <= set(names)
    assert 1 - len(listed) / len(names) >= SMALLEST_SHARE
