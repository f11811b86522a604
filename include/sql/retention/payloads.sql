-- Purpose: empty what some operations held that were ended long ago; their ids come back. Declined and quarantined ones may be wanted again.
-- Parameters: after (id), age (interval), size.
-- Indexes: operation_pkey.
UPDATE krayin_sync.operation
SET payload = '{}', natural_keys = '{}', releases = '{}', candidates = NULL
WHERE id IN (
    SELECT id FROM krayin_sync.operation
    WHERE id > %(after)s AND state IN ('done', 'superseded', 'rejected')
      AND finished_at < clock_timestamp() - %(age)s AND payload <> '{}' AND worker IS NULL
    ORDER BY id LIMIT %(size)s
    FOR UPDATE SKIP LOCKED
)
RETURNING id
