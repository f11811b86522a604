-- Purpose: drop marks of activities that are not ours there: the id may be anybody's by now.
-- Parameters: target_id.
-- Indexes: activity_mark_pkey, mapping_one_source_per_record.
DELETE FROM krayin_sync.activity_mark AS mark
WHERE target_id = %(target_id)s
  AND NOT EXISTS (
      SELECT 1 FROM krayin_sync.mapping
      WHERE mapping.target_id = mark.target_id AND crm_kind = 'activity' AND mapping.crm_id = mark.crm_id
        AND crm_kind <> 'organization' AND state = 'linked')
