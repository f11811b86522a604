-- Purpose: keep differences.
-- Parameters: rows by COPY: diff_id, stream, key, difference.
-- Indexes: none needed to insert.
COPY krayin_sync.checksum_diff_difference (diff_id, stream, key, difference) FROM STDIN
