-- Purpose: how many records of a kind are ours, and how many of these are newer than the newest that Krayin shows.
-- Parameters: target_id, crm_kind, newest.
-- Indexes: mapping_one_source_per_record.
SELECT count(*), count(*) FILTER (WHERE crm_id > %(newest)s)
FROM krayin_sync.mapping
JOIN krayin_sync.krayin_target AS target ON target.id = mapping.target_id
WHERE target_id = %(target_id)s AND crm_kind = %(crm_kind)s AND crm_kind <> 'organization' AND state = 'linked'
  AND crm_id IS NOT NULL AND coalesce(acked_at, planned_at, mapping.created_at) > target.known_since
