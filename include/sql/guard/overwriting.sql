-- Purpose: note what a claimed operation overwrites in Krayin beyond what was planned or approved; no row where it is
--          nothing more.
-- Parameters: id, fence, removes (text[]).
-- Indexes: operation_pkey.
UPDATE krayin_sync.operation
SET removes = ARRAY(SELECT DISTINCT unnest(removes || %(removes)s::text[]) ORDER BY 1),
    changes = CASE WHEN changes = '{}' THEN %(removes)s::text[] ELSE changes END,
    approval_id = NULL
WHERE id = %(id)s AND fence = %(fence)s AND worker IS NOT NULL AND NOT removes @> %(removes)s::text[]
RETURNING run_id
