-- name: expire
-- Delete some comparisons that nothing points to any more, but the last of each sync; their ids come back.
-- Parameters: after (id, NULL at first), age (interval), size.
-- Indexes: reconciliation_pkey, reconciliation_latest, finding_of_reconciliation.
DELETE FROM krayin_sync.reconciliation
WHERE id IN (
    SELECT old.id FROM krayin_sync.reconciliation AS old
    WHERE old.id > coalesce(%(after)s::bigint, 0) AND old.finished_at < clock_timestamp() - %(age)s
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


-- name: page
-- The finished comparisons of a sync, the newest first, each against the one before: how many differences were new,
-- were there still, and were gone (repaired or not) until the next.
-- Parameters: sync_name, before (id or NULL), size.
-- Indexes: reconciliation_latest, finding_seen, finding_ended, finding_present, report_file_pkey.
WITH compared AS MATERIALIZED (
    SELECT id, run_id, depth, repair, started_at, finished_at, counts,
           coalesce((SELECT min(later.started_at) FROM krayin_sync.reconciliation AS later
                     WHERE later.sync_name = %(sync_name)s AND later.id > this.id AND later.finished_at IS NOT NULL),
                    'infinity') AS until
    FROM krayin_sync.reconciliation AS this
    WHERE sync_name = %(sync_name)s AND finished_at IS NOT NULL AND (%(before)s::bigint IS NULL OR id < %(before)s)
    ORDER BY id DESC
    LIMIT %(size)s
), counted AS (
    SELECT compared.*,
           (SELECT count(*) FROM krayin_sync.finding
            WHERE sync_name = %(sync_name)s AND first_seen >= started_at AND first_seen < until) AS new,
           (SELECT count(*) FROM krayin_sync.finding
            WHERE sync_name = %(sync_name)s AND ended_at >= started_at AND ended_at < until) AS gone
    FROM compared
), latest AS (
    -- What was there when the newest of them was over.
    SELECT (SELECT count(*) FROM krayin_sync.finding
            WHERE sync_name = %(sync_name)s AND state NOT IN ('repaired', 'resolved'))
           - (SELECT count(*) FROM krayin_sync.finding
              WHERE sync_name = %(sync_name)s AND first_seen >= (SELECT max(until) FROM compared))
           + (SELECT count(*) FROM krayin_sync.finding
              WHERE sync_name = %(sync_name)s AND ended_at >= (SELECT max(until) FROM compared)) AS present
)
SELECT counted.id, counted.run_id, counted.depth, counted.repair, counted.finished_at, counted.new, counted.gone,
       latest.present - coalesce(sum(counted.new - counted.gone) OVER later, 0) - counted.new AS still,
       (counted.counts ->> 'in_scope')::bigint AS in_scope, (counted.counts ->> 'in_sync')::bigint AS in_sync,
       EXISTS (SELECT 1 FROM krayin_sync.report_file AS file
               WHERE file.run_id = counted.run_id AND file.name = 'report.html') AS has_report
FROM counted, latest
WINDOW later AS (ORDER BY counted.id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
ORDER BY counted.id DESC
