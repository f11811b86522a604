-- Purpose: up to when each sync has read Chatwoot's contacts, and which Krayin it goes to.
-- Parameters: none.
-- Indexes: watermark_pkey.
SELECT DISTINCT ON (mark.sync_name) mark.sync_name, run.started_at AS read_at, target.base_url AS krayin
FROM krayin_sync.watermark AS mark
JOIN krayin_sync.sync_run AS run ON run.id = mark.run_id
JOIN krayin_sync.krayin_target AS target ON target.id = mark.target_id
WHERE mark.stream = 'contacts'
ORDER BY mark.sync_name, mark.moved_at DESC
