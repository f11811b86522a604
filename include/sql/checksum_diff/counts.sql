-- Purpose: how many differences of each kind a checksum diff found in a stream.
-- Parameters: diff_id, stream.
-- Indexes: checksum_diff_difference_pkey.
SELECT difference, count(*)
FROM krayin_sync.checksum_diff_difference
WHERE diff_id = %(diff_id)s AND stream = %(stream)s
GROUP BY difference
