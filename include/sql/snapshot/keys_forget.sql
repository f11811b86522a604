-- Purpose: forget by what some records were recognised.
-- Parameters: target_id, crm_kind, crm_ids (bigint[]).
-- Indexes: crm_snapshot_key_of_record.
DELETE FROM krayin_sync.crm_snapshot_key
WHERE target_id = %(target_id)s AND crm_kind = %(crm_kind)s AND crm_id = ANY(%(crm_ids)s)
