-- Purpose: by what some records are recognised.
-- Parameters: target_id, crm_kind, keys (text[]), crm_ids (bigint[]).
-- Indexes: crm_snapshot_key_pkey.
INSERT INTO krayin_sync.crm_snapshot_key (target_id, crm_kind, key, crm_id)
SELECT DISTINCT %(target_id)s::integer, %(crm_kind)s, key, crm_id
FROM unnest(%(keys)s::text[], %(crm_ids)s::bigint[]) AS seen (key, crm_id)
ON CONFLICT DO NOTHING
