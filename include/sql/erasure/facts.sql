-- Purpose: what the snapshot holds of some Krayin records.
-- Parameters: target_id, crm_kind, crm_ids (bigint[]).
-- Indexes: crm_snapshot_pkey.
SELECT facts FROM krayin_sync.crm_snapshot
WHERE target_id = %(target_id)s AND crm_kind = %(crm_kind)s AND crm_id = ANY(%(crm_ids)s)
