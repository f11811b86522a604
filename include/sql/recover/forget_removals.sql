-- Purpose: what we closed or deleted is not ours to undo any more where its id is somebody else's or nobody's.
-- Parameters: target_id.
-- Indexes: removal_standing, mapping_one_source_per_record.
UPDATE krayin_sync.removal
SET ended_at = clock_timestamp(), ended_as = 'left'
WHERE target_id = %(target_id)s AND ended_at IS NULL
  AND NOT EXISTS (
      SELECT 1 FROM krayin_sync.mapping
      WHERE mapping.target_id = removal.target_id AND mapping.crm_kind = removal.crm_kind
        AND mapping.crm_id = removal.crm_id AND mapping.crm_kind <> 'organization')
