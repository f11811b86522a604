-- Purpose: the next keys of a sweep's differences of some kinds.
-- Parameters: sweep_id, stream, differences (text[]), after (a key), size.
-- Indexes: sweep_difference_pkey.
SELECT key
FROM krayin_sync.sweep_difference
WHERE sweep_id = %(sweep_id)s AND stream = %(stream)s AND key > %(after)s AND difference = ANY(%(differences)s)
ORDER BY key
LIMIT %(size)s
