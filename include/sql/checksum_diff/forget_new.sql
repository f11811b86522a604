-- Purpose: drop what buckets of a checksum diff held; its differences stay until the next checksum diff of the sync.
-- Parameters: diff_id.
-- Indexes: checksum_diff_new_bucket_pkey.
DELETE FROM krayin_sync.checksum_diff_new_bucket WHERE diff_id = %(diff_id)s
