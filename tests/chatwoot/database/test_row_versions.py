from __future__ import annotations

from datetime import UTC, datetime

import pytest
from chatwoot.database.row_versions import XidRange, unseen_since
from chatwoot.source import Watermark

NOW = datetime(2026, 5, 1, tzinfo=UTC)


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


def test_the_answer_depends_on_mark_and_lineage() -> None:
    mark = Watermark("100:100:", "cluster/1/5", NOW)
    assert unseen_since(mark, "140:140:", "cluster/1/5") == XidRange(100, 140)
    assert unseen_since(mark, "140:140:", "cluster/2/5") is None
    assert unseen_since(mark, "140:140:", None) is None
    assert unseen_since(Watermark("100:100:", None, NOW), "140:140:", None) is None
