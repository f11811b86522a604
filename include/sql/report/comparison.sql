-- Purpose: the comparison a run made, or the last one its sync had finished by then.
-- Parameters: run_id.
-- Indexes: sync_run_pkey, reconciliation_latest.
SELECT compared.id, compared.run_id, compared.depth, compared.repair, compared.started_at, compared.finished_at,
       compared.counts
FROM krayin_sync.sync_run AS run
JOIN krayin_sync.reconciliation AS compared ON compared.sync_name = run.sync_name
WHERE run.id = %(run_id)s AND compared.run_id <= run.id
  AND (compared.finished_at IS NOT NULL OR compared.run_id = run.id)
ORDER BY compared.id DESC
LIMIT 1
