-- Purpose: a lead that we closed was reopened, or left as somebody put it.
-- Parameters: target_id, crm_id, how (reopened or left).
-- Indexes: removal_standing.
UPDATE krayin_sync.removal
SET ended_at = clock_timestamp(), ended_as = %(how)s
WHERE target_id = %(target_id)s AND crm_kind = 'lead' AND crm_id = %(crm_id)s AND action = 'closed'
  AND ended_at IS NULL
