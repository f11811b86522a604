-- Purpose: Krayin has confirmed these marks; what was asked anew meanwhile stays.
-- Parameters: target_id, crm_ids (bigint[]), fences (bigint[]).
-- Indexes: activity_mark_pkey.
DELETE FROM krayin_sync.activity_mark AS mark
USING unnest(%(crm_ids)s::bigint[], %(fences)s::bigint[]) AS marked (crm_id, fence)
WHERE mark.target_id = %(target_id)s AND mark.crm_id = marked.crm_id AND mark.fence = marked.fence
