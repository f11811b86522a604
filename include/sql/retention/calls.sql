-- Purpose: delete some rows of the audit of calls; their ids come back.
-- Parameters: after (id), age (interval), size.
-- Indexes: api_call_pkey.
DELETE FROM krayin_sync.api_call
WHERE id IN (
    SELECT id FROM krayin_sync.api_call
    WHERE id > %(after)s AND at < clock_timestamp() - %(age)s
    ORDER BY id LIMIT %(size)s
)
RETURNING id
