"""What several loaders did adds up to what the run did."""

from __future__ import annotations

from reconciliation.run.loading import summed


def test_numbers_add_up_by_name_at_every_depth() -> None:
    first = {"created": {"person": 2, "lead": 1}, "failed": 1, "stages": {}}
    second = {"created": {"person": 3}, "adopted": {"person": 1}, "failed": 0}
    assert summed([first, second]) == {
        "created": {"person": 5, "lead": 1},
        "adopted": {"person": 1},
        "failed": 1,
        "stages": {},
    }
    assert first == {"created": {"person": 2, "lead": 1}, "failed": 1, "stages": {}}


def test_no_share_is_no_number() -> None:
    assert summed([]) == {}
