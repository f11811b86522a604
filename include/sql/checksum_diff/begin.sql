-- Purpose: a new checksum diff, in place of the one before of the sync.
-- Parameters: sync_name, target_id, installation_id, account_id, read_at.
-- Indexes: checksum_diff_new_bucket_pkey, checksum_diff_difference_pkey; the table of checksum diffs has few rows.
WITH replaced AS (
    DELETE FROM krayin_sync.checksum_diff WHERE sync_name = %(sync_name)s RETURNING id
),
buckets AS (
    DELETE FROM krayin_sync.checksum_diff_new_bucket WHERE diff_id IN (SELECT id FROM replaced)
),
differences AS (
    DELETE FROM krayin_sync.checksum_diff_difference WHERE diff_id IN (SELECT id FROM replaced)
)
INSERT INTO krayin_sync.checksum_diff (sync_name, target_id, installation_id, account_id, read_at)
VALUES (%(sync_name)s, %(target_id)s, %(installation_id)s, %(account_id)s, %(read_at)s)
RETURNING id
