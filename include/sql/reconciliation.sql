-- name: expire
-- Delete some comparisons that nothing points to any more, but the last of each sync; their ids come back.
-- Parameters: after (id), age (interval), size.
-- Indexes: reconciliation_pkey, reconciliation_latest, finding_of_reconciliation.
DELETE FROM krayin_sync.reconciliation
WHERE id IN (
    SELECT old.id FROM krayin_sync.reconciliation AS old
    WHERE old.id > %(after)s AND old.finished_at < clock_timestamp() - %(age)s
      AND NOT EXISTS (SELECT 1 FROM krayin_sync.finding WHERE reconciliation_id = old.id)
      AND EXISTS (
          SELECT 1 FROM krayin_sync.reconciliation AS newer
          WHERE newer.sync_name = old.sync_name AND newer.id > old.id AND newer.finished_at IS NOT NULL
      )
    ORDER BY old.id LIMIT %(size)s
)
RETURNING id


-- name: finish
-- Note what a comparison counted, and that it is over.
-- Parameters: id, counts (JSON).
-- Indexes: reconciliation_pkey.
UPDATE krayin_sync.reconciliation
SET counts = %(counts)s, finished_at = clock_timestamp()
WHERE id = %(id)s


-- name: of_run
-- The comparison of a run and what it counted.
-- Parameters: run_id.
-- Indexes: reconciliation_of_run.
SELECT compared.id, sync_name, depth, counts, scope.id, target_id, installation_id, account_id
FROM krayin_sync.reconciliation AS compared
JOIN krayin_sync.scope ON scope.id = compared.scope_id
WHERE run_id = %(run_id)s


-- name: open
-- Begin a comparison, or begin the one of this run anew.
-- Parameters: run_id, sync_name, scope_id, depth, repair.
-- Indexes: reconciliation_of_run.
INSERT INTO krayin_sync.reconciliation (run_id, sync_name, scope_id, depth, repair)
VALUES (%(run_id)s, %(sync_name)s, %(scope_id)s, %(depth)s, %(repair)s)
ON CONFLICT (run_id) DO UPDATE SET started_at = clock_timestamp(), finished_at = NULL, counts = '{}'
RETURNING id
