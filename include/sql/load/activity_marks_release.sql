-- Purpose: give back marks whose call failed; they are made again, which does no harm.
-- Parameters: target_id, crm_ids (bigint[]), fences (bigint[]).
-- Indexes: activity_mark_pkey.
UPDATE krayin_sync.activity_mark AS mark
SET lease_until = NULL
FROM unnest(%(crm_ids)s::bigint[], %(fences)s::bigint[]) AS failed (crm_id, fence)
WHERE mark.target_id = %(target_id)s AND mark.crm_id = failed.crm_id AND mark.fence = failed.fence
