-- Purpose: source records that are in Chatwoot again have their Krayin records back, unless these are somebody else's
--          by now.
-- Parameters: target_id, installation_id, account_id, source_kind, source_ids (text[]).
-- Indexes: mapping_target_id_installation_id_account_id_source_kind_so_key, mapping_one_source_per_record.
UPDATE krayin_sync.mapping AS mapping
SET state = CASE WHEN taken.found OR mapping.crm_id IS NULL OR mapping.origin IS NULL THEN 'pending' ELSE 'linked' END,
    crm_id = CASE WHEN taken.found THEN NULL ELSE mapping.crm_id END,
    source_hash = ''::bytea, acked_hash = NULL, settled_at = NULL
FROM krayin_sync.mapping AS self
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT 1 FROM krayin_sync.mapping AS other
        WHERE other.target_id = self.target_id AND other.crm_kind = self.crm_kind AND other.crm_id = self.crm_id
          AND other.crm_kind <> 'organization' AND other.state = 'linked' AND other.id <> self.id) AS found
) AS taken
WHERE self.id = mapping.id AND mapping.target_id = %(target_id)s AND mapping.installation_id = %(installation_id)s
  AND mapping.account_id = %(account_id)s AND mapping.source_kind = %(source_kind)s
  AND mapping.source_id = ANY(%(source_ids)s) AND mapping.state = 'orphaned'
