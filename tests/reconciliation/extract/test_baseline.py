"""What a new look at Chatwoot makes doubtful, decided on what was remembered of the last whole one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from reconciliation.extract.baseline import Baseline, Witness, chosen, contradiction, fell

THEN = datetime(2026, 11, 2, 8, tzinfo=UTC)


def witness(number: int, minutes: int = 0) -> Witness:
    return Witness(number, THEN, THEN + timedelta(minutes=minutes))


KNOWN = chosen(witness(number, minutes=number) for number in range(1, 201))


def test_the_ones_changed_last_and_a_steady_sample_are_remembered() -> None:
    assert {196, 197, 198, 199, 200} <= KNOWN.keys()
    assert len(KNOWN) == 10
    spread = KNOWN.keys() - {196, 197, 198, 199, 200}
    assert min(spread) < 100
    later = chosen([*KNOWN.values(), *(witness(number, minutes=number) for number in range(201, 210))])
    assert spread <= later.keys()


@pytest.mark.parametrize(
    ("before", "now", "share", "doubted"),
    [
        (1000, 1000, 0.1, False),
        (1000, 900, 0.1, False),
        (1000, 899, 0.1, True),
        (1000, 899, 0.2, False),
        (20, 10, 0.1, False),
        (20, 9, 0.1, True),
        (5, 0, 0.1, True),
        (4, 0, 0.1, False),
        (0, 0, 0.1, False),
        (10, 1000, 0.1, False),
    ],
)
def test_a_fall_is_doubted_beyond_a_share_and_a_small_number(
    before: int, now: int, share: float, *, doubted: bool
) -> None:
    assert fell(before, now, share) is doubted


def test_the_same_contacts_as_new_as_before_are_the_chatwoot_that_was_known() -> None:
    newer = {
        number: replace(one, updated_at=one.updated_at + timedelta(days=1)) for number, one in KNOWN.items()
    }
    for now in (KNOWN, newer, dict(list(KNOWN.items())[3:])):
        assert contradiction(KNOWN, now, moved=False) is None
    assert contradiction({}, {}, moved=True) is None


def test_contacts_created_at_another_time_are_others() -> None:
    others = {n: replace(one, created_at=one.created_at + timedelta(days=9)) for n, one in KNOWN.items()}
    assert "created at another time" in (contradiction(KNOWN, others, moved=False) or "")
    # A date that somebody corrected by hand is one of ten.
    corrected = {**KNOWN, 200: replace(KNOWN[200], created_at=THEN - timedelta(days=1))}
    assert contradiction(KNOWN, corrected, moved=False) is None


def test_changes_that_are_undone_tell_of_an_older_database() -> None:
    one = {**KNOWN, 200: replace(KNOWN[200], updated_at=THEN)}
    assert contradiction(KNOWN, one, moved=True) == (
        "contact 200 is as of 2026-11-02 08:00:00 UTC, though its change of 2026-11-02 11:20:00 UTC was seen before"
    )
    both = {**one, 199: replace(KNOWN[199], updated_at=THEN)}
    assert "contact 199 is as of" in (contradiction(KNOWN, both, moved=False) or "")
    without = {number: one for number, one in both.items() if number != 198}
    assert "contact 199 is as of" in (contradiction(KNOWN, without, moved=False) or "")


def test_a_date_set_back_by_hand_is_none() -> None:
    assert contradiction(KNOWN, {**KNOWN, 200: replace(KNOWN[200], updated_at=THEN)}, moved=False) is None
    back = {number: replace(KNOWN[number], updated_at=THEN) for number in (197, 198)}
    # What changed later is as new as it was.
    assert contradiction(KNOWN, {**KNOWN, **back}, moved=False) is None


def test_all_gone_and_the_newest_gone_after_a_move_are_no_deletions() -> None:
    assert "none of 10 known contacts" in (contradiction(KNOWN, {}, moved=False) or "")
    without = {number: one for number, one in KNOWN.items() if number < 196}
    assert contradiction(KNOWN, without, moved=False) is None
    assert "was restored" in (contradiction(KNOWN, without, moved=True) or "")
    # All contacts of a very small account may well have been deleted.
    assert contradiction({1: witness(1), 2: witness(2)}, {}, moved=False) is None


@pytest.mark.parametrize(
    ("then", "now", "lineage", "minutes", "older"),
    [
        ("100:120:", "100:119:", "7/1/5", 1, True),
        ("100:120:", "100:120:", "7/1/5", 1, False),
        ("100:120:", "119:121:120", "7/1/5", 1, False),
        # Restored, moved or promoted: the numbers are of another history.
        ("100:120:", "100:119:", "7/2/5", 1, False),
        # Begun before the one that was noted meanwhile.
        ("100:120:", "100:119:", "7/1/5", -1, False),
        # No transaction ids: an API, or a view in the table's place.
        ("", "100:119:", "7/1/5", 1, False),
        ("100:120:", "", "7/1/5", 1, False),
    ],
)
def test_a_later_reading_that_shows_an_earlier_moment_is_older(
    then: str, now: str, lineage: str, minutes: int, *, older: bool
) -> None:
    before = Baseline("database/1", "7/1/5", snapshot=then, read_at=THEN)
    read_at = THEN + timedelta(minutes=minutes)
    assert Baseline("database/1", lineage, snapshot=now, read_at=read_at).is_older_than(before) is older


def test_a_baseline_of_an_earlier_version_does_not_say_how_new_it_is() -> None:
    stored = Baseline("database/1", "7/1/5").to_json()
    del stored["snapshot"], stored["read_at"]
    before = Baseline.from_json(stored)
    assert not Baseline("database/1", "7/1/5", snapshot="1:1:", read_at=THEN).is_older_than(before)


def test_a_baseline_comes_back_as_it_was_kept() -> None:
    kept = Baseline(
        "database/1",
        "7/1/5",
        (2, 3),
        {"contacts": 5},
        ("contacts is a view",),
        {1: witness(1)},
        confirmed=True,
        snapshot="100:120:",
        read_at=THEN,
    )
    assert Baseline.from_json(kept.to_json()) == kept
    assert Baseline.from_json(Baseline("api/1").to_json()) == Baseline("api/1")
