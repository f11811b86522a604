-- Purpose: a pending mapping row for every contact of a chunk that has none, so that planners meet at a row lock.
-- Parameters: target_id, installation_id, account_id, contact_ids (text[], ordered).
-- Indexes: mapping_target_id_installation_id_account_id_source_kind_so_key.
INSERT INTO krayin_sync.mapping (target_id, installation_id, account_id, source_kind, source_id, crm_kind)
SELECT %(target_id)s, %(installation_id)s, %(account_id)s, 'contact', contact_id, crm_kind
FROM unnest(%(contact_ids)s::text[]) WITH ORDINALITY AS wanted (contact_id, place)
CROSS JOIN (VALUES ('lead'), ('person')) AS kinds (crm_kind)
ORDER BY place, crm_kind
ON CONFLICT DO NOTHING
