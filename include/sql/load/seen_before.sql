-- Purpose: which of some Krayin persons were there before a moment, as far as the snapshot tells.
-- Parameters: target_id, crm_ids (bigint[]), moment.
-- Indexes: crm_snapshot_pkey.
SELECT crm_id
FROM krayin_sync.crm_snapshot
WHERE target_id = %(target_id)s AND crm_kind = 'person' AND crm_id = ANY(%(crm_ids)s) AND seen_at < %(moment)s
