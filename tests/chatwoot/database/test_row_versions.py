from __future__ import annotations

import pytest
from chatwoot.database.row_versions import XidRange


def test_unseen_begins_at_the_oldest_transaction_then_running() -> None:
    assert XidRange.unseen("100:120:100,105", "130:140:") == XidRange(100, 140)


def test_nothing_happened_is_an_empty_range() -> None:
    assert XidRange.unseen("100:100:", "100:100:") == XidRange(100, 100)


@pytest.mark.parametrize("then", ["", "none", "x:y:z", "500:500:"])
def test_no_snapshot_or_one_from_the_future_is_refused(then: str) -> None:
    assert XidRange.unseen(then, "130:140:") is None


def test_a_snapshot_too_old_for_32_bits_is_refused() -> None:
    assert XidRange.unseen("100:100:", f"{100 + 2**31}:{100 + 2**31}:") is None
    assert XidRange.unseen("100:100:", f"{99 + 2**31}:{99 + 2**31}:") == XidRange(100, 99 + 2**31)
