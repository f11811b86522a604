-- name: acquire
-- Take a slot of the rate budget, or learn in how many seconds to ask again. Never waits for anything but the budget's row.
-- Parameters: key, lane (0 live .. 4 drift), ticket (uuid of this wait), setting (calls per window), auto (whether the server's answers set the pace below it), window, call_timeout, credit, poll, grace (seconds).
-- Indexes: rate_budget_pkey, rate_budget_slot_free, rate_budget_slot_in_flight, rate_budget_foreign_seen, rate_budget_waiter_pkey.
SELECT slot_number, slot_fence, granted_at, wait_seconds
FROM krayin_sync.rate_budget_acquire(
    %(key)s::text, %(lane)s::integer, %(ticket)s::uuid, %(setting)s::integer, %(auto)s::boolean,
    %(window)s::double precision, %(call_timeout)s::double precision, %(credit)s::double precision, %(poll)s::double precision,
    %(grace)s::double precision
);


-- name: leave
-- Stop waiting, so that lower lanes need not stand back for a waiter that gave up.
-- Parameters: key, ticket.
-- Indexes: rate_budget_waiter_pkey.
DELETE FROM krayin_sync.rate_budget_waiter WHERE key = %(key)s::text AND ticket = %(ticket)s::uuid;


-- name: near_limit
-- Tell whether the calls of the server's present window are, or could by now be, used up.
-- Parameters: key.
-- Indexes: rate_budget_pkey, rate_budget_slot_in_flight, rate_budget_foreign_seen.
SELECT
    b.near_limit_until > now.moment
    OR (
        b.opened_by + now.span > now.moment
        AND krayin_sync.rate_budget_counted(
            b,
            (
                SELECT coalesce(sum(f.calls), 0)::integer FROM krayin_sync.rate_budget_foreign AS f
                WHERE f.key = b.key AND f.seen_at > now.moment - now.span
            ),
            (
                SELECT count(*)::integer FROM krayin_sync.rate_budget_slot AS s
                WHERE s.key = b.key AND s.settled_at IS NULL AND s.free_at - now.span > now.moment
            ),
            now.moment
        ) > krayin_sync.rate_budget_capacity(b)
    ) AS near
FROM krayin_sync.rate_budget AS b
CROSS JOIN LATERAL (
    SELECT krayin_sync.rate_budget_now() AS moment, make_interval(secs => b.window_seconds) AS span
) AS now
WHERE b.key = %(key)s::text;


-- name: settle
-- Give a slot back after its call and record what the answer said about the limit; false when the slot was no longer held.
-- Parameters: key, number, fence, answered, limit, remaining, refused, retry_after (seconds), route, seconds (of a good answer), failed.
-- Indexes: rate_budget_pkey, rate_budget_slot_pkey, rate_budget_slot_in_flight, rate_budget_foreign_seen, rate_budget_route_pkey.
SELECT krayin_sync.rate_budget_settle(
    %(key)s::text, %(number)s::integer, %(fence)s::bigint, %(answered)s::boolean, %(limit)s::integer,
    %(remaining)s::integer, %(refused)s::boolean, %(retry_after)s::double precision,
    %(route)s::text, %(seconds)s::double precision, %(failed)s::boolean
) AS held;


-- name: state
-- How many calls a window are allowed now, and what sets that number.
-- Parameters: key.
-- Indexes: rate_budget_pkey.
SELECT
    krayin_sync.rate_budget_pace(b) AS limit,
    b.auto_at > b.setting_at - make_interval(secs => b.window_seconds) AS auto,
    b.setting,
    b.server_limit
FROM krayin_sync.rate_budget AS b
WHERE b.key = %(key)s::text;


-- name: use_now
-- The budgets of all Krayins.
-- Indexes: rate_budget_pkey, api_call_recent.
SELECT krayin, api_user, allowed_per_minute, used_last_minute, used_last_hour, refused_hour, others_last_minute,
       waiting, blocked_until, auto
FROM krayin_sync.budget_use
ORDER BY krayin, api_user


-- name: use_of_run
-- What the API users of a Krayin may call a minute.
-- Parameters: krayin (base URL).
-- Indexes: rate_budget_pkey, api_call_recent.
SELECT allowed_per_minute
FROM krayin_sync.budget_use
WHERE krayin = %(krayin)s
