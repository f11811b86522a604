-- Purpose: linked activities as Krayin shows them now, without those that are being worked on or yet to be marked.
-- Parameters: target_id, ids (bigint[], mapping rows).
-- Indexes: mapping_pkey, crm_snapshot_pkey, operation_planned, operation_busy, activity_mark_pkey.
SELECT mapping.id, mapping.source_kind, mapping.source_id, mapping.crm_id, mapping.last_sent, snapshot.facts
FROM krayin_sync.mapping AS mapping
JOIN krayin_sync.crm_snapshot AS snapshot
  ON snapshot.target_id = mapping.target_id AND snapshot.crm_kind = mapping.crm_kind AND snapshot.crm_id = mapping.crm_id
WHERE mapping.id = ANY(%(ids)s) AND mapping.state = 'linked'
  AND NOT EXISTS (
      SELECT 1 FROM krayin_sync.activity_mark AS mark
      WHERE mark.target_id = %(target_id)s AND mark.crm_id = mapping.crm_id)
  AND NOT EXISTS (
      SELECT 1 FROM krayin_sync.operation AS operation
      WHERE operation.target_id = mapping.target_id AND operation.installation_id = mapping.installation_id
        AND operation.account_id = mapping.account_id AND operation.source_kind = mapping.source_kind
        AND operation.source_id = mapping.source_id AND operation.state IN ('planned', 'held'))
  AND NOT EXISTS (
      SELECT 1 FROM krayin_sync.operation AS operation
      WHERE operation.target_id = mapping.target_id AND operation.installation_id = mapping.installation_id
        AND operation.account_id = mapping.account_id AND operation.source_kind = mapping.source_kind
        AND operation.source_id = mapping.source_id AND operation.state IN ('in_flight', 'unknown'))
