-- Purpose: take a slot of the rate budget, or learn in how many seconds to ask again. Never waits for anything but the budget's row.
-- Parameters: key, lane (0 live .. 4 drift), ticket (uuid of this wait), setting (calls per window), auto (whether the server's answers set the pace below it), window, call_timeout, credit, poll, grace (seconds).
-- Indexes: rate_budget_pkey, rate_budget_slot_free, rate_budget_slot_in_flight, rate_budget_foreign_seen, rate_budget_waiter_pkey.
SELECT slot_number, slot_fence, granted_at, wait_seconds
FROM krayin_sync.rate_budget_acquire(
    %(key)s::text, %(lane)s::integer, %(ticket)s::uuid, %(setting)s::integer, %(auto)s::boolean,
    %(window)s::double precision, %(call_timeout)s::double precision, %(credit)s::double precision, %(poll)s::double precision,
    %(grace)s::double precision
);
