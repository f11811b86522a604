-- Purpose: which of some leads were closed by us and not reopened.
-- Parameters: target_id, crm_ids (bigint[]).
-- Indexes: removal_standing.
SELECT crm_id
FROM krayin_sync.removal
WHERE target_id = %(target_id)s AND crm_kind = 'lead' AND action = 'closed' AND crm_id = ANY(%(crm_ids)s)
  AND ended_at IS NULL
