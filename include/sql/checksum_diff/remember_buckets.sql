-- Purpose: remember what the differing buckets of a checksum diff hold.
-- Parameters: diff_id, stream_ids (integer[]).
-- Indexes: checksum_diff_new_bucket_pkey, checksum_bucket_pkey.
INSERT INTO krayin_sync.checksum_bucket AS known (stream_id, bucket, checksum, hashes)
SELECT stream_id, bucket, checksum, hashes
FROM krayin_sync.checksum_diff_new_bucket
WHERE diff_id = %(diff_id)s AND stream_id = ANY(%(stream_ids)s) AND checksum IS NOT NULL
ORDER BY stream_id, bucket
ON CONFLICT (stream_id, bucket) DO UPDATE SET checksum = excluded.checksum, hashes = excluded.hashes
