-- Purpose: somebody said that these differences may stay.
-- Parameters: sync_name, ids (bigint[]).
-- Indexes: finding_pkey.
UPDATE krayin_sync.finding
SET state = 'accepted'
WHERE sync_name = %(sync_name)s AND id = ANY(%(ids)s) AND state IN ('open', 'reported')
