-- Purpose: what was read before a moment has been compared.
-- Parameters: target_id, crm_kinds (text[]), before.
-- Indexes: crm_snapshot_pkey.
UPDATE krayin_sync.crm_snapshot
SET compared_hash = hash, compared_at = %(before)s
WHERE target_id = %(target_id)s AND crm_kind = ANY(%(crm_kinds)s) AND seen_at < %(before)s
  AND (compared_hash IS DISTINCT FROM hash OR compared_at < seen_at)
