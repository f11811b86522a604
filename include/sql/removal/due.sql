-- Purpose: leads that we closed though their contacts are in Chatwoot, as far as nobody has decided about their
--          reopening: none is planned, waits for an answer, was declined or set aside since.
-- Parameters: target_id, installation_id, account_id.
-- Indexes: removal_of_source, mapping_target_id_installation_id_account_id_source_kind_so_key, operation_planned,
--          operation_busy; of those declined or set aside a scan for each such lead, of whom there are few.
SELECT removal.source_id, removal.crm_id
FROM krayin_sync.removal
JOIN krayin_sync.mapping USING (target_id, installation_id, account_id, source_kind, source_id, crm_kind, crm_id)
WHERE removal.target_id = %(target_id)s AND removal.installation_id = %(installation_id)s
  AND removal.account_id = %(account_id)s AND removal.action = 'closed' AND removal.ended_at IS NULL
  AND mapping.state = 'linked'
  AND NOT EXISTS (
      SELECT FROM krayin_sync.operation
      WHERE operation.target_id = removal.target_id AND operation.installation_id = removal.installation_id
        AND operation.account_id = removal.account_id AND operation.source_kind = 'stage'
        AND operation.source_id = removal.source_id
        AND (operation.state IN ('planned', 'held', 'in_flight', 'unknown')
             OR (operation.state IN ('declined', 'quarantined') AND operation.payload ? 'reopen'
                 AND operation.created_at > removal.removed_at))
  )
ORDER BY removal.id
