-- Purpose: one file of a run's report with the sync it belongs to; content packed with gzip.
-- Parameters: run_id, name.
-- Indexes: report_file_pkey, sync_run_pkey.
SELECT run.sync_name, file.media_type, file.content
FROM krayin_sync.report_file AS file
JOIN krayin_sync.sync_run AS run ON run.id = file.run_id
WHERE file.run_id = %(run_id)s AND file.name = %(name)s
