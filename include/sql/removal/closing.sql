-- Purpose: how a lead was closed by us, unless that is undone.
-- Parameters: target_id, crm_id.
-- Indexes: removal_standing.
SELECT before, after
FROM krayin_sync.removal
WHERE target_id = %(target_id)s AND crm_kind = 'lead' AND crm_id = %(crm_id)s AND action = 'closed'
  AND ended_at IS NULL
