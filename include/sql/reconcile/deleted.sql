-- Purpose: note that records are gone in Krayin; whose they were.
-- Parameters: target_id, installation_id, account_id, crm_kind, crm_ids (bigint[]).
-- Indexes: mapping_one_source_per_record, mapping_organizations.
WITH gone AS (
    SELECT id, crm_id, last_sent
    FROM krayin_sync.mapping
    WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
      AND crm_kind = %(crm_kind)s AND source_kind <> 'stage' AND crm_id = ANY(%(crm_ids)s)
      AND (state = 'linked' OR crm_kind = 'organization')
    FOR UPDATE
)
UPDATE krayin_sync.mapping AS mapping
SET state = 'gone', crm_id = NULL, acked_hash = NULL, last_sent = NULL, pending_write = NULL
FROM gone
WHERE mapping.id = gone.id
RETURNING mapping.source_kind, mapping.source_id, gone.crm_id, gone.last_sent
