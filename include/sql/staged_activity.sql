-- name: chunk
-- The next staged activities or stage moves of a run, contact by contact, each contact's in the order they
-- were made.
-- Parameters: run_id, kinds (text[]), after_contact, after_kind, after_length, after_id (the last row of the chunk
--             before), size.
-- Indexes: staged_activity_pkey.
SELECT contact_id, source_kind, source_id, source_hash, desired
FROM krayin_sync.staged_activity
WHERE run_id = %(run_id)s AND source_kind = ANY(%(kinds)s)
  AND (contact_id, source_kind, length(source_id), source_id)
      > (%(after_contact)s::bigint, %(after_kind)s::text, %(after_length)s::integer, %(after_id)s::text)
ORDER BY contact_id, source_kind, length(source_id), source_id
LIMIT %(size)s


-- name: clear
-- Forget what was staged for a run, for failed runs, and for runs that died: their end is never noted.
-- Parameters: run_id.
-- Indexes: staged_activity_pkey, sync_run_pkey.
DELETE FROM krayin_sync.staged_activity
WHERE run_id = %(run_id)s
   OR run_id IN (
       SELECT id FROM krayin_sync.sync_run
       WHERE (state IN ('done', 'stopped', 'failed') OR started_at < clock_timestamp() - interval '1 day')
         AND id IN (SELECT run_id FROM krayin_sync.staged_activity)
   )


-- name: drop
-- What a run staged and is not to plan.
-- Parameters: run_id, source_kind, source_ids (text[]).
-- Indexes: staged_activity_pkey.
DELETE FROM krayin_sync.staged_activity
WHERE run_id = %(run_id)s AND source_kind = %(source_kind)s AND source_id = ANY(%(source_ids)s)


-- name: due
-- The activities, stage moves and leads for further inboxes that a run staged, with what is known of each.
-- Parameters: run_id, scope_id.
-- Indexes: staged_activity_pkey, crm_snapshot_pkey, mapping_of_source.
SELECT staged.source_kind, staged.source_id, staged.contact_id, staged.desired,
       coalesce(mapping.acked_hash = staged.source_hash, false) AS is_accepted, mapping.state,
       mapping.crm_id, mapping.last_sent, person.state AS person_state, lead.state AS lead_state,
       lead.crm_id AS lead_id, lead.origin AS lead_origin, lead.made_in_stage, snapshot.facts AS lead_facts,
       coalesce(lead.former_crm_ids <> '{}', false) AS follows_lead
FROM krayin_sync.staged_activity AS staged
LEFT JOIN krayin_sync.mapping AS mapping
       ON mapping.scope_id = %(scope_id)s AND mapping.source_kind = staged.source_kind
      AND mapping.source_id = staged.source_id
LEFT JOIN krayin_sync.mapping AS person
       ON person.scope_id = %(scope_id)s AND person.source_kind = 'contact'
      AND person.source_id = staged.contact_id::text AND person.crm_kind = 'person'
LEFT JOIN krayin_sync.mapping AS lead
       ON lead.scope_id = %(scope_id)s AND lead.crm_kind = 'lead'
      AND lead.source_kind = CASE WHEN staged.source_id LIKE '%%/%%' THEN 'lead' ELSE 'contact' END
      AND lead.source_id = CASE WHEN staged.source_id LIKE '%%/%%' THEN staged.source_id ELSE staged.contact_id::text END
LEFT JOIN krayin_sync.crm_snapshot AS snapshot
       ON snapshot.target_id = lead.target_id AND snapshot.crm_kind = 'lead' AND snapshot.crm_id = lead.crm_id
WHERE staged.run_id = %(run_id)s
ORDER BY staged.contact_id, staged.source_kind, length(staged.source_id), staged.source_id


-- name: erase
-- Forget what was said with a contact between extract and plan.
-- Parameters: sync_names (text[]), contact_id (text).
-- Indexes: staged_activity_pkey.
DELETE FROM krayin_sync.staged_activity
WHERE contact_id = %(contact_id)s::text::bigint
  AND run_id IN (SELECT id FROM krayin_sync.sync_run WHERE sync_name = ANY(%(sync_names)s))


-- name: keep_known
-- Leave conversations as they were brought over that a look showed which may not be whole: their texts quote
-- messages, and what is not seen of these would be taken out.
-- Parameters: run_id, scope_id.
-- Indexes: staged_activity_pkey, mapping_of_source.
DELETE FROM krayin_sync.staged_activity AS staged
USING krayin_sync.mapping
WHERE staged.run_id = %(run_id)s AND staged.source_kind = 'conversation'
  AND mapping.scope_id = %(scope_id)s AND mapping.source_kind = staged.source_kind
  AND mapping.source_id = staged.source_id AND mapping.crm_kind = 'activity' AND mapping.state = 'linked'


-- name: stage
-- Keep mapped records that differ from what was last planned until they are planned; a record may come twice.
-- Parameters: run_id, source_kind, source_ids (text[]), contact_ids (bigint[]), source_hashes (bytea[]),
--             desired (text[] of JSON).
-- Indexes: staged_activity_pkey.
INSERT INTO krayin_sync.staged_activity (run_id, source_kind, source_id, contact_id, source_hash, desired)
SELECT %(run_id)s, %(source_kind)s, source_id, contact_id, source_hash, desired::jsonb
FROM unnest(%(source_ids)s::text[], %(contact_ids)s::bigint[], %(source_hashes)s::bytea[], %(desired)s::text[])
    AS staged (source_id, contact_id, source_hash, desired)
ON CONFLICT DO NOTHING
