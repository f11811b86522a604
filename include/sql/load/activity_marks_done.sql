-- Purpose: Krayin has confirmed these marks; what was asked anew meanwhile is free to be made now.
-- Parameters: target_id, crm_ids (bigint[]), fences (bigint[]), leases (timestamptz[]).
-- Indexes: activity_mark_pkey.
WITH marked AS (
    SELECT * FROM unnest(%(crm_ids)s::bigint[], %(fences)s::bigint[], %(leases)s::timestamptz[])
        AS claimed (crm_id, fence, lease_until)
), confirmed AS (
    DELETE FROM krayin_sync.activity_mark AS mark
    USING marked
    WHERE mark.target_id = %(target_id)s AND mark.crm_id = marked.crm_id AND mark.fence = marked.fence
)
UPDATE krayin_sync.activity_mark AS mark
SET lease_until = NULL
FROM marked
WHERE mark.target_id = %(target_id)s AND mark.crm_id = marked.crm_id AND mark.fence <> marked.fence
    AND mark.lease_until = marked.lease_until
