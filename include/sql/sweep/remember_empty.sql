-- Purpose: forget buckets that hold nothing any more.
-- Parameters: sweep_id, stream_ids (integer[]).
-- Indexes: sweep_new_bucket_pkey, sweep_bucket_pkey.
DELETE FROM krayin_sync.sweep_bucket AS known
USING krayin_sync.sweep_new_bucket AS fresh
WHERE fresh.sweep_id = %(sweep_id)s AND fresh.stream_id = ANY(%(stream_ids)s) AND fresh.checksum IS NULL
  AND known.stream_id = fresh.stream_id AND known.bucket = fresh.bucket
