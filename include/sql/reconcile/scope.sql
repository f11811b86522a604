-- Purpose: how many contacts a sync knows, and how many of their records are linked, by kind.
-- Parameters: target_id, installation_id, account_id.
-- Indexes: mapping_target_id_installation_id_account_id_source_kind_so_key.
SELECT count(*) FILTER (WHERE source_kind = 'contact' AND crm_kind = 'person'
                              AND state <> 'orphaned'),
       jsonb_build_object(
           'person', count(*) FILTER (WHERE crm_kind = 'person' AND state = 'linked'),
           'lead', count(*) FILTER (WHERE source_kind = 'contact' AND crm_kind = 'lead' AND state = 'linked'),
           'organization', count(*) FILTER (WHERE crm_kind = 'organization' AND crm_id IS NOT NULL),
           'activity', count(*) FILTER (WHERE crm_kind = 'activity' AND state = 'linked'))
FROM krayin_sync.mapping
WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
