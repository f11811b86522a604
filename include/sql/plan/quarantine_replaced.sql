-- Purpose: a quarantined plan whose source record changed gives way to the new plan.
-- Parameters: target_id, installation_id, account_id, source_kind, source_ids (text[]).
-- Indexes: operation_quarantined_record.
UPDATE krayin_sync.operation
SET state = 'superseded', finished_at = clock_timestamp()
WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
  AND source_kind = %(source_kind)s AND source_id = ANY(%(source_ids)s)
  AND state = 'quarantined'
