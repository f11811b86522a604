-- Purpose: the records Krayin showed with one of these keys, of persons e-mails and phones in compared form.
-- Parameters: target_id, crm_kind, keys (text[]).
-- Indexes: crm_snapshot_key_pkey.
SELECT DISTINCT crm_id
FROM krayin_sync.crm_snapshot_key
WHERE target_id = %(target_id)s AND crm_kind = %(crm_kind)s AND key = ANY(%(keys)s)
ORDER BY crm_id
