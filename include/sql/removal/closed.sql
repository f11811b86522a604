-- Purpose: how Krayin shows a lead that was just closed.
-- Parameters: target_id, crm_id, after (JSON, merged).
-- Indexes: removal_standing.
UPDATE krayin_sync.removal
SET after = after || %(after)s
WHERE target_id = %(target_id)s AND crm_kind = 'lead' AND crm_id = %(crm_id)s AND action = 'closed'
  AND ended_at IS NULL
