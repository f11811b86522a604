-- Purpose: give back marks whose call failed, after a delay if Krayin may still carry it out: a mark made meanwhile
--          would be overtaken by the old one.
-- Parameters: target_id, crm_ids (bigint[]), leases (timestamptz[]), delay (interval).
-- Indexes: activity_mark_pkey.
UPDATE krayin_sync.activity_mark AS mark
SET lease_until = clock_timestamp() + %(delay)s
FROM unnest(%(crm_ids)s::bigint[], %(leases)s::timestamptz[]) AS failed (crm_id, lease_until)
WHERE mark.target_id = %(target_id)s AND mark.crm_id = failed.crm_id AND mark.lease_until = failed.lease_until
