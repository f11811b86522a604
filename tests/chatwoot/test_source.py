from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from chatwoot.source import Watermark, Window


def test_a_mark_survives_storage() -> None:
    mark = Watermark.of("100:120:105", "cluster/1/5", datetime(2026, 5, 1, 1, 2, 3, 4, UTC))
    assert Watermark.from_json(json.loads(json.dumps(mark.to_json()))) == mark


def test_a_mark_without_lineage_survives_storage_in_another_zone() -> None:
    stored = Watermark.of("", None, datetime(2026, 5, 1, tzinfo=UTC)).to_json()
    stored["read_at"] = datetime(
        2026, 5, 1, 5, 30, tzinfo=timezone(timedelta(hours=5, minutes=30))
    ).isoformat()
    assert Watermark.from_json(stored).read_at == datetime(2026, 5, 1, tzinfo=UTC)
    assert Watermark.from_json(stored).read_at.tzinfo is UTC


def test_a_window_refuses_naive_times() -> None:
    naive = datetime(2026, 5, 1)  # noqa: DTZ001
    with pytest.raises(ValueError, match="aware"):
        Window(naive, datetime(2026, 5, 2, tzinfo=UTC))
