-- Purpose: what claims an e-mail or phone that a held plan gives up waits with it.
-- Parameters: run_id, approval_ids (bigint[]).
-- Indexes: operation_of_run, operation_of_approval.
WITH given AS MATERIALIZED (
    SELECT key, min(approval_id) AS approval_id
    FROM krayin_sync.operation, unnest(releases) AS key
    WHERE approval_id = ANY(%(approval_ids)s) AND state = 'held' AND releases <> '{}'
    GROUP BY key
), claiming AS (
    SELECT operation.id, min(given.approval_id) AS approval_id
    FROM krayin_sync.operation AS operation, unnest(operation.natural_keys) AS wanted (key)
    JOIN given USING (key)
    WHERE operation.run_id = %(run_id)s AND operation.state = 'planned' AND operation.worker IS NULL
      AND operation.source_kind = 'contact'
    GROUP BY operation.id
)
UPDATE krayin_sync.operation AS operation
SET state = 'held', approval_id = claiming.approval_id
FROM claiming
WHERE operation.id = claiming.id AND operation.state = 'planned' AND operation.worker IS NULL
