-- Purpose: the operations of a run that give up an e-mail or phone, and those that claim one that is given up.
-- Parameters: run_id.
-- Indexes: operation_of_run.
WITH given AS MATERIALIZED (
    SELECT array_agg(DISTINCT key) AS keys
    FROM krayin_sync.operation AS operation, unnest(operation.releases) AS key
    WHERE operation.run_id = %(run_id)s AND operation.state IN ('planned', 'held') AND operation.releases <> '{}'
)
SELECT operation.id, operation.natural_keys, operation.releases
FROM krayin_sync.operation AS operation, given
WHERE given.keys IS NOT NULL
  AND operation.run_id = %(run_id)s AND operation.state IN ('planned', 'held') AND operation.source_kind = 'contact'
  AND operation.natural_keys && given.keys
ORDER BY operation.id
