-- Purpose: what is known of some records of ours: when each was made, and the e-mails that were sent.
-- Parameters: target_id, crm_kind, crm_ids (bigint[]).
-- Indexes: mapping_one_source_per_record, mapping_organizations.
SELECT crm_id, crm_created_at,
       coalesce(last_sent -> 'emails', '[]') || coalesce(attempted -> 'emails', '[]') AS emails
FROM krayin_sync.mapping
JOIN krayin_sync.krayin_target AS target ON target.id = mapping.target_id
WHERE target_id = %(target_id)s AND crm_kind = %(crm_kind)s AND crm_id = ANY(%(crm_ids)s) AND state = 'linked'
  AND coalesce(acked_at, planned_at, mapping.created_at) > target.known_since
