-- Purpose: contacts noted as planned, not linked, of which no operation tells what became of them.
-- Parameters: none.
-- Indexes: none: a scan.
SELECT count(*)
FROM krayin_sync.mapping
WHERE source_kind = 'contact' AND crm_kind = 'person' AND state IN ('pending', 'quarantined')
  AND source_hash IS NOT NULL AND planned_at > clock_timestamp() - interval '1 day'
  AND NOT EXISTS (
      SELECT 1 FROM krayin_sync.operation
      WHERE operation.target_id = mapping.target_id AND operation.installation_id = mapping.installation_id
        AND operation.account_id = mapping.account_id AND operation.source_kind = 'contact'
        AND operation.source_id = mapping.source_id
  )
