-- Purpose: the hashes a sync remembers of some buckets of a stream.
-- Parameters: stream_id, buckets (bigint[]).
-- Indexes: checksum_bucket_pkey.
SELECT bucket, hashes FROM krayin_sync.checksum_bucket WHERE stream_id = %(stream_id)s AND bucket = ANY(%(buckets)s)
