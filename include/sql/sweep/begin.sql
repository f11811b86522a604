-- Purpose: a new sweep, in place of the one before of the sync.
-- Parameters: sync_name, target_id, installation_id, account_id, read_at.
-- Indexes: sweep_new_bucket_pkey, sweep_difference_pkey; the table of sweeps has few rows.
WITH replaced AS (
    DELETE FROM krayin_sync.sweep WHERE sync_name = %(sync_name)s RETURNING id
),
buckets AS (
    DELETE FROM krayin_sync.sweep_new_bucket WHERE sweep_id IN (SELECT id FROM replaced)
),
differences AS (
    DELETE FROM krayin_sync.sweep_difference WHERE sweep_id IN (SELECT id FROM replaced)
)
INSERT INTO krayin_sync.sweep (sync_name, target_id, installation_id, account_id, read_at)
VALUES (%(sync_name)s, %(target_id)s, %(installation_id)s, %(account_id)s, %(read_at)s)
RETURNING id
