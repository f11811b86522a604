-- Purpose: note which version of each company was planned.
-- Parameters: target_id, installation_id, account_id, folded_names (text[]), source_hashes (bytea[]), source_read_at.
-- Indexes: mapping_target_id_installation_id_account_id_source_kind_so_key.
INSERT INTO krayin_sync.mapping
    (target_id, installation_id, account_id, source_kind, source_id, crm_kind, source_hash, source_read_at, planned_at)
SELECT %(target_id)s, %(installation_id)s, %(account_id)s, 'company', folded_name, 'organization', source_hash,
       %(source_read_at)s, clock_timestamp()
FROM unnest(%(folded_names)s::text[], %(source_hashes)s::bytea[]) AS planned (folded_name, source_hash)
ORDER BY folded_name
ON CONFLICT (target_id, installation_id, account_id, source_kind, source_id, crm_kind) DO UPDATE
SET source_hash = excluded.source_hash, source_read_at = excluded.source_read_at, planned_at = excluded.planned_at
