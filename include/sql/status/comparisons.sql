-- Purpose: the last finished comparison of each sync, how many differences are there now, and whether it has a report.
-- Parameters: none.
-- Indexes: reconciliation_latest, finding_present, report_file_pkey.
SELECT DISTINCT ON (compared.sync_name)
       compared.sync_name, compared.run_id, compared.depth, compared.finished_at,
       (compared.counts ->> 'in_scope')::bigint AS in_scope,
       (compared.counts ->> 'in_sync')::bigint AS in_sync,
       (SELECT count(*) FROM krayin_sync.finding
        WHERE finding.sync_name = compared.sync_name AND finding.state NOT IN ('repaired', 'resolved')) AS differences,
       EXISTS (SELECT 1 FROM krayin_sync.report_file AS file
               WHERE file.run_id = compared.run_id AND file.name = 'report.html') AS has_report
FROM krayin_sync.reconciliation AS compared
WHERE compared.finished_at IS NOT NULL
ORDER BY compared.sync_name, compared.id DESC
