-- Purpose: plans that wait for a person's answer, with how many operations each holds.
-- Parameters: none.
-- Indexes: approval_waiting, operation_of_approval.
SELECT approval.sync_name, approval.id AS approval_id, approval.state, approval.created_at, approval.dag_run_id,
       (SELECT count(*) FROM krayin_sync.operation
        WHERE operation.approval_id = approval.id AND operation.state = 'held') AS operations
FROM krayin_sync.approval
WHERE approval.state IN ('open', 'asked')
ORDER BY approval.sync_name, approval.id
