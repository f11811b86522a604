-- Purpose: drop what buckets of a sweep held; its differences stay until the next sweep of the sync.
-- Parameters: sweep_id.
-- Indexes: sweep_new_bucket_pkey.
DELETE FROM krayin_sync.sweep_new_bucket WHERE sweep_id = %(sweep_id)s
