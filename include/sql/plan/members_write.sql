-- Purpose: which company each contact of a chunk names, and the address it knows.
-- Parameters: target_id, installation_id, account_id, contact_ids (bigint[]), folded_names (text[]), names (text[]),
--             addresses (jsonb[], NULL for none).
-- Indexes: organization_member_pkey.
INSERT INTO krayin_sync.organization_member
    (target_id, installation_id, account_id, contact_id, folded_name, name, address)
SELECT %(target_id)s, %(installation_id)s, %(account_id)s, contact_id, folded_name, name, address
FROM unnest(%(contact_ids)s::bigint[], %(folded_names)s::text[], %(names)s::text[], %(addresses)s::jsonb[])
     AS named (contact_id, folded_name, name, address)
ON CONFLICT (target_id, installation_id, account_id, contact_id) DO UPDATE
SET folded_name = excluded.folded_name, name = excluded.name, address = excluded.address
