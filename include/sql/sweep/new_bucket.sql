-- Purpose: keep what differing buckets hold now.
-- Parameters: rows by COPY: sweep_id, stream_id, bucket, checksum, hashes.
-- Indexes: none needed to insert.
COPY krayin_sync.sweep_new_bucket (sweep_id, stream_id, bucket, checksum, hashes) FROM STDIN
