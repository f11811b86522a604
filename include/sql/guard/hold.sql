-- Purpose: hold what a run is about to change, to remove or to make again, as far as no worker has taken it already.
-- Parameters: run_id, approval_id, what (changes, removals or made_again).
-- Indexes: operation_of_run, operation_pkey.
WITH chosen AS (
    SELECT id
    FROM krayin_sync.operation
    WHERE run_id = %(run_id)s AND state = 'planned' AND worker IS NULL AND changes <> '{}' AND approval_id IS NULL
      AND CASE %(what)s WHEN 'made_again' THEN 'contact.made_again' = ANY(changes)
                        ELSE (removes <> '{}') = (%(what)s = 'removals') END
    ORDER BY id
    -- A worker that is taking one in this moment need not be waited for: it came first.
    FOR UPDATE SKIP LOCKED
)
UPDATE krayin_sync.operation AS operation
SET state = 'held', approval_id = %(approval_id)s
FROM chosen
WHERE operation.id = chosen.id
