-- Purpose: records for which more than one plan waits.
-- Parameters: none.
-- Indexes: operation_planned.
SELECT count(*)
FROM (
    SELECT 1
    FROM krayin_sync.operation
    WHERE state IN ('planned', 'held')
    GROUP BY target_id, installation_id, account_id, source_kind, source_id
    HAVING count(*) > 1
) AS doubled
