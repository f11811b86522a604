-- Purpose: note that a checksum diff is complete.
-- Parameters: diff_id.
-- Indexes: checksum_diff_pkey.
UPDATE krayin_sync.checksum_diff SET compared_at = clock_timestamp() WHERE id = %(diff_id)s
