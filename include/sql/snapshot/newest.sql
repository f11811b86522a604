-- Purpose: how many records of a list there are, and how many of them its next reading cannot take for known.
-- Parameters: target_id, crm_kind, since (or NULL), settled_mark (or NULL).
-- Indexes: crm_snapshot_pkey.
SELECT count(*),
       count(*) FILTER (
           WHERE updated_at >= coalesce(%(since)s::timestamptz, '-infinity')
             AND updated_at > coalesce(%(settled_mark)s::timestamptz, '-infinity')
       )
FROM krayin_sync.crm_snapshot
WHERE target_id = %(target_id)s AND crm_kind = %(crm_kind)s
