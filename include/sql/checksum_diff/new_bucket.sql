-- Purpose: keep what differing buckets hold now.
-- Parameters: rows by COPY: diff_id, stream_id, bucket, checksum, hashes.
-- Indexes: none needed to insert.
COPY krayin_sync.checksum_diff_new_bucket (diff_id, stream_id, bucket, checksum, hashes) FROM STDIN
