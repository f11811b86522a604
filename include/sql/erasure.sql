-- name: begin
-- From now on no sync brings this contact over; once begun it is gone on with.
-- Parameters: sync_name, scope_id, contact_id (text).
-- Indexes: erasure_of_contact.
INSERT INTO krayin_sync.erasure (sync_name, scope_id, contact_hash)
SELECT %(sync_name)s, scope.id, krayin_sync.contact_hash(scope, %(contact_id)s)
FROM krayin_sync.scope
WHERE scope.id = %(scope_id)s
ON CONFLICT (scope_id, contact_hash) WHERE lifted_at IS NULL
DO UPDATE SET sync_name = excluded.sync_name
RETURNING id, receipt


-- name: erased
-- Which of some contacts were erased on request and not allowed back.
-- Parameters: scope_id, contact_ids (text[]).
-- Indexes: erasure_of_contact.
SELECT wanted.contact_id
FROM unnest(%(contact_ids)s::text[]) AS wanted (contact_id)
JOIN krayin_sync.scope ON scope.id = %(scope_id)s
JOIN krayin_sync.erasure
  ON erasure.scope_id = scope.id AND erasure.lifted_at IS NULL
 AND erasure.contact_hash = krayin_sync.contact_hash(scope, wanted.contact_id)


-- name: erased_lately
-- Whether any contact was erased since a run began.
-- Parameters: run_id, scope_id.
-- Indexes: sync_run_pkey, erasure_of_contact.
SELECT EXISTS (
    SELECT 1
    FROM krayin_sync.erasure
    WHERE scope_id = %(scope_id)s AND lifted_at IS NULL
      AND requested_at >= (SELECT started_at FROM krayin_sync.sync_run WHERE id = %(run_id)s)
)


-- name: finish
-- Note what an erasure did; numbers and ids of deleted records, nothing of a person.
-- Parameters: id, receipt (JSON), finished (boolean).
-- Indexes: erasure_pkey.
UPDATE krayin_sync.erasure
SET receipt = %(receipt)s, finished_at = CASE WHEN %(finished)s THEN clock_timestamp() END
WHERE id = %(id)s


-- name: lift
-- An erased contact may be brought over again.
-- Parameters: scope_id, contact_id (text).
-- Indexes: erasure_of_contact.
UPDATE krayin_sync.erasure
SET lifted_at = clock_timestamp()
FROM krayin_sync.scope
WHERE scope.id = %(scope_id)s AND scope_id = scope.id AND lifted_at IS NULL
  AND contact_hash = krayin_sync.contact_hash(scope, %(contact_id)s)


-- name: syncs
-- The syncs that read the same Chatwoot account into the same Krayin.
-- Parameters: scope_id.
-- Indexes: none needed, a row for each sync and stream.
SELECT DISTINCT sync_name
FROM krayin_sync.watermark
WHERE scope_id = %(scope_id)s
