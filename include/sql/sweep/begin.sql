-- Purpose: a new sweep, in place of the one before of the sync.
-- Parameters: sync_name, target_id, installation_id, account_id, read_at.
-- Indexes: none; few rows.
WITH replaced AS (
    DELETE FROM krayin_sync.sweep WHERE sync_name = %(sync_name)s
)
INSERT INTO krayin_sync.sweep (sync_name, target_id, installation_id, account_id, read_at)
VALUES (%(sync_name)s, %(target_id)s, %(installation_id)s, %(account_id)s, %(read_at)s)
RETURNING id
