-- Purpose: forget buckets that hold nothing any more.
-- Parameters: diff_id, stream_ids (integer[]).
-- Indexes: checksum_diff_new_bucket_pkey, checksum_bucket_pkey.
DELETE FROM krayin_sync.checksum_bucket AS known
USING krayin_sync.checksum_diff_new_bucket AS fresh
WHERE fresh.diff_id = %(diff_id)s AND fresh.stream_id = ANY(%(stream_ids)s) AND fresh.checksum IS NULL
  AND known.stream_id = fresh.stream_id AND known.bucket = fresh.bucket
