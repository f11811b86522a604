-- Purpose: remember what the differing buckets of a sweep hold.
-- Parameters: sweep_id, stream_ids (integer[]).
-- Indexes: sweep_new_bucket_pkey, sweep_bucket_pkey.
INSERT INTO krayin_sync.sweep_bucket AS known (stream_id, bucket, checksum, hashes)
SELECT stream_id, bucket, checksum, hashes
FROM krayin_sync.sweep_new_bucket
WHERE sweep_id = %(sweep_id)s AND stream_id = ANY(%(stream_ids)s) AND checksum IS NOT NULL
ORDER BY stream_id, bucket
ON CONFLICT (stream_id, bucket) DO UPDATE SET checksum = excluded.checksum, hashes = excluded.hashes
