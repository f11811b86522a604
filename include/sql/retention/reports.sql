-- Purpose: delete the report files of some old runs; the ids of the runs come back.
-- Parameters: after (id), age (interval), size.
-- Indexes: report_file_pkey.
WITH deleted AS (
    DELETE FROM krayin_sync.report_file
    WHERE run_id IN (
        SELECT DISTINCT run_id FROM krayin_sync.report_file
        WHERE run_id > %(after)s AND created_at < clock_timestamp() - %(age)s
        ORDER BY run_id LIMIT %(size)s
    ) AND created_at < clock_timestamp() - %(age)s
    RETURNING run_id
)
SELECT DISTINCT run_id FROM deleted
