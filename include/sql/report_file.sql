-- name: expire
-- Delete the report files of some old runs; the ids of the runs come back.
-- Parameters: after (id, NULL at first), age (interval), size.
-- Indexes: report_file_pkey.
WITH deleted AS (
    DELETE FROM krayin_sync.report_file
    WHERE run_id IN (
        SELECT DISTINCT run_id FROM krayin_sync.report_file
        WHERE run_id > coalesce(%(after)s::bigint, 0) AND created_at < clock_timestamp() - %(age)s
        ORDER BY run_id LIMIT %(size)s
    ) AND created_at < clock_timestamp() - %(age)s
    RETURNING run_id
)
SELECT DISTINCT run_id FROM deleted


-- name: read
-- One file of a run's report with the sync it belongs to; content packed with gzip.
-- Parameters: run_id, name.
-- Indexes: report_file_pkey, sync_run_pkey.
SELECT run.sync_name, file.media_type, file.content
FROM krayin_sync.report_file AS file
JOIN krayin_sync.sync_run AS run ON run.id = file.run_id
WHERE file.run_id = %(run_id)s AND file.name = %(name)s


-- name: write
-- Keep a file of a run's report, in place of an earlier one.
-- Parameters: run_id, name, media_type, size, content (packed with gzip).
-- Indexes: report_file_pkey.
INSERT INTO krayin_sync.report_file (run_id, name, media_type, size, content)
VALUES (%(run_id)s, %(name)s, %(media_type)s, %(size)s, %(content)s)
ON CONFLICT (run_id, name) DO UPDATE
SET media_type = excluded.media_type, size = excluded.size, content = excluded.content, created_at = clock_timestamp()
