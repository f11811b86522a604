-- Purpose: a pending mapping row for every record of a chunk that has none, so that planners meet at a row lock.
-- Parameters: target_id, installation_id, account_id, source_kind, source_ids (text[]), crm_kinds (text[]).
-- Indexes: mapping_target_id_installation_id_account_id_source_kind_so_key.
INSERT INTO krayin_sync.mapping (target_id, installation_id, account_id, source_kind, source_id, crm_kind)
SELECT %(target_id)s, %(installation_id)s, %(account_id)s, %(source_kind)s, source_id, crm_kind
FROM unnest(%(source_ids)s::text[]) AS source_id
CROSS JOIN unnest(%(crm_kinds)s::text[]) AS crm_kind
ORDER BY source_id, crm_kind
ON CONFLICT DO NOTHING
