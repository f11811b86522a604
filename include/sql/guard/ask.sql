-- Purpose: note that a DAG run asks about an approval, and with which numbers.
-- Parameters: approval_id, dag_run_id, shown (JSON).
-- Indexes: approval_pkey.
UPDATE krayin_sync.approval
SET state = 'asked', asked_at = clock_timestamp(), dag_run_id = %(dag_run_id)s, shown = %(shown)s
WHERE id = %(approval_id)s
