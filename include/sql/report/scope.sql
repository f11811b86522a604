-- Purpose: which Krayin and which Chatwoot account a sync works between, as its last run knew.
-- Parameters: sync_name.
-- Indexes: watermark_pkey, reconciliation_latest.
SELECT target.id AS target_id, target.base_url, known.account_id
FROM (
    (SELECT target_id, account_id, moved_at FROM krayin_sync.watermark WHERE sync_name = %(sync_name)s)
    UNION ALL
    (SELECT target_id, account_id, started_at FROM krayin_sync.reconciliation
     WHERE sync_name = %(sync_name)s ORDER BY id DESC LIMIT 1)
) AS known
JOIN krayin_sync.krayin_target AS target ON target.id = known.target_id
ORDER BY known.moved_at DESC
LIMIT 1
