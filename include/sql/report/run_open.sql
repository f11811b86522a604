-- Purpose: open a run, or find it again when its task is tried once more.
-- Parameters: sync_name, dag_run_id (or NULL), kind, dry_run.
-- Indexes: sync_run_of_dag_run.
INSERT INTO krayin_sync.sync_run (sync_name, dag_run_id, kind, dry_run)
VALUES (%(sync_name)s, %(dag_run_id)s, %(kind)s, %(dry_run)s)
ON CONFLICT (sync_name, dag_run_id) WHERE dag_run_id IS NOT NULL
-- What a run staged is kept for a day from its beginning.
DO UPDATE SET state = 'planning', started_at = clock_timestamp(), finished_at = NULL, message = NULL
RETURNING id
