-- Purpose: commit the intent of the next call, only while the lease is ours and no incident stops all writing to this
--          Krayin; no row means that one of the two is not so.
-- Parameters: id, fence, step, lease (interval).
-- Indexes: operation_pkey, incident_open.
UPDATE krayin_sync.operation
SET state = 'in_flight', step = %(step)s, sent_at = clock_timestamp(), lease_until = clock_timestamp() + %(lease)s
WHERE id = %(id)s AND fence = %(fence)s AND worker IS NOT NULL AND lease_until > clock_timestamp()
  AND NOT EXISTS (
      SELECT 1 FROM krayin_sync.incident
      WHERE closed_at IS NULL AND sync_name IS NULL AND incident.target_id = operation.target_id)
RETURNING sent_at
