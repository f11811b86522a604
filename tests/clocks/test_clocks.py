"""The other tests once more in other places and times: none may hang on when and where it runs."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.soak import SOAK, run_again, small_counts

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]

COMPILER = shutil.which("cc")
# Ahead of us for long: a clock that goes back would meet files from its future.
WORLDS = {
    "a year ends": ("2030-12-31T23:59:30", "Pacific/Kiritimati", "C"),
    "the hour of the nightly comparison": ("2031-02-28T02:45:00", "Asia/Kolkata", "C.UTF-8"),
    "summer time begins": ("2031-03-30T00:59:30", "Europe/Berlin", "de_DE.UTF-8"),
    "a leap day, and i has a dotted capital": ("2032-02-29T12:30:00", "Europe/Istanbul", "tr_TR.UTF-8"),
    "summer time ends": ("2036-11-02T05:59:30", "America/New_York", "C.UTF-8"),
}
# Without SOAK, a part of what needs no server in one world; with it everything that has no large counts of its own.
PARTS = (
    [("-m", "not slow and not chaos and not airflow"), ("-m", "airflow and not slow and not chaos")]
    if SOAK
    else [("-m", "not slow and not chaos and not airflow and not database", "tests/reconciliation")]
)


@pytest.fixture(scope="module")
def shifting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that shows other times; PostgreSQL's own user must be able to read it."""
    if COMPILER is None or sys.platform != "linux":
        pytest.skip("the clock is shifted by a library for Linux, and no C compiler (cc) is here to make it")
    folder = tmp_path_factory.mktemp("clock")
    library = folder / "clock_shift.so"
    source = Path(__file__).with_name("clock_shift.c")
    subprocess.run([COMPILER, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    for each in (library, *folder.parents[:2], folder):
        each.chmod(0o755)
    return library


def world(name: str, library: Path) -> dict[str, str]:
    """The environment of a process that lives there."""
    moment, zone, language = WORLDS[name]
    shift = datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp() - time.time()
    return small_counts() | {
        "CLOCK_SHIFT": str(int(shift)),
        "LD_PRELOAD": str(library),
        "TZ": zone,
        "LC_ALL": language,
    }


@pytest.mark.parametrize("name", WORLDS if SOAK else [*WORLDS][:1])
@pytest.mark.parametrize("part", PARTS, ids=lambda part: part[1])
def test_the_tests_pass_there(name: str, part: tuple[str, ...], shifting: Path) -> None:
    environment = world(name, shifting)
    speak = [sys.executable, "-c", "import locale; locale.setlocale(locale.LC_ALL, '')"]
    if subprocess.run(speak, env=environment, capture_output=True, check=False).returncode:
        pytest.skip(f"the locale {WORLDS[name][2]} is not installed here")
    run_again(environment, *part)


def test_a_process_lives_there(shifting: Path) -> None:
    says = "import datetime, time; began = time.monotonic(); now = datetime.datetime.now(); time.sleep(0.1);"
    says += "print(now, time.tzname[0], time.monotonic() - began < 10)"
    environment = world("summer time ends", shifting)
    told = subprocess.run(
        [sys.executable, "-c", says], env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert told.startswith("2036-11-02 0")
    assert told.endswith("EST True\n")
