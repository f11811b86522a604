-- name: analyze
-- Let the planner know what was just staged; with the statistics of an empty table it would sort all of it for
-- each chunk.
ANALYZE (SKIP_LOCKED) krayin_sync.staged_contact


-- name: chunk
-- Some staged contacts, in order of id.
-- Parameters: run_id, contact_ids (bigint[]).
-- Indexes: staged_contact_pkey.
SELECT contact_id, desired, person_hash, lead_hash, active_at
FROM krayin_sync.staged_contact
WHERE run_id = %(run_id)s AND contact_id = ANY(%(contact_ids)s)
ORDER BY contact_id


-- name: clear
-- Drop what a run staged, at its start (a retry stages again) and at its end, what failed runs left, and
-- what runs left that died: their end is never noted.
-- Parameters: run_id.
-- Indexes: staged_contact_pkey, sync_run_pkey.
DELETE FROM krayin_sync.staged_contact
WHERE run_id = %(run_id)s
   OR run_id IN (
       SELECT id FROM krayin_sync.sync_run
       WHERE (state IN ('done', 'stopped', 'failed') OR started_at < clock_timestamp() - interval '1 day')
         AND id IN (SELECT run_id FROM krayin_sync.staged_contact)
   )


-- name: drop
-- Contacts that a run staged and is not to plan.
-- Parameters: run_id, contact_ids (bigint[]).
-- Indexes: staged_contact_pkey.
DELETE FROM krayin_sync.staged_contact WHERE run_id = %(run_id)s AND contact_id = ANY(%(contact_ids)s)


-- name: erase
-- Forget a contact between extract and plan.
-- Parameters: sync_names (text[]), contact_id (text).
-- Indexes: staged_contact_pkey.
DELETE FROM krayin_sync.staged_contact
WHERE contact_id = %(contact_id)s::text::bigint
  AND run_id IN (SELECT id FROM krayin_sync.sync_run WHERE sync_name = ANY(%(sync_names)s))


-- name: ids
-- The ids of the next staged contacts.
-- Parameters: run_id, after (contact id), size.
-- Indexes: staged_contact_pkey.
SELECT contact_id
FROM krayin_sync.staged_contact
WHERE run_id = %(run_id)s AND contact_id > %(after)s
ORDER BY contact_id
LIMIT %(size)s


-- name: new_contacts
-- The contacts of a run that were never planned before, or get their lead only now: all that was said with them is
-- news.
-- Parameters: run_id, scope_id.
-- Indexes: staged_contact_pkey, mapping_of_source.
SELECT staged.contact_id
FROM krayin_sync.staged_contact AS staged
WHERE staged.run_id = %(run_id)s
  AND (
      NOT EXISTS (
          SELECT 1 FROM krayin_sync.mapping
          WHERE scope_id = %(scope_id)s AND source_kind = 'contact' AND source_id = staged.contact_id::text
            AND crm_kind = 'person'
            AND source_hash IS NOT NULL
      )
      OR staged.desired -> 'lead' <> 'null' AND EXISTS (
          SELECT 1 FROM krayin_sync.mapping
          WHERE scope_id = %(scope_id)s AND source_kind = 'contact' AND source_id = staged.contact_id::text
            AND crm_kind = 'lead'
            AND state = 'not_wanted'
      )
  )


-- name: stage
-- Keep mapped records that differ between extract and plan.
-- Parameters: rows by COPY: run_id, contact_id, desired, person_hash, lead_hash, active_at (or NULL).
COPY krayin_sync.staged_contact (run_id, contact_id, desired, person_hash, lead_hash, active_at) FROM STDIN


-- name: unlinked
-- Whether a run staged any contact that has no person in Krayin through us yet.
-- Parameters: run_id, scope_id.
-- Indexes: staged_contact_pkey, mapping_of_source.
SELECT EXISTS (
    SELECT 1
    FROM krayin_sync.staged_contact AS staged
    WHERE staged.run_id = %(run_id)s
      AND NOT EXISTS (
          SELECT 1
          FROM krayin_sync.mapping AS mapping
          WHERE mapping.scope_id = %(scope_id)s AND mapping.source_kind = 'contact'
            AND mapping.source_id = staged.contact_id::text AND mapping.crm_kind = 'person'
            AND mapping.state = 'linked'
      )
)
