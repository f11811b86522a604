-- Purpose: keep a file of a run's report, in place of an earlier one.
-- Parameters: run_id, name, media_type, size, content (packed with gzip).
-- Indexes: report_file_pkey.
INSERT INTO krayin_sync.report_file (run_id, name, media_type, size, content)
VALUES (%(run_id)s, %(name)s, %(media_type)s, %(size)s, %(content)s)
ON CONFLICT (run_id, name) DO UPDATE
SET media_type = excluded.media_type, size = excluded.size, content = excluded.content, created_at = clock_timestamp()
