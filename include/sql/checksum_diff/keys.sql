-- Purpose: the next keys of a checksum diff's differences of some kinds.
-- Parameters: diff_id, stream, differences (text[]), after (a key), size.
-- Indexes: checksum_diff_difference_pkey.
SELECT key
FROM krayin_sync.checksum_diff_difference
WHERE diff_id = %(diff_id)s AND stream = %(stream)s AND key > %(after)s AND difference = ANY(%(differences)s)
ORDER BY key
LIMIT %(size)s
