from __future__ import annotations

import json

from reconciliation.run.summary import lines_of, numbers_of
from reconciliation.store.run_rows import Run, RunKind, RunState

from tests.reconciliation.samples import NOON


def run(state=RunState.DONE, message=None, *, dry_run=False, **summary) -> Run:
    return Run(5, "leads", RunKind.SCHEDULED, state, dry_run, NOON, NOON, summary, message)


def test_a_run_that_did_nothing_says_so_in_a_few_lines():
    assert lines_of(run()) == [
        "Run 5 of sync leads (scheduled): done",
        "  contacts read       0 (0 unchanged)",
        "  calls to Krayin     0 (0 writes, 0 refused), forecast 0",
        "  time                0.0 s, forecast 0.0 s at 0 calls a minute",
    ]


def test_everything_a_run_did_is_told():
    lines = lines_of(
        run(
            RunState.STOPPED,
            "Krayin is down.",
            read=9,
            unchanged=2,
            created={"person": 2, "lead": 3},
            updated={"person": 1},
            adopted={},
            skipped={"blocked": 7, "phone_only": 1},
            skipped_examples={"blocked": [1, 2, 3, 4, 5], "phone_only": [9]},
            quarantine={"ambiguous_person": 1},
            warnings={"name cut to 255 characters": 1},
            warning_examples={"name cut to 255 characters": [4]},
            broken=[{"contact": 8, "reason": "custom_attributes: a JSON list instead of an object"}],
            waiting=3,
            calls=12,
            writes=6,
            refused=1,
            forecast_calls=10,
            forecast_seconds=600,
            elapsed_seconds=90,
            requests_per_minute=60,
        )
    )
    assert lines == [
        "Run 5 of sync leads (scheduled): stopped",
        "  Krayin is down.",
        "  contacts read       9 (2 unchanged)",
        "  created             3 leads, 2 persons",
        "  updated             1 person",
        "  skipped             7 blocked (contacts 1, 2, 3, 4, 5, ...)",
        "  skipped             1 phone_only (contacts 9)",
        "  quarantined         1 ambiguous_person",
        "  adjusted to fit     1 name cut to 255 characters (contacts 4)",
        "  unreadable          contact 8: custom_attributes: a JSON list instead of an object",
        "  left for later      3 operations",
        "  calls to Krayin     12 (6 writes, 1 refused), forecast 10",
        "  time                1 min 30 s, forecast 10 min at 60 calls a minute",
    ]


def test_a_dry_run_tells_what_would_be_done():
    assert "  would be done       2 create, 1 update" in lines_of(
        run(dry_run=True, planned={"create": 2, "update": 1})
    )
    assert "  would be done       nothing" in lines_of(run(dry_run=True, planned={}))
    assert lines_of(run(dry_run=True))[0] == "Run 5 of sync leads (scheduled, dry: nothing was sent): done"


def test_the_numbers_kept_with_the_task_are_few_and_hold_no_contents():
    numbers = numbers_of(
        run(
            read=9,
            calls=3,
            created={"person": 1},
            skipped={"blocked": 1},
            sample=[{"contact": 1}],
            broken=[{"contact": 8}],
        )
    )
    assert numbers == {
        "run": 5, "state": "done", "read": 9, "calls": 3, "created": {"person": 1}, "updated": {}, "adopted": {},
        "closed": {}, "deleted": {}, "skipped": {"blocked": 1},
    }  # fmt: skip
    assert json.loads(json.dumps(numbers)) == numbers
