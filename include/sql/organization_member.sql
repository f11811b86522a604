-- name: by_organization
-- The contacts that name some companies, the one whose address counts first.
-- Parameters: scope_id, folded_names (text[]).
-- Indexes: organization_member_by_name.
SELECT folded_name, contact_id
FROM krayin_sync.organization_member
WHERE scope_id = %(scope_id)s AND folded_name = ANY(%(folded_names)s)
ORDER BY folded_name, address IS NULL, contact_id


-- name: erase
-- Forget which company a contact names, and the address it knows.
-- Parameters: scope_id, contact_id (text).
-- Indexes: organization_member_pkey.
DELETE FROM krayin_sync.organization_member
WHERE scope_id = %(scope_id)s AND contact_id = %(contact_id)s::text::bigint


-- name: forget
-- Contacts that name no company any more.
-- Parameters: scope_id, contact_ids (bigint[]).
-- Indexes: organization_member_pkey.
DELETE FROM krayin_sync.organization_member
WHERE scope_id = %(scope_id)s AND contact_id = ANY(%(contact_ids)s)


-- name: touched
-- The companies some contacts named so far.
-- Parameters: scope_id, contact_ids (bigint[]).
-- Indexes: organization_member_pkey.
SELECT DISTINCT folded_name
FROM krayin_sync.organization_member
WHERE scope_id = %(scope_id)s AND contact_id = ANY(%(contact_ids)s)


-- name: write
-- Which company each contact of a chunk names, and the address it knows.
-- Parameters: scope_id, contact_ids (bigint[]), folded_names (text[]), names (text[]), addresses (jsonb[],
--             NULL for none).
-- Indexes: organization_member_pkey.
INSERT INTO krayin_sync.organization_member (scope_id, contact_id, folded_name, name, address)
SELECT %(scope_id)s, contact_id, folded_name, name, address
FROM unnest(%(contact_ids)s::bigint[], %(folded_names)s::text[], %(names)s::text[], %(addresses)s::jsonb[])
     AS named (contact_id, folded_name, name, address)
ON CONFLICT (scope_id, contact_id) DO UPDATE
SET folded_name = excluded.folded_name, name = excluded.name, address = excluded.address
