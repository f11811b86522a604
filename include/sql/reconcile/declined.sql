-- Purpose: the source records whose latest plan somebody declined, and whether that was to retire what is gone in Chatwoot.
-- Parameters: target_id, installation_id, account_id.
-- Indexes: operation_of_approval; of newer plans a scan, once for each comparison that repairs where any is declined.
WITH declined AS MATERIALIZED (
    SELECT operation.id, operation.source_kind, operation.source_id, operation.payload ? 'retire' AS retires
    FROM krayin_sync.approval AS approval
    JOIN krayin_sync.operation AS operation ON operation.approval_id = approval.id AND operation.state = 'declined'
    WHERE operation.target_id = %(target_id)s AND operation.installation_id = %(installation_id)s
      AND operation.account_id = %(account_id)s
)
SELECT declined.source_kind, declined.source_id, declined.retires
FROM declined
WHERE NOT EXISTS (
    SELECT FROM krayin_sync.operation AS newer
    WHERE newer.target_id = %(target_id)s AND newer.installation_id = %(installation_id)s
      AND newer.account_id = %(account_id)s AND newer.source_kind = declined.source_kind
      AND newer.source_id = declined.source_id AND newer.id > declined.id AND newer.state <> 'superseded')
