-- Purpose: which of some source records have work planned or under way: what differs of them is being seen to.
-- Parameters: target_id, installation_id, account_id, source_kind, source_ids (text[]).
-- Indexes: operation_planned, operation_busy.
SELECT source_id
FROM krayin_sync.operation
WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
  AND source_kind = %(source_kind)s AND source_id = ANY(%(source_ids)s) AND state IN ('planned', 'held')
UNION
SELECT source_id
FROM krayin_sync.operation
WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
  AND source_kind = %(source_kind)s AND source_id = ANY(%(source_ids)s) AND state IN ('in_flight', 'unknown')
