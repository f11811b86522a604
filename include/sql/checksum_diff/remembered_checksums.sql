-- Purpose: the checksums a sync remembers of a stream, ascending.
-- Parameters: stream_id.
-- Indexes: checksum_bucket_pkey.
COPY (
    SELECT bucket, checksum FROM krayin_sync.checksum_bucket WHERE stream_id = %(stream_id)s ORDER BY bucket
) TO STDOUT
