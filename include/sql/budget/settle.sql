-- Purpose: give a slot back after its call and record what the answer said about the limit; false when the slot was no longer held.
-- Parameters: key, number, fence, answered, limit, remaining, refused, retry_after (seconds), route, seconds (of a good answer), failed.
-- Indexes: rate_budget_pkey, rate_budget_slot_pkey, rate_budget_slot_in_flight, rate_budget_foreign_seen, rate_budget_route_pkey.
SELECT krayin_sync.rate_budget_settle(
    %(key)s::text, %(number)s::integer, %(fence)s::bigint, %(answered)s::boolean, %(limit)s::integer,
    %(remaining)s::integer, %(refused)s::boolean, %(retry_after)s::double precision,
    %(route)s::text, %(seconds)s::double precision, %(failed)s::boolean
) AS held;
