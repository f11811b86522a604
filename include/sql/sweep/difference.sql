-- Purpose: keep differences.
-- Parameters: rows by COPY: sweep_id, stream, key, difference.
-- Indexes: none needed to insert.
COPY krayin_sync.sweep_difference (sweep_id, stream, key, difference) FROM STDIN
