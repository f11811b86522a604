-- Purpose: how many differences of each kind a sweep found in a stream.
-- Parameters: sweep_id, stream.
-- Indexes: sweep_difference_pkey.
SELECT difference, count(*)
FROM krayin_sync.sweep_difference
WHERE sweep_id = %(sweep_id)s AND stream = %(stream)s
GROUP BY difference
