-- Purpose: what is known of some records of ours: when each was made, and the e-mails that were sent.
-- Parameters: target_id, crm_kind, crm_ids (bigint[]).
-- Indexes: mapping_one_source_per_record, mapping_organizations, mapping_orphaned.
WITH ours AS (
    SELECT crm_id, crm_created_at, last_sent, pending_write, coalesce(acked_at, planned_at, created_at) AS known_at
    FROM krayin_sync.mapping
    WHERE target_id = %(target_id)s AND crm_kind = %(crm_kind)s AND crm_id = ANY(%(crm_ids)s) AND state = 'linked'
    UNION ALL
    -- To be closed or deleted: the worst to mistake for another one.
    SELECT crm_id, crm_created_at, last_sent, pending_write, coalesce(acked_at, planned_at, created_at)
    FROM krayin_sync.mapping
    WHERE target_id = %(target_id)s AND crm_kind = %(crm_kind)s AND crm_id = ANY(%(crm_ids)s)
      AND state = 'orphaned' AND settled_at IS NULL
)
SELECT crm_id, crm_created_at, coalesce(last_sent -> 'emails', '[]') || coalesce(pending_write -> 'emails', '[]') AS emails
FROM ours
JOIN krayin_sync.krayin_target AS target ON target.id = %(target_id)s
WHERE known_at > target.known_since
