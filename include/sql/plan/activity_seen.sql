-- Purpose: note up to which activity of its contact a lead was found not to be closed before.
-- Parameters: ids (bigint[], mapping rows), active_ats (timestamptz[]).
-- Indexes: mapping_pkey.
UPDATE krayin_sync.mapping AS mapping
SET active_at = seen.active_at
FROM unnest(%(ids)s::bigint[], %(active_ats)s::timestamptz[]) AS seen (id, active_at)
WHERE mapping.id = seen.id
