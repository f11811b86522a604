-- Purpose: a newer plan takes the place of older ones that nobody works on.
-- Parameters: target_id, installation_id, account_id, source_kind, source_ids (text[]).
-- Indexes: operation_planned.
UPDATE krayin_sync.operation
SET state = 'superseded', finished_at = clock_timestamp(), worker = NULL, lease_until = NULL,
    fence = nextval('krayin_sync.operation_fence')
WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
  AND source_kind = %(source_kind)s AND source_id = ANY(%(source_ids)s)
  AND state IN ('planned', 'held')
