-- name: all_of
-- The files of a run's report, one of them last; content packed with gzip.
-- Parameters: run_id, last (name).
-- Indexes: report_file_pkey.
SELECT name, media_type, size, content
FROM krayin_sync.report_file
WHERE run_id = %(run_id)s
ORDER BY name = %(last)s, name


-- name: due
-- Reports of a sync that are still to go a way, the oldest first, with what their comparisons counted.
-- Parameters: sync_name, way.
-- Indexes: report_file_due, sync_run_pkey, reconciliation_of_run, finding_seen.
SELECT file.run_id, file.created_at AS since,
       (compared.counts ->> 'in_scope')::bigint AS in_scope,
       (compared.counts ->> 'in_sync')::bigint AS in_sync,
       (SELECT coalesce(sum(findings), 0) FROM krayin_sync.differences_history
        WHERE run_id = file.run_id)::bigint AS differences,
       (SELECT count(*) FROM krayin_sync.finding
        WHERE sync_name = %(sync_name)s
          AND first_seen BETWEEN compared.started_at AND compared.finished_at) AS new
FROM krayin_sync.report_file AS file
JOIN krayin_sync.sync_run AS run ON run.id = file.run_id
LEFT JOIN krayin_sync.reconciliation AS compared ON compared.run_id = file.run_id
WHERE file.due <> '{}' AND %(way)s = ANY(file.due) AND run.sync_name = %(sync_name)s
ORDER BY file.run_id


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


-- name: gone
-- Note that a report went a way.
-- Parameters: run_id, way.
-- Indexes: report_file_pkey.
UPDATE krayin_sync.report_file SET due = array_remove(due, %(way)s) WHERE run_id = %(run_id)s AND due <> '{}'


-- name: read
-- One file of a run's report with the sync it belongs to; content packed with gzip.
-- Parameters: run_id, name.
-- Indexes: report_file_pkey, sync_run_pkey.
SELECT run.sync_name, file.media_type, file.content
FROM krayin_sync.report_file AS file
JOIN krayin_sync.sync_run AS run ON run.id = file.run_id
WHERE file.run_id = %(run_id)s AND file.name = %(name)s


-- name: write
-- Keep a file of a run's report, in place of an earlier one; which ways that one still had to go stays.
-- Parameters: run_id, name, media_type, size, content (packed with gzip), due (text[]).
-- Indexes: report_file_pkey.
INSERT INTO krayin_sync.report_file (run_id, name, media_type, size, content, due)
VALUES (%(run_id)s, %(name)s, %(media_type)s, %(size)s, %(content)s, %(due)s)
ON CONFLICT (run_id, name) DO UPDATE
SET media_type = excluded.media_type, size = excluded.size, content = excluded.content, created_at = clock_timestamp()
