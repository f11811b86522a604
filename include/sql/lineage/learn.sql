-- Purpose: remember when some records of ours were made, by which each is told from another with its id.
-- Parameters: target_id, crm_kind, crm_ids (bigint[]), created_ats (timestamptz[]).
-- Indexes: mapping_one_source_per_record, mapping_organizations.
UPDATE krayin_sync.mapping
SET crm_created_at = shown.created_at
FROM unnest(%(crm_ids)s::bigint[], %(created_ats)s::timestamptz[]) AS shown (crm_id, created_at)
WHERE mapping.target_id = %(target_id)s AND mapping.crm_kind = %(crm_kind)s AND mapping.crm_id = shown.crm_id
  AND (mapping.state = 'linked' OR mapping.state = 'orphaned' AND mapping.settled_at IS NULL)
