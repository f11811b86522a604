"""The tests that meet a Krayin once more with every other Krayin; those of what differs run in `make test`."""

from __future__ import annotations

import pytest

from sandbox.krayin.testing import USUAL
from tests.soak import SOAK, run_again, small_counts

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(7200),
    pytest.mark.skipif(not SOAK, reason="hours: make soak"),
]

MEETING_KRAYIN = ("tests/krayin", "tests/reconciliation", "tests/worlds", "tests/chaos")


@pytest.mark.parametrize("krayin", ["2.1-mysql", "2.2-mariadb", "2.2-mysql"])
def test_the_tests_pass_with(krayin: str) -> None:
    run_again(small_counts() | {USUAL: krayin}, "-m", "not airflow", *MEETING_KRAYIN)
