-- Purpose: drop open plans that name records of the Krayin that was, and have their source records planned anew. What only
--          holds what is wanted goes on; an open outcome is resolved by looking Krayin up.
-- Parameters: target_id.
-- Indexes: operation_queue, operation_quarantine, mapping_target_id_installation_id_account_id_source_kind_so_key.
WITH unresolved AS (
    UPDATE krayin_sync.operation
    SET payload = payload || jsonb_build_object('adopt', CASE WHEN source_kind = 'contact' THEN '{}'::jsonb END),
        next_attempt_at = clock_timestamp()
    WHERE target_id = %(target_id)s AND state = 'unknown' AND payload ? 'adopt'
), dropped AS (
    UPDATE krayin_sync.operation
    SET state = 'superseded', worker = NULL, lease_until = NULL, finished_at = clock_timestamp()
    WHERE target_id = %(target_id)s
      AND (state IN ('planned', 'held')
               AND (payload ? 'retire' OR payload ? 'reopen' OR payload ? 'follows_lead' OR payload -> 'adopt' NOT IN ('{}'::jsonb, 'null'::jsonb)
                    OR step IS NOT NULL)
           OR state = 'unknown' AND (payload ? 'retire' OR payload ? 'reopen')
           OR state = 'quarantined' AND error_class IN ('id_reused', 'activity_taken', 'person_taken', 'lead_taken'))
    RETURNING installation_id, account_id, source_kind, source_id
)
UPDATE krayin_sync.mapping
SET source_hash = ''::bytea, state = CASE WHEN mapping.state = 'quarantined' THEN 'pending' ELSE mapping.state END
FROM dropped
WHERE mapping.target_id = %(target_id)s AND mapping.installation_id = dropped.installation_id
  AND mapping.account_id = dropped.account_id AND mapping.source_kind = dropped.source_kind
  AND mapping.source_id = dropped.source_id
