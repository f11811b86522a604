-- Purpose: how many contacts and companies have their record in Krayin, counted no further than needed; those whose
--          removal is being planned have it still.
-- Parameters: target_id, installation_id, account_id, most (stop counting here).
-- Indexes: mapping_target_id_installation_id_account_id_source_kind_so_key.
SELECT count(*)
FROM (
    SELECT 1
    FROM krayin_sync.mapping
    WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
      AND source_kind IN ('contact', 'company') AND crm_kind IN ('person', 'organization')
      AND (state = 'linked' OR (state = 'orphaned' AND settled_at IS NULL AND crm_id IS NOT NULL))
    LIMIT %(most)s
) AS mapped
