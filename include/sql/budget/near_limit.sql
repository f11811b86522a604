-- Purpose: tell whether the calls of the server's present window are, or could by now be, used up.
-- Parameters: key.
-- Indexes: rate_budget_pkey, rate_budget_slot_in_flight, rate_budget_foreign_seen.
WITH budget AS (
    SELECT
        b.*,
        krayin_sync.rate_budget_now() AS moment,
        make_interval(secs => b.window_seconds) AS span
    FROM krayin_sync.rate_budget AS b
    WHERE b.key = %(key)s::text
),

present AS (
    SELECT
        b.*,
        (
            SELECT count(*) FROM krayin_sync.rate_budget_slot AS s
            WHERE s.key = b.key AND s.settled_at IS NULL AND s.free_at - b.span > b.moment
        ) AS in_flight,
        (
            SELECT coalesce(sum(f.calls), 0) FROM krayin_sync.rate_budget_foreign AS f
            WHERE f.key = b.key AND f.seen_at > b.moment - b.span
        ) AS others
    FROM budget AS b
)

SELECT
    p.near_limit_until > p.moment
    OR (
        p.opened_by + p.span > p.moment
        AND p.used + p.in_flight
        -- Twice their usual pace, and one: they need not be regular.
        + CASE
            WHEN p.others > 0
                THEN 1 + ceil(2 * p.others * extract(EPOCH FROM p.moment - p.used_at) / p.window_seconds)
            ELSE 0
        END
        > coalesce(p.server_limit, p.setting)
    ) AS near
FROM present AS p;
