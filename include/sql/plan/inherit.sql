-- Purpose: hand a sync the open work of syncs that do not exist any more: nobody else would carry it out, and what was
--          planned once is not planned again.
-- Parameters: sync_name (the heir), existing (text[]: every sync there is), target_id, installation_id, account_id.
-- Indexes: operation_queue, operation_quarantine (few rows are open); activity_mark_pkey, approval_waiting.
WITH marks AS (
    UPDATE krayin_sync.activity_mark
    SET sync_name = %(sync_name)s
    WHERE target_id = %(target_id)s AND sync_name <> ALL (%(existing)s::text[])
), questions AS (
    -- The DAG that asked is gone with its sync: the heir's asks anew.
    UPDATE krayin_sync.approval
    SET sync_name = %(sync_name)s, state = 'open', nudged_at = NULL
    WHERE sync_name <> ALL (%(existing)s::text[]) AND state IN ('open', 'asked')
      AND id IN (
          SELECT approval_id FROM krayin_sync.operation
          WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
            AND state = 'held'
      )
)
UPDATE krayin_sync.operation
SET sync_name = %(sync_name)s
WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
    AND sync_name <> ALL (%(existing)s::text[])
    AND state IN ('planned', 'in_flight', 'unknown', 'quarantined', 'held', 'declined')
