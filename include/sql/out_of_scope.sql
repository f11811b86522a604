-- name: among
-- Which of some contacts were out of a sync's scope when they were looked at last.
-- Parameters: sync_name, scope_id, contact_ids (bigint[]).
-- Indexes: out_of_scope_pkey.
SELECT contact_id
FROM krayin_sync.out_of_scope
WHERE sync_name = %(sync_name)s AND scope_id = %(scope_id)s AND contact_id = ANY(%(contact_ids)s::bigint[])


-- name: count
-- How many contacts with records in Krayin are out of a sync's scope.
-- Parameters: sync_name, scope_id.
-- Indexes: out_of_scope_pkey, mapping_of_source.
SELECT count(*)
FROM krayin_sync.out_of_scope
JOIN krayin_sync.mapping
  ON mapping.scope_id = out_of_scope.scope_id AND mapping.source_kind = 'contact'
 AND mapping.source_id = out_of_scope.contact_id::text AND mapping.crm_kind = 'person' AND mapping.state = 'linked'
WHERE out_of_scope.sync_name = %(sync_name)s AND out_of_scope.scope_id = %(scope_id)s


-- name: erase
-- Forget a contact.
-- Parameters: sync_names (text[]), scope_id, contact_id (text).
-- Indexes: out_of_scope_pkey.
DELETE FROM krayin_sync.out_of_scope
WHERE sync_name = ANY(%(sync_names)s) AND scope_id = %(scope_id)s AND contact_id = %(contact_id)s::text::bigint


-- name: leave
-- Note that contacts are out of a sync's scope, as far as they have a person in Krayin.
-- Parameters: sync_name, scope_id, contact_ids (bigint[]).
-- Indexes: mapping_of_source, out_of_scope_pkey.
INSERT INTO krayin_sync.out_of_scope (sync_name, scope_id, contact_id)
SELECT %(sync_name)s, mapping.scope_id, mapping.source_id::bigint
FROM krayin_sync.mapping
WHERE mapping.scope_id = %(scope_id)s AND mapping.source_kind = 'contact' AND mapping.crm_kind = 'person'
  AND mapping.source_id = ANY(%(contact_ids)s::bigint[]::text[]) AND mapping.state = 'linked'
ON CONFLICT DO NOTHING


-- name: leave_others
-- Note that all contacts with a person in Krayin are out of a sync's scope, but for some.
-- Parameters: sync_name, scope_id, contact_ids (bigint[]): those.
-- Indexes: mapping_of_source, out_of_scope_pkey.
INSERT INTO krayin_sync.out_of_scope (sync_name, scope_id, contact_id)
SELECT %(sync_name)s, mapping.scope_id, mapping.source_id::bigint
FROM krayin_sync.mapping
WHERE mapping.scope_id = %(scope_id)s AND mapping.source_kind = 'contact' AND mapping.crm_kind = 'person'
  AND mapping.state = 'linked'
  AND NOT EXISTS (
      SELECT FROM unnest(%(contact_ids)s::bigint[]) AS inside (id) WHERE inside.id::text = mapping.source_id
  )
ON CONFLICT DO NOTHING


-- name: return
-- Note that contacts are in a sync's scope.
-- Parameters: sync_name, scope_id, contact_ids (bigint[], NULL: all).
-- Indexes: out_of_scope_pkey.
DELETE FROM krayin_sync.out_of_scope
WHERE sync_name = %(sync_name)s AND scope_id = %(scope_id)s
  AND (%(contact_ids)s::bigint[] IS NULL OR contact_id = ANY(%(contact_ids)s::bigint[]))
