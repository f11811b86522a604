-- Purpose: forget what Krayin showed of the records that erasures deleted, by their receipts. Asked again later: a
--          reading that was under way may have brought them back.
-- Parameters: since (interval: receipts of this age at most).
-- Indexes: crm_snapshot_pkey.
DELETE FROM krayin_sync.crm_snapshot AS snapshot
USING krayin_sync.erasure AS erasure,
      jsonb_each(erasure.receipt -> 'deleted') AS deleted (crm_kind, ids),
      jsonb_array_elements_text(deleted.ids) AS crm_id
WHERE erasure.requested_at > clock_timestamp() - %(since)s
  AND snapshot.target_id = erasure.target_id AND snapshot.crm_kind = deleted.crm_kind
  AND snapshot.crm_id = crm_id::bigint
