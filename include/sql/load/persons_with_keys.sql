-- Purpose: the persons Krayin showed with one of these e-mails or phones in compared form.
-- Parameters: target_id, keys (text[]).
-- Indexes: crm_snapshot_key_pkey.
SELECT DISTINCT crm_id
FROM krayin_sync.crm_snapshot_key
WHERE target_id = %(target_id)s AND crm_kind = 'person' AND key = ANY(%(keys)s)
