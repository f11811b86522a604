-- Purpose: keys (e-mail, phone, person, our mark) that several Krayin records of one kind have.
-- Parameters: target_id, crm_kind.
-- Indexes: crm_snapshot_key_pkey.
SELECT key
FROM krayin_sync.crm_snapshot_key
WHERE target_id = %(target_id)s AND crm_kind = %(crm_kind)s
GROUP BY key
HAVING count(*) > 1
ORDER BY key
