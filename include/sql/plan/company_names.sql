-- Purpose: under which folded names some organizations are known.
-- Parameters: target_id, crm_ids (bigint[]).
-- Indexes: mapping_organizations.
SELECT crm_id, array_agg(source_id)
FROM krayin_sync.mapping
WHERE target_id = %(target_id)s AND crm_kind = 'organization' AND crm_id = ANY(%(crm_ids)s)
GROUP BY crm_id
