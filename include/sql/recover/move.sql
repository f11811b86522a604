-- Purpose: the Krayin at a new address is the one that was known at another: it keeps its id, and what was bound under the
--          new address meanwhile is added to it.
-- Parameters: former_id, present_id.
-- Indexes: krayin_target_pkey, mapping_target_id_installation_id_account_id_source_kind_so_key,
--          mapping_one_source_per_record.
WITH forgotten AS (
    DELETE FROM krayin_sync.krayin_catalogue WHERE target_id IN (%(former_id)s, %(present_id)s)
), stopped AS (
    UPDATE krayin_sync.operation
    SET state = 'superseded', worker = NULL, lease_until = NULL, finished_at = clock_timestamp()
    WHERE target_id = %(present_id)s AND state IN ('planned', 'held', 'unknown', 'quarantined')
)
UPDATE krayin_sync.mapping AS added
SET target_id = %(former_id)s
WHERE added.target_id = %(present_id)s AND added.state = 'linked'
  AND NOT EXISTS (
      SELECT 1 FROM krayin_sync.mapping AS own
      WHERE own.target_id = %(former_id)s AND own.installation_id = added.installation_id
        AND own.account_id = added.account_id AND own.source_kind = added.source_kind
        AND own.source_id = added.source_id AND own.crm_kind = added.crm_kind)
  AND NOT EXISTS (
      SELECT 1 FROM krayin_sync.mapping AS other
      WHERE other.target_id = %(former_id)s AND other.crm_kind = added.crm_kind AND other.crm_id = added.crm_id
        AND other.crm_kind <> 'organization' AND other.state = 'linked')
