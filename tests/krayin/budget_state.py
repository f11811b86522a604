"""What the sync database holds of a rate budget, for tests of its laws."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from krayin.permits import Lane
from krayin.rate_limiter import WAITER_GRACE
from psycopg.rows import dict_row

if TYPE_CHECKING:
    import psycopg

STATE = """
WITH budget AS (
    SELECT
        b.*,
        b AS budget,
        krayin_sync.rate_budget_now() AS moment,
        krayin_sync.rate_budget_now() - make_interval(secs => b.window_seconds) AS window_start
    FROM krayin_sync.rate_budget AS b
    WHERE b.key = %(key)s::text
)

SELECT
    b.setting,
    b.server_limit,
    b.window_seconds AS window,
    krayin_sync.rate_budget_pace(b.budget) AS limit,
    b.auto_at > b.setting_at - make_interval(secs => b.window_seconds) AS auto,
    CASE WHEN b.blocked_until > b.moment THEN b.blocked_until END AS blocked_until,
    (
        SELECT count(*) FROM krayin_sync.rate_budget_slot AS s
        WHERE s.key = b.key AND s.granted_at > b.window_start
    ) AS used,
    (
        SELECT count(*) FROM krayin_sync.rate_budget_slot AS s
        WHERE
            s.key = b.key AND s.settled_at IS NULL
            AND s.free_at - make_interval(secs => b.window_seconds) > b.moment
    ) AS in_flight,
    (
        SELECT coalesce(sum(f.calls), 0) FROM krayin_sync.rate_budget_foreign AS f
        WHERE f.key = b.key AND f.seen_at > b.window_start
    ) AS foreign,
    ARRAY(
        SELECT count(w.ticket)
        FROM generate_series(0, 4) AS l (lane)
        LEFT JOIN krayin_sync.rate_budget_waiter AS w
            ON
                l.lane = w.lane AND w.key = b.key
                AND w.asks_at > b.moment - make_interval(secs => %(grace)s::double precision)
        GROUP BY l.lane
        ORDER BY l.lane
    ) AS waiting
FROM budget AS b
"""


def state_of(connection: psycopg.Connection[Any], key: str = "krayin#1") -> Any:
    """Return limits, use in the last window, other programs' calls, waiters and block; None before any use."""
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(STATE, {"key": key, "grace": WAITER_GRACE}).fetchone()
    if row is None:
        return None
    return SimpleNamespace(**{**row, "waiting": dict(zip(Lane, row["waiting"], strict=True))})
