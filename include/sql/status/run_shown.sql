-- Purpose: the run of a sync that people are shown: the one that works, else the last sync. A run that neither began nor called Krayin within the hour, or that another of its kind followed, works no more.
-- Parameters: sync.
-- Indexes: sync_run_latest, api_call_of_run.
SELECT id AS run_id, sync_name, dag_run_id, kind, dry_run, state, started_at, finished_at, summary, message
FROM krayin_sync.sync_run AS run
WHERE sync_name = %(sync)s
  AND CASE WHEN finished_at IS NOT NULL THEN kind IN ('manual', 'scheduled') OR kind = 'backfill' AND dry_run
           ELSE kind NOT IN ('setup', 'events')
                AND NOT EXISTS (
                    SELECT FROM krayin_sync.sync_run AS later
                    WHERE later.sync_name = run.sync_name AND later.kind = run.kind AND later.id > run.id)
                AND (started_at > now() - interval '1 hour'
                     OR EXISTS (
                         SELECT FROM krayin_sync.api_call AS call
                         WHERE call.run_id = run.id AND call.at > now() - interval '1 hour')) END
ORDER BY finished_at IS NULL DESC, id DESC LIMIT 1;
