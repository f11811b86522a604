-- Purpose: what replaces a held plan of the same record is held in its place.
-- Parameters: run_id, approval_ids (bigint[]).
-- Indexes: operation_of_run, operation_of_approval.
UPDATE krayin_sync.operation AS newer
SET state = 'held', approval_id = older.approval_id
FROM krayin_sync.operation AS older
WHERE newer.run_id = %(run_id)s AND newer.state = 'planned' AND newer.worker IS NULL AND newer.changes <> '{}'
  AND newer.approval_id IS NULL
  AND older.approval_id = ANY(%(approval_ids)s) AND older.state = 'superseded'
  AND older.target_id = newer.target_id AND older.installation_id = newer.installation_id
  AND older.account_id = newer.account_id AND older.source_kind = newer.source_kind
  AND older.source_id = newer.source_id
