-- name: accept_links
-- What was known of a Krayin until now is not held against it any more.
-- Parameters: target_id.
-- Indexes: krayin_target_pkey.
WITH learned AS (
    UPDATE krayin_sync.mapping SET crm_created_at = NULL WHERE target_id = %(target_id)s AND crm_created_at IS NOT NULL
)
UPDATE krayin_sync.krayin_target SET known_since = clock_timestamp() WHERE id = %(target_id)s


-- name: acknowledge
-- Note what Krayin accepted for a linked record.
-- Parameters: id, acked_hash, last_sent (JSON).
-- Indexes: mapping_pkey.
UPDATE krayin_sync.mapping
SET acked_hash = %(acked_hash)s, last_sent = %(last_sent)s, pending_write = NULL, acked_at = clock_timestamp()
WHERE id = %(id)s


-- name: activities_of_contact
-- The conversations and messages of a contact, as far as operations tell.
-- Parameters: scope_id, contact_id (text).
-- Indexes: none: a scan, erasures are rare.
SELECT DISTINCT source_kind, source_id
FROM krayin_sync.operation
WHERE scope_id = %(scope_id)s AND contact_id = %(contact_id)s::text::bigint
  AND source_kind IN ('conversation', 'message')


-- name: activity_contacts
-- Which person and leads some contacts are; held until the end of the transaction, so that a record linked
-- meanwhile releases what is planned here to wait for it. The source id of a lead for a further inbox names that.
-- Parameters: scope_id, contact_ids (text[]).
-- Indexes: mapping_of_source, mapping_further_leads, erasure_of_contact.
SELECT source_id, crm_kind, crm_id, state, inbox_id
FROM krayin_sync.mapping
JOIN krayin_sync.scope ON scope.id = mapping.scope_id
WHERE scope_id = %(scope_id)s AND crm_kind IN ('person', 'lead')
  AND (source_kind = 'contact' AND source_id = ANY(%(contact_ids)s)
       OR source_kind = 'lead' AND split_part(source_id, '/', 1) = ANY(%(contact_ids)s))
  AND NOT EXISTS (
      SELECT 1 FROM krayin_sync.erasure
      WHERE erasure.scope_id = mapping.scope_id AND erasure.lifted_at IS NULL
        AND erasure.contact_hash = krayin_sync.contact_hash(scope, mapping.source_id)
  )
ORDER BY source_id, crm_kind
FOR SHARE OF mapping


-- name: activity_hashes
-- What was last planned of some conversations, messages or stage moves; what was taken for gone is planned anew.
-- Parameters: scope_id, source_kind, source_ids (text[]).
-- Indexes: mapping_of_source.
SELECT source_id, CASE WHEN state <> 'orphaned' THEN source_hash ELSE ''::bytea END
FROM krayin_sync.mapping
WHERE scope_id = %(scope_id)s AND source_kind = %(source_kind)s AND source_id = ANY(%(source_ids)s)


-- name: activity_linked
-- Which of some conversations or messages are linked to an activity, or were until it was deleted in Krayin.
-- Parameters: scope_id, source_kind, source_ids (text[]).
-- Indexes: mapping_of_source.
SELECT source_id
FROM krayin_sync.mapping
WHERE scope_id = %(scope_id)s AND source_kind = %(source_kind)s AND crm_kind = 'activity'
  AND source_id = ANY(%(source_ids)s)
  AND state IN ('linked', 'gone')


-- name: activity_seen
-- Note up to which activity of its contact a lead was found not to be closed before.
-- Parameters: ids (bigint[], mapping rows), active_ats (timestamptz[]).
-- Indexes: mapping_pkey.
UPDATE krayin_sync.mapping AS mapping
SET active_at = seen.active_at
FROM unnest(%(ids)s::bigint[], %(active_ats)s::timestamptz[]) AS seen (id, active_at)
WHERE mapping.id = seen.id


-- name: adopt_record
-- The record of a merged contact, with its former ones, becomes that of the contact it was merged into, which has none of its kind
-- linked; the survivor's row must be there.
-- Parameters: loser, survivor (ids of mapping rows of one CRM kind).
-- Indexes: mapping_pkey.
WITH given AS (
    SELECT crm_id, origin, last_sent, pending_write, former_crm_ids, former_adopted_ids, made_in_stage, inbox_id
    FROM krayin_sync.mapping
    WHERE id = %(loser)s
), left_behind AS (
    UPDATE krayin_sync.mapping
    SET crm_id = NULL, acked_hash = NULL, last_sent = NULL, pending_write = NULL, former_crm_ids = '{}',
        former_adopted_ids = '{}', settled_at = clock_timestamp()
    WHERE id = %(loser)s
)
UPDATE krayin_sync.mapping AS survivor
SET crm_id = given.crm_id, origin = given.origin, last_sent = given.last_sent, pending_write = given.pending_write,
    former_crm_ids = survivor.former_crm_ids || given.former_crm_ids,
    former_adopted_ids = survivor.former_adopted_ids || given.former_adopted_ids,
    made_in_stage = given.made_in_stage, inbox_id = coalesce(given.inbox_id, survivor.inbox_id), state = 'linked', source_hash = ''::bytea, acked_hash = NULL
FROM given
WHERE survivor.id = %(survivor)s


-- name: beyond
-- How many records of ours are newer than the newest that Krayin shows, counted no further than needed.
-- Parameters: target_id, crm_kind, newest, most (stop counting here).
-- Indexes: mapping_one_source_per_record.
SELECT count(*)
FROM (
    SELECT 1
    FROM krayin_sync.mapping
    WHERE target_id = %(target_id)s AND crm_kind = %(crm_kind)s AND crm_kind <> 'organization' AND state = 'linked'
      AND crm_id > %(newest)s
    LIMIT %(most)s
) AS newer


-- name: bindings
-- Everything that is bound to a record of a Krayin, and what was written there; and the records that we deleted,
-- which a backup may have brought back.
-- Parameters: target_id.
-- Indexes: none: a scan; removal_standing, mapping_one_source_per_record.
SELECT mapping.id, installation.identity AS installation, scope_id, account_id, source_kind, source_id, crm_kind,
       crm_id, crm_created_at, last_sent, pending_write, former_crm_ids, false AS was_deleted
FROM krayin_sync.mapping
JOIN krayin_sync.scope ON scope.id = mapping.scope_id
JOIN krayin_sync.chatwoot_installation AS installation ON installation.id = scope.installation_id
WHERE mapping.target_id = %(target_id)s AND source_kind <> 'stage' AND crm_id IS NOT NULL
  AND (state IN ('linked', 'orphaned') OR crm_kind = 'organization')
UNION ALL
SELECT mapping.id, installation.identity, scope_id, account_id, source_kind, source_id, crm_kind,
       removal.crm_id, (removal.before ->> 'created_at')::timestamptz, NULL, NULL, '{}', true
FROM krayin_sync.removal
JOIN krayin_sync.mapping USING (scope_id, source_kind, source_id, crm_kind)
JOIN krayin_sync.scope ON scope.id = scope_id
JOIN krayin_sync.chatwoot_installation AS installation ON installation.id = scope.installation_id
WHERE removal.target_id = %(target_id)s AND removal.action = 'deleted' AND removal.ended_at IS NULL
  AND mapping.state = 'orphaned' AND mapping.crm_id IS NULL AND removal.before ? 'created_at'
  AND NOT EXISTS (
      SELECT 1 FROM krayin_sync.mapping AS other
      WHERE other.target_id = removal.target_id AND other.crm_kind = removal.crm_kind AND other.crm_id = removal.crm_id)


-- name: census
-- How many records of a kind are ours, and how many of these are newer than the newest that Krayin shows.
-- Parameters: target_id, crm_kind, newest.
-- Indexes: mapping_one_source_per_record.
SELECT count(*), count(*) FILTER (WHERE crm_id > %(newest)s)
FROM krayin_sync.mapping
JOIN krayin_sync.krayin_target AS target ON target.id = mapping.target_id
WHERE target_id = %(target_id)s AND crm_kind = %(crm_kind)s AND crm_kind <> 'organization' AND state = 'linked'
  AND crm_id IS NOT NULL AND coalesce(acked_at, planned_at, mapping.created_at) > target.known_since


-- name: claimants
-- Among some staged contacts those whose e-mails and phones are those of one person only, as Krayin showed it, which
-- belongs to another contact; none that has a person, or of whom somebody said who it is.
-- Parameters: target_id, scope_id, run_id, contact_ids (bigint[]).
-- Indexes: staged_contact_pkey, crm_snapshot_key_pkey, mapping_one_source_per_record, mapping_orphaned,
--   mapping_of_source, decision_standing. Each is looked up row by row (`OFFSET 0`, subqueries with a limit): a join would
--   be planned by the statistics of tables that were just filled, and scan them.
SELECT owner.source_id::bigint, held.contact_id
FROM (
    SELECT staged.contact_id, staged.contact_id::text AS source_id, min(known.crm_id) AS crm_id
    FROM krayin_sync.staged_contact AS staged
    CROSS JOIN LATERAL jsonb_array_elements_text(staged.desired -> 'natural_keys') AS wanted (key)
    CROSS JOIN LATERAL (
        SELECT crm_id
        FROM krayin_sync.crm_snapshot_key
        WHERE target_id = %(target_id)s AND crm_kind = 'person' AND key = wanted.key
        OFFSET 0
    ) AS known
    WHERE staged.run_id = %(run_id)s AND staged.contact_id = ANY(%(contact_ids)s::bigint[])
    GROUP BY staged.contact_id
    HAVING count(DISTINCT known.crm_id) = 1
    OFFSET 0
) AS held
CROSS JOIN LATERAL (
    SELECT source_id
    FROM krayin_sync.mapping
    WHERE target_id = %(target_id)s AND crm_kind = 'person' AND crm_id = held.crm_id AND state = 'linked'
      AND scope_id = %(scope_id)s
    UNION ALL
    SELECT source_id
    FROM krayin_sync.mapping
    WHERE scope_id = %(scope_id)s AND state = 'orphaned' AND settled_at IS NULL AND crm_kind = 'person'
      AND crm_id = held.crm_id
    OFFSET 0
) AS owner
WHERE owner.source_id <> held.source_id
  AND (
      SELECT id FROM krayin_sync.mapping
      WHERE scope_id = %(scope_id)s AND source_kind = 'contact' AND source_id = held.source_id AND crm_kind = 'person'
        AND state = 'linked'
      LIMIT 1
  ) IS NULL
  AND (
      SELECT id FROM krayin_sync.decision
      WHERE scope_id = %(scope_id)s AND contact_id = held.contact_id AND ended_at IS NULL
        AND answer IN ('this', 'new', 'leave_out') AND reason IS DISTINCT FROM 'ambiguous_lead'
      LIMIT 1
  ) IS NULL
ORDER BY 1, 2


-- name: company_names
-- Under which folded names some organizations are known.
-- Parameters: target_id, crm_ids (bigint[]).
-- Indexes: mapping_organizations.
SELECT crm_id, array_agg(source_id)
FROM krayin_sync.mapping
WHERE target_id = %(target_id)s AND crm_kind = 'organization' AND crm_id = ANY(%(crm_ids)s)
GROUP BY crm_id


-- name: contacts_of_records
-- The mapping of some contacts, and of leads for further inboxes, with what Krayin showed last of their records.
-- Parameters: scope_id, source_ids (text[]).
-- Indexes: mapping_of_source, crm_snapshot_pkey.
SELECT mapping.source_id, mapping.source_kind, mapping.crm_kind, mapping.id, mapping.crm_id, mapping.origin,
       mapping.state, mapping.source_hash, mapping.acked_hash, mapping.last_sent, mapping.pending_write, snapshot.facts
FROM krayin_sync.mapping AS mapping
LEFT JOIN krayin_sync.crm_snapshot AS snapshot
       ON snapshot.target_id = mapping.target_id AND snapshot.crm_kind = mapping.crm_kind
      AND snapshot.crm_id = mapping.crm_id
WHERE mapping.scope_id = %(scope_id)s AND mapping.source_kind IN ('contact', 'lead', 'stage')
  AND mapping.source_id = ANY(%(source_ids)s)


-- name: conversations_of
-- Conversations that hang on some persons through us, by the person.
-- Parameters: target_id, scope_id, person_ids (text[]).
-- Indexes: mapping_activity_person.
SELECT last_sent ->> 'person', max(source_id::bigint)
FROM krayin_sync.mapping
WHERE target_id = %(target_id)s AND scope_id = %(scope_id)s
  AND source_kind = 'conversation' AND crm_kind = 'activity' AND last_sent ->> 'person' = ANY(%(person_ids)s)
GROUP BY 1


-- name: count
-- How many contacts and companies have their record in Krayin, counted no further than needed; those whose
-- removal is being planned have it still.
-- Parameters: scope_id, most (stop counting here).
-- Indexes: mapping_of_source.
SELECT count(*)
FROM (
    SELECT 1
    FROM krayin_sync.mapping
    WHERE scope_id = %(scope_id)s AND source_kind IN ('contact', 'company') AND crm_kind IN ('person', 'organization')
      AND (state = 'linked' OR (state = 'orphaned' AND settled_at IS NULL AND crm_id IS NOT NULL))
    LIMIT %(most)s
) AS mapped


-- name: deleted
-- Note that records are gone in Krayin.
-- Parameters: target_id, scope_id, crm_kind, crm_ids (bigint[]).
-- Indexes: mapping_one_source_per_record, mapping_organizations.
UPDATE krayin_sync.mapping
SET state = 'gone', crm_id = NULL, acked_hash = NULL, last_sent = NULL, pending_write = NULL
WHERE target_id = %(target_id)s AND scope_id = %(scope_id)s AND crm_kind = %(crm_kind)s
  AND source_kind <> 'stage' AND crm_id = ANY(%(crm_ids)s)
  AND (state = 'linked' OR crm_kind = 'organization')


-- name: due
-- Linked records whose state in Krayin, or what was sent to them, is news since they were last compared.
-- Parameters: scope_id, everything (boolean), again (bigint[]: mapping rows to look at
--             in any case).
-- Indexes: mapping_of_source, crm_snapshot_pkey.
SELECT mapping.id, mapping.source_kind, mapping.source_id, mapping.crm_kind, mapping.crm_id, mapping.last_sent,
       mapping.pending_write, mapping.source_hash, mapping.acked_hash, snapshot.facts,
       person.crm_id AS person_id, stage.last_sent -> 'stage' AS stage_id
FROM krayin_sync.mapping AS mapping
JOIN krayin_sync.crm_snapshot AS snapshot
  ON snapshot.target_id = mapping.target_id AND snapshot.crm_kind = mapping.crm_kind AND snapshot.crm_id = mapping.crm_id
LEFT JOIN krayin_sync.mapping AS person
       ON mapping.crm_kind = 'lead' AND person.scope_id = mapping.scope_id AND person.source_kind = 'contact'
      AND person.source_id = split_part(mapping.source_id, '/', 1) AND person.crm_kind = 'person'
LEFT JOIN krayin_sync.mapping AS stage
       ON mapping.crm_kind = 'lead' AND stage.scope_id = mapping.scope_id
      AND stage.source_kind = 'stage' AND stage.source_id = mapping.source_id AND stage.crm_kind = 'lead'
WHERE mapping.scope_id = %(scope_id)s AND mapping.source_kind <> 'stage'
  AND (mapping.state = 'linked' OR mapping.crm_kind = 'organization')
  AND (%(everything)s
       OR snapshot.compared_hash IS DISTINCT FROM snapshot.hash
       OR mapping.acked_at > snapshot.compared_at OR mapping.planned_at > snapshot.compared_at
       OR mapping.id = ANY(%(again)s::bigint[]))


-- name: erase
-- Forget which Krayin records a contact had.
-- Parameters: ids (bigint[]).
-- Indexes: mapping_pkey.
DELETE FROM krayin_sync.mapping WHERE id = ANY(%(ids)s)


-- name: forget
-- Have records planned anew as if they had changed, when activities took place included, which is otherwise written only
-- when it changes; with recreate as if they had never been made.
-- Parameters: ids (bigint[], mapping rows), recreate (boolean).
-- Indexes: mapping_pkey.
UPDATE krayin_sync.mapping
SET source_hash = ''::bytea,
    acked_hash = NULL,
    state = CASE WHEN %(recreate)s THEN 'pending' ELSE state END,
    crm_id = CASE WHEN %(recreate)s THEN NULL ELSE crm_id END,
    last_sent = CASE WHEN %(recreate)s THEN NULL ELSE last_sent - ARRAY['schedule_from', 'schedule_to'] END,
    pending_write = CASE WHEN %(recreate)s THEN NULL ELSE pending_write END
WHERE id = ANY(%(ids)s)


-- name: forget_organization
-- Have the persons of some contacts linked to their organization anew, which somebody deleted.
-- Parameters: scope_id, contact_ids (text[]).
-- Indexes: mapping_of_source.
UPDATE krayin_sync.mapping
SET source_hash = ''::bytea, acked_hash = NULL, last_sent = last_sent - 'organization'
WHERE scope_id = %(scope_id)s AND source_kind = 'contact' AND crm_kind = 'person' AND source_id = ANY(%(contact_ids)s)


-- name: forget_record
-- A record of ours that was just deleted is nobody's any more, whatever becomes of the rest of its contact's.
-- Parameters: scope_id, source_kind, source_id, crm_kind, crm_id.
-- Indexes: mapping_of_source.
UPDATE krayin_sync.mapping
SET crm_id = nullif(crm_id, %(crm_id)s),
    last_sent = CASE WHEN crm_id = %(crm_id)s THEN NULL ELSE last_sent END,
    pending_write = CASE WHEN crm_id = %(crm_id)s THEN NULL ELSE pending_write END,
    former_crm_ids = array_remove(former_crm_ids, %(crm_id)s::bigint)
WHERE scope_id = %(scope_id)s AND source_kind = %(source_kind)s AND source_id = %(source_id)s
  AND crm_kind = %(crm_kind)s AND state = 'orphaned'


-- name: further_in_krayin
-- How many leads for further inboxes a sync has in Krayin.
-- Parameters: scope_id.
-- Indexes: mapping_further_leads.
SELECT count(*)
FROM krayin_sync.mapping
WHERE scope_id = %(scope_id)s AND source_kind = 'lead' AND state = 'linked'


-- name: further_leads
-- The leads of some contacts for further inboxes, as `of_record`; when each contact was last seen to be active there.
-- Parameters: scope_id, contact_ids (text[]).
-- Indexes: mapping_further_leads.
SELECT source_id, crm_kind, id, crm_id, origin, state, source_hash, acked_hash, last_sent, pending_write, former_crm_ids,
       former_adopted_ids, given_tags, made_in_stage, active_at
FROM krayin_sync.mapping
WHERE scope_id = %(scope_id)s AND source_kind = 'lead' AND split_part(source_id, '/', 1) = ANY(%(contact_ids)s)


-- name: gone
-- The source records whose record was deleted in Krayin.
-- Parameters: scope_id.
-- Indexes: mapping_gone.
SELECT id, source_kind, source_id, crm_kind
FROM krayin_sync.mapping
WHERE scope_id = %(scope_id)s AND state = 'gone'
ORDER BY source_kind, length(source_id), source_id, crm_kind


-- name: hashes
-- What was last planned for some contacts, to leave out those that did not change.
-- Parameters: scope_id, contact_ids (text[]).
-- Indexes: mapping_of_source.
SELECT source_id, crm_kind, source_hash, state, active_at, inbox_id
FROM krayin_sync.mapping
WHERE scope_id = %(scope_id)s AND source_kind = 'contact' AND source_id = ANY(%(contact_ids)s)
  AND crm_kind IN ('person', 'lead')


-- name: inboxes_of_leads
-- The inbox whose lead that of each of some contacts is, where that is noted.
-- Parameters: scope_id, contact_ids (text[]).
-- Indexes: mapping_of_source.
SELECT source_id, inbox_id
FROM krayin_sync.mapping
WHERE scope_id = %(scope_id)s AND source_kind = 'contact' AND source_id = ANY(%(contact_ids)s) AND crm_kind = 'lead'
  AND inbox_id IS NOT NULL


-- name: known
-- What is known of some records of ours: when each was made, and the e-mails that were sent.
-- Parameters: target_id, crm_kind, crm_ids (bigint[]).
-- Indexes: mapping_one_source_per_record, mapping_organizations, mapping_orphaned.
WITH ours AS (
    SELECT crm_id, crm_created_at, last_sent, pending_write, coalesce(acked_at, planned_at, created_at) AS known_at
    FROM krayin_sync.mapping
    WHERE target_id = %(target_id)s AND crm_kind = %(crm_kind)s AND crm_id = ANY(%(crm_ids)s) AND state = 'linked'
    UNION ALL
    -- To be closed or deleted: the worst to mistake for another one.
    SELECT crm_id, crm_created_at, last_sent, pending_write, coalesce(acked_at, planned_at, created_at)
    FROM krayin_sync.mapping
    WHERE target_id = %(target_id)s AND crm_kind = %(crm_kind)s AND crm_id = ANY(%(crm_ids)s)
      AND state = 'orphaned' AND settled_at IS NULL
)
SELECT crm_id, crm_created_at, coalesce(last_sent -> 'emails', '[]') || coalesce(pending_write -> 'emails', '[]') AS emails
FROM ours
JOIN krayin_sync.krayin_target AS target ON target.id = %(target_id)s
WHERE known_at > target.known_since


-- name: learn
-- Remember when some records of ours were made, by which each is told from another with its id.
-- Parameters: target_id, crm_kind, crm_ids (bigint[]), created_ats (timestamptz[]).
-- Indexes: mapping_one_source_per_record, mapping_organizations, mapping_orphaned; one for each state.
WITH ours AS (
    SELECT id, crm_id
    FROM krayin_sync.mapping
    WHERE target_id = %(target_id)s AND crm_kind = %(crm_kind)s AND crm_id = ANY(%(crm_ids)s::bigint[]) AND state = 'linked'
    UNION ALL
    SELECT id, crm_id
    FROM krayin_sync.mapping
    WHERE scope_id IN (SELECT id FROM krayin_sync.scope WHERE target_id = %(target_id)s)
      AND crm_kind = %(crm_kind)s AND crm_id = ANY(%(crm_ids)s::bigint[]) AND state = 'orphaned' AND settled_at IS NULL
)
UPDATE krayin_sync.mapping
SET crm_created_at = shown.created_at
FROM ours
JOIN unnest(%(crm_ids)s::bigint[], %(created_ats)s::timestamptz[]) AS shown (crm_id, created_at) USING (crm_id)
WHERE mapping.id = ours.id


-- name: link
-- Note which Krayin record a source record is, and what was written to it.
-- Parameters: target_id, scope_id, source_kind, source_id, crm_kind, crm_id, origin, acked_hash (or NULL: nothing
--             written yet), last_sent (JSON or NULL), crm_created_at (or NULL), made_in_stage (or NULL).
-- Indexes: mapping_of_source, mapping_one_source_per_record.
INSERT INTO krayin_sync.mapping
    (target_id, scope_id, source_kind, source_id, crm_kind, crm_id, origin, state, acked_hash, last_sent,
     acked_at, crm_created_at, made_in_stage)
VALUES
    (%(target_id)s, %(scope_id)s, %(source_kind)s, %(source_id)s, %(crm_kind)s, %(crm_id)s, %(origin)s, 'linked',
     %(acked_hash)s, %(last_sent)s, CASE WHEN %(acked_hash)s::bytea IS NOT NULL THEN clock_timestamp() END,
     %(crm_created_at)s, %(made_in_stage)s)
ON CONFLICT (scope_id, source_kind, source_id, crm_kind) DO UPDATE
SET crm_id = excluded.crm_id,
    -- A lead that is followed by a new one stays the contact's.
    former_crm_ids = CASE WHEN mapping.state = 'linked' AND mapping.crm_kind = 'lead' AND mapping.crm_id <> excluded.crm_id
                          THEN mapping.former_crm_ids || mapping.crm_id ELSE mapping.former_crm_ids END,
    former_adopted_ids = CASE WHEN mapping.state = 'linked' AND mapping.crm_kind = 'lead' AND mapping.crm_id <> excluded.crm_id
                                   AND mapping.origin = 'adopted'
                              THEN mapping.former_adopted_ids || mapping.crm_id ELSE mapping.former_adopted_ids END,
    origin = CASE WHEN mapping.crm_id = excluded.crm_id THEN coalesce(mapping.origin, excluded.origin)
                  ELSE excluded.origin END,
    state = 'linked',
    acked_hash = excluded.acked_hash,
    last_sent = excluded.last_sent,
    pending_write = NULL,
    acked_at = excluded.acked_at,
    crm_created_at = coalesce(excluded.crm_created_at, mapping.crm_created_at),
    made_in_stage = CASE WHEN mapping.crm_id = excluded.crm_id
                         THEN coalesce(excluded.made_in_stage, mapping.made_in_stage) ELSE excluded.made_in_stage END


-- name: link_organization
-- Note which Krayin organization a company is; an address planned for it may now be sent. Returns its origin
-- where the company was not linked to it before.
-- Parameters: target_id, scope_id, folded_name, crm_id, origin.
-- Indexes: mapping_of_source, operation_planned.
WITH before AS (
    SELECT crm_id
    FROM krayin_sync.mapping
    WHERE scope_id = %(scope_id)s AND source_kind = 'company' AND source_id = %(folded_name)s
      AND crm_kind = 'organization'
),
linked AS (
    INSERT INTO krayin_sync.mapping
        (target_id, scope_id, source_kind, source_id, crm_kind, crm_id, origin, state)
    VALUES
        (%(target_id)s, %(scope_id)s, 'company', %(folded_name)s, 'organization', %(crm_id)s, %(origin)s, 'linked')
    ON CONFLICT (scope_id, source_kind, source_id, crm_kind) DO UPDATE
    SET acked_hash = CASE WHEN mapping.crm_id = excluded.crm_id THEN mapping.acked_hash END,
        last_sent = CASE WHEN mapping.crm_id = excluded.crm_id THEN mapping.last_sent END,
        pending_write = CASE WHEN mapping.crm_id = excluded.crm_id THEN mapping.pending_write END,
        origin = CASE WHEN mapping.crm_id = excluded.crm_id THEN coalesce(mapping.origin, excluded.origin)
                      ELSE excluded.origin END,
        crm_id = excluded.crm_id, state = 'linked'
    RETURNING origin
),
due AS (
    UPDATE krayin_sync.operation
    SET next_attempt_at = clock_timestamp()
    WHERE scope_id = %(scope_id)s AND source_kind = 'company' AND source_id = %(folded_name)s AND state = 'planned'
      AND next_attempt_at = 'infinity'
)
SELECT origin
FROM linked
WHERE NOT EXISTS (SELECT FROM before WHERE crm_id = %(crm_id)s)


-- name: linked
-- All linked records of one kind with what was sent to them.
-- Parameters: scope_id, crm_kind.
-- Indexes: mapping_of_source.
SELECT source_id, crm_id, last_sent
FROM krayin_sync.mapping
WHERE scope_id = %(scope_id)s AND source_kind IN ('contact', 'lead') AND crm_kind = %(crm_kind)s AND state = 'linked'
  AND crm_id IS NOT NULL
ORDER BY crm_id


-- name: lock
-- The mapping of a chunk of records, locked so that two planners take turns.
-- Parameters: scope_id, source_kind, source_ids (text[]), crm_kinds (text[]).
-- Indexes: mapping_of_source.
SELECT source_id, crm_kind, id, crm_id, origin, state, source_hash, acked_hash, last_sent, pending_write, source_read_at,
       given_tags
FROM krayin_sync.mapping
WHERE scope_id = %(scope_id)s AND source_kind = %(source_kind)s AND source_id = ANY(%(source_ids)s)
  AND crm_kind = ANY(%(crm_kinds)s)
ORDER BY source_id, crm_kind
FOR UPDATE


-- name: mapped_to
-- Which of some Krayin records already belong to a source record; leads that were followed by a new one still do.
-- Parameters: target_id, crm_kind, crm_ids (bigint[]).
-- Indexes: mapping_one_source_per_record, mapping_former_records.
SELECT crm_id, account_id, source_kind, source_id
FROM krayin_sync.mapping
JOIN krayin_sync.scope ON scope.id = mapping.scope_id
WHERE mapping.target_id = %(target_id)s AND crm_kind = %(crm_kind)s AND crm_id = ANY(%(crm_ids)s) AND state = 'linked'
UNION ALL
SELECT former.crm_id, account_id, source_kind, source_id
FROM krayin_sync.mapping
JOIN krayin_sync.scope ON scope.id = mapping.scope_id
CROSS JOIN unnest(former_crm_ids) AS former (crm_id)
WHERE mapping.target_id = %(target_id)s AND crm_kind = %(crm_kind)s AND former_crm_ids <> '{}'
  AND former_crm_ids && %(crm_ids)s::bigint[] AND former.crm_id = ANY(%(crm_ids)s)


-- name: merged_with
-- With which contacts one was merged, as comparisons found: those that it swallowed, and the one that swallowed it.
-- Parameters: scope_id, contact_id (text).
-- Indexes: finding_of_contact; a scan for those it swallowed, erasures are rare.
SELECT DISTINCT contact_id, contact_id = %(contact_id)s::text::bigint AS is_loser, (detail ->> 'merged_into')::bigint
FROM krayin_sync.finding
WHERE scope_id = %(scope_id)s AND class = 'orphan' AND detail ? 'merged_into'
  AND (contact_id = %(contact_id)s::text::bigint OR detail -> 'merged_into' = %(contact_id)s::text::jsonb)
ORDER BY 1


-- name: newest
-- The newest ids we know of a Krayin, by kind: of our records and of what it showed.
-- Parameters: target_id.
-- Indexes: mapping_one_source_per_record and crm_snapshot_pkey, each from its end.
SELECT kind.name,
       greatest(
           (SELECT crm_id FROM krayin_sync.mapping
            WHERE mapping.target_id = target.id AND crm_kind = kind.name AND crm_kind <> 'organization'
              AND state = 'linked' AND crm_id IS NOT NULL
              AND coalesce(acked_at, planned_at, mapping.created_at) > target.known_since
            ORDER BY crm_id DESC LIMIT 1),
           (SELECT crm_id FROM krayin_sync.crm_snapshot
            WHERE crm_snapshot.target_id = target.id AND crm_kind = kind.name AND seen_at > target.known_since
            ORDER BY crm_id DESC LIMIT 1),
           0)
FROM krayin_sync.krayin_target AS target, (VALUES ('person'), ('lead'), ('activity')) AS kind (name)
WHERE target.id = %(target_id)s


-- name: note_inboxes
-- Note of some staged contacts which inbox's lead theirs is from now on.
-- Parameters: scope_id, run_id, after and last (contact ids: those in between, the last one included).
-- Indexes: staged_contact_pkey, mapping_of_source.
UPDATE krayin_sync.mapping
SET inbox_id = (staged.desired ->> 'inbox')::bigint
FROM krayin_sync.staged_contact AS staged
WHERE staged.run_id = %(run_id)s AND staged.contact_id > %(after)s AND staged.contact_id <= %(last)s
  AND staged.desired ->> 'inbox' IS NOT NULL
  AND mapping.scope_id = %(scope_id)s AND source_kind = 'contact' AND source_id = staged.contact_id::text
  AND crm_kind = 'lead' AND inbox_id IS NULL


-- name: of_record
-- The mapping of some source records as it stands now.
-- Parameters: scope_id, source_kind, source_ids (text[]).
-- Indexes: mapping_of_source.
SELECT source_id, crm_kind, id, crm_id, origin, state, source_hash, acked_hash, last_sent, pending_write, former_crm_ids,
       given_tags, made_in_stage, inbox_id
FROM krayin_sync.mapping
WHERE scope_id = %(scope_id)s AND source_kind = %(source_kind)s AND source_id = ANY(%(source_ids)s)


-- name: organizations_planned
-- Note which version of each company was planned.
-- Parameters: target_id, scope_id, folded_names (text[]), source_hashes (bytea[]), source_read_at.
-- Indexes: mapping_of_source.
INSERT INTO krayin_sync.mapping
    (target_id, scope_id, source_kind, source_id, crm_kind, source_hash, source_read_at, planned_at)
SELECT %(target_id)s, %(scope_id)s, 'company', folded_name, 'organization', source_hash,
       %(source_read_at)s, clock_timestamp()
FROM unnest(%(folded_names)s::text[], %(source_hashes)s::bytea[]) AS planned (folded_name, source_hash)
ORDER BY folded_name
ON CONFLICT (scope_id, source_kind, source_id, crm_kind) DO UPDATE
SET source_hash = excluded.source_hash, source_read_at = excluded.source_read_at, planned_at = excluded.planned_at


-- name: organizations_wanted
-- What each company should look like: the fields of its lowest contact id that knows an address. Companies of
-- which no contact knows one are left out unless one was planned before.
-- Parameters: scope_id, folded_names (text[]).
-- The first name that is not lower is found in the index whatever the statistics say; the join tells whether it is the
-- one that was asked for.
-- Indexes: organization_member_by_name, organization_member_with_address, mapping_of_source.
SELECT wanted.folded_name, coalesce(winner.name, member.name) AS name, winner.address, mapping.crm_id,
       mapping.source_hash, mapping.last_sent
FROM unnest(%(folded_names)s::text[]) AS wanted (folded_name)
LEFT JOIN LATERAL (
    SELECT folded_name, name, address
    FROM krayin_sync.organization_member
    WHERE scope_id = %(scope_id)s AND folded_name >= wanted.folded_name AND address IS NOT NULL
    ORDER BY folded_name, contact_id
    LIMIT 1
) AS winner ON winner.folded_name = wanted.folded_name
LEFT JOIN krayin_sync.mapping AS mapping
       ON mapping.scope_id = %(scope_id)s AND mapping.source_kind = 'company'
      AND mapping.source_id = wanted.folded_name AND mapping.crm_kind = 'organization'
LEFT JOIN LATERAL (
    SELECT folded_name, name
    FROM krayin_sync.organization_member
    WHERE scope_id = %(scope_id)s AND folded_name >= wanted.folded_name AND winner.name IS NULL
      AND mapping.source_hash IS NOT NULL
    ORDER BY folded_name, contact_id
    LIMIT 1
) AS member ON member.folded_name = wanted.folded_name
WHERE coalesce(winner.name, member.name) IS NOT NULL
ORDER BY wanted.folded_name


-- name: orphan
-- Note that source records are gone in Chatwoot, with a contact its leads for further inboxes; what waits for them is
-- not to be carried out.
-- Parameters: scope_id, source_kind, source_ids (text[]).
-- Indexes: mapping_of_source, mapping_further_leads.
UPDATE krayin_sync.mapping
SET state = 'orphaned', settled_at = CASE WHEN crm_id IS NULL THEN clock_timestamp() END
WHERE scope_id = %(scope_id)s AND state <> 'orphaned'
  AND (source_kind = %(source_kind)s AND source_id = ANY(%(source_ids)s)
       OR %(source_kind)s = 'contact' AND source_kind = 'lead' AND split_part(source_id, '/', 1) = ANY(%(source_ids)s))


-- name: orphans
-- What is gone in Chatwoot and whose records have not been seen to.
-- Parameters: scope_id.
-- Indexes: mapping_orphaned.
SELECT source_kind, source_id, crm_kind, id, crm_id, origin, state, source_hash, acked_hash, last_sent, pending_write,
       former_crm_ids, former_adopted_ids
FROM krayin_sync.mapping
WHERE scope_id = %(scope_id)s AND state = 'orphaned' AND settled_at IS NULL
ORDER BY source_kind, length(source_id), source_id, crm_kind


-- name: owned
-- Which of some Krayin leads belong to a contact, now or formerly.
-- Parameters: target_id, crm_ids (bigint[]).
-- Indexes: mapping_one_source_per_record, mapping_former_records.
SELECT crm_id
FROM krayin_sync.mapping
WHERE target_id = %(target_id)s AND crm_kind = 'lead' AND crm_id = ANY(%(crm_ids)s) AND state = 'linked'
UNION
SELECT former.crm_id
FROM krayin_sync.mapping, unnest(former_crm_ids) AS former (crm_id)
WHERE target_id = %(target_id)s AND crm_kind = 'lead' AND former_crm_ids <> '{}'
  AND former_crm_ids && %(crm_ids)s::bigint[]


-- name: owners
-- Whose persons or leads some Krayin records are.
-- Parameters: target_id, scope_id, crm_kind, crm_ids (bigint[]).
-- Indexes: mapping_one_source_per_record.
SELECT crm_id, source_id
FROM krayin_sync.mapping
WHERE target_id = %(target_id)s AND scope_id = %(scope_id)s
  AND source_kind = 'contact' AND crm_kind = %(crm_kind)s AND crm_id = ANY(%(crm_ids)s) AND state = 'linked'


-- name: pending_write
-- Note what an update is about to write, in the transaction that commits its intent.
-- Parameters: id, last_sent (JSON or NULL), pending_write (JSON).
-- Indexes: mapping_pkey.
UPDATE krayin_sync.mapping
SET last_sent = %(last_sent)s, pending_write = %(pending_write)s
WHERE id = %(id)s


-- name: planned
-- Note which version of each record was planned.
-- Parameters: ids (bigint[]), source_hashes (bytea[]), states (text[]), source_read_at.
-- Indexes: mapping_pkey.
UPDATE krayin_sync.mapping AS mapping
SET source_hash = planned.source_hash,
    state = planned.state,
    source_read_at = %(source_read_at)s,
    planned_at = clock_timestamp()
FROM unnest(%(ids)s::bigint[], %(source_hashes)s::bytea[], %(states)s::text[]) AS planned (id, source_hash, state)
WHERE mapping.id = planned.id


-- name: records_of_contact
-- The Krayin records of a contact and of what was said with it.
-- Parameters: scope_id, contact_id (text), conversation_ids (text[]), message_ids (text[]),
--             activity_ids (bigint[], of Krayin).
-- Indexes: mapping_of_source, mapping_further_leads, mapping_one_source_per_record.
SELECT id, source_kind, source_id, crm_kind, crm_id, origin, former_crm_ids, former_adopted_ids, last_sent, pending_write
FROM krayin_sync.mapping
WHERE scope_id = %(scope_id)s
  AND ((source_kind IN ('contact', 'stage') AND source_id = %(contact_id)s)
       OR (source_kind = 'lead' AND split_part(source_id, '/', 1) = %(contact_id)s)
       OR (source_kind = 'stage' AND source_id IN (
           SELECT own.source_id FROM krayin_sync.mapping AS own
           WHERE own.scope_id = %(scope_id)s AND own.source_kind = 'lead' AND split_part(own.source_id, '/', 1) = %(contact_id)s))
       OR (source_kind = 'conversation' AND source_id = ANY(%(conversation_ids)s))
       OR (source_kind = 'message' AND source_id = ANY(%(message_ids)s))
       OR (crm_kind = 'activity' AND crm_id = ANY(%(activity_ids)s)))


-- name: register
-- A pending mapping row for every record of a chunk that has none, so that planners meet at a row lock.
-- Parameters: target_id, scope_id, source_kind, source_ids (text[]), crm_kinds (text[]).
-- Indexes: mapping_of_source.
INSERT INTO krayin_sync.mapping (target_id, scope_id, source_kind, source_id, crm_kind)
SELECT %(target_id)s, %(scope_id)s, %(source_kind)s, source_id, crm_kind
FROM unnest(%(source_ids)s::text[]) AS source_id
CROSS JOIN unnest(%(crm_kinds)s::text[]) AS crm_kind
ORDER BY source_id, crm_kind
ON CONFLICT DO NOTHING


-- name: relink
-- Give bindings the records they were found to be, once none has a record of another one any more. What a backup
-- brought back of records that were closed or deleted as their contacts are gone is seen to once more.
-- Parameters: recovery_id, restored (boolean).
-- Indexes: recovery_item_pkey, mapping_pkey, mapping_one_source_per_record.
UPDATE krayin_sync.mapping
SET crm_id = item.crm_id,
    state = CASE WHEN mapping.state = 'pending' AND item.crm_id IS NOT NULL THEN 'linked' ELSE mapping.state END,
    origin = CASE WHEN item.action = 'relink' THEN item.origin ELSE mapping.origin END,
    crm_created_at = coalesce(item.crm_created_at, mapping.crm_created_at),
    settled_at = CASE WHEN %(restored)s AND item.crm_id IS NOT NULL THEN NULL ELSE settled_at END,
    former_crm_ids = item.former_crm_ids,
    former_adopted_ids = ARRAY(SELECT unnest(former_adopted_ids) INTERSECT SELECT unnest(item.former_crm_ids))
FROM krayin_sync.recovery_item AS item
WHERE item.recovery_id = %(recovery_id)s AND mapping.id = item.mapping_id


-- name: restage
-- Have the stages of leads planned anew that are to be made again or were found under another id.
-- Parameters: recovery_id.
-- Indexes: recovery_item_pkey, mapping_pkey, mapping_of_source.
UPDATE krayin_sync.mapping AS stage
SET source_hash = ''::bytea, acked_hash = NULL, last_sent = NULL, pending_write = NULL
FROM krayin_sync.recovery_item AS item
JOIN krayin_sync.mapping AS lead ON lead.id = item.mapping_id AND lead.crm_kind = 'lead'
WHERE item.recovery_id = %(recovery_id)s AND item.action <> 'keep'
  AND stage.scope_id = lead.scope_id AND stage.source_kind = 'stage' AND stage.source_id = lead.source_id


-- name: returned
-- Source records that are in Chatwoot again have their Krayin records back, with a contact its leads for further inboxes,
-- unless these are somebody else's by now.
-- Parameters: scope_id, source_kind, source_ids (text[]).
-- Indexes: mapping_of_source, mapping_further_leads, mapping_one_source_per_record.
UPDATE krayin_sync.mapping AS mapping
SET state = CASE WHEN taken.found OR mapping.crm_id IS NULL OR mapping.origin IS NULL THEN 'pending' ELSE 'linked' END,
    crm_id = CASE WHEN taken.found THEN NULL ELSE mapping.crm_id END,
    source_hash = ''::bytea, acked_hash = NULL, settled_at = NULL
FROM krayin_sync.mapping AS self
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT 1 FROM krayin_sync.mapping AS other
        WHERE other.target_id = self.target_id AND other.crm_kind = self.crm_kind AND other.crm_id = self.crm_id
          AND other.crm_kind <> 'organization' AND other.state = 'linked' AND other.id <> self.id) AS found
) AS taken
WHERE self.id = mapping.id AND mapping.scope_id = %(scope_id)s AND mapping.state = 'orphaned'
  AND (mapping.source_kind = %(source_kind)s AND mapping.source_id = ANY(%(source_ids)s)
       OR %(source_kind)s = 'contact' AND mapping.source_kind = 'lead'
       AND split_part(mapping.source_id, '/', 1) = ANY(%(source_ids)s))


-- name: scope
-- How many contacts a sync knows, without those somebody left out, and how many of their records are linked, by kind.
-- Parameters: scope_id.
-- Indexes: mapping_of_source, decision_standing.
SELECT count(*) FILTER (WHERE source_kind = 'contact' AND crm_kind = 'person' AND state <> 'orphaned')
       - (SELECT count(*) FROM krayin_sync.decision
          WHERE scope_id = %(scope_id)s AND answer = 'leave_out' AND ended_at IS NULL),
       jsonb_build_object(
           'person', count(*) FILTER (WHERE crm_kind = 'person' AND state = 'linked'),
           'lead', count(*) FILTER (WHERE source_kind IN ('contact', 'lead') AND crm_kind = 'lead' AND state = 'linked'),
           'organization', count(*) FILTER (WHERE crm_kind = 'organization' AND crm_id IS NOT NULL),
           'activity', count(*) FILTER (WHERE crm_kind = 'activity' AND state = 'linked'))
FROM krayin_sync.mapping
WHERE scope_id = %(scope_id)s


-- name: seen_records
-- What Krayin showed last of some records of ours, beside what was sent to them.
-- Parameters: target_id, scope_id, crm_kind, crm_ids (bigint[]; NULL: by source_ids), source_ids
--             (text[], NULL: by crm_ids).
-- Indexes: mapping_one_source_per_record, mapping_of_source, crm_snapshot_pkey.
SELECT mapping.crm_id, mapping.source_id, mapping.last_sent, snapshot.facts
FROM krayin_sync.mapping AS mapping
JOIN krayin_sync.crm_snapshot AS snapshot
  ON snapshot.target_id = mapping.target_id AND snapshot.crm_kind = mapping.crm_kind AND snapshot.crm_id = mapping.crm_id
WHERE mapping.target_id = %(target_id)s AND mapping.scope_id = %(scope_id)s AND mapping.crm_kind = %(crm_kind)s
  AND mapping.source_kind <> 'stage'
  AND (mapping.crm_id = ANY(%(crm_ids)s::bigint[]) OR mapping.source_id = ANY(%(source_ids)s::text[]))


-- name: settled
-- What was to happen to the records of a contact that is gone in Chatwoot has happened.
-- Parameters: ids (bigint[], mapping rows), erased (boolean: nothing of them is left in Krayin).
-- Indexes: mapping_pkey.
UPDATE krayin_sync.mapping
SET settled_at = clock_timestamp(),
    crm_id = CASE WHEN %(erased)s THEN NULL ELSE crm_id END,
    last_sent = CASE WHEN %(erased)s THEN NULL ELSE last_sent END,
    pending_write = CASE WHEN %(erased)s THEN NULL ELSE pending_write END
WHERE id = ANY(%(ids)s)


-- name: settled_activities
-- Linked activities as Krayin shows them now, without those that are being worked on or yet to be marked.
-- Parameters: target_id, ids (bigint[], mapping rows).
-- Indexes: mapping_pkey, crm_snapshot_pkey, operation_planned, operation_busy, activity_mark_pkey.
SELECT mapping.id, mapping.source_kind, mapping.source_id, mapping.crm_id, mapping.last_sent, snapshot.facts
FROM krayin_sync.mapping AS mapping
JOIN krayin_sync.crm_snapshot AS snapshot
  ON snapshot.target_id = mapping.target_id AND snapshot.crm_kind = mapping.crm_kind AND snapshot.crm_id = mapping.crm_id
WHERE mapping.id = ANY(%(ids)s) AND mapping.state = 'linked'
  AND NOT EXISTS (
      SELECT 1 FROM krayin_sync.activity_mark AS mark
      WHERE mark.target_id = %(target_id)s AND mark.crm_id = mapping.crm_id)
  AND NOT EXISTS (
      SELECT 1 FROM krayin_sync.operation AS operation
      WHERE operation.scope_id = mapping.scope_id AND operation.source_kind = mapping.source_kind
        AND operation.source_id = mapping.source_id AND operation.state IN ('planned', 'held'))
  AND NOT EXISTS (
      SELECT 1 FROM krayin_sync.operation AS operation
      WHERE operation.target_id = mapping.target_id AND operation.scope_id = mapping.scope_id
        AND operation.source_kind = mapping.source_kind AND operation.source_id = mapping.source_id
        AND operation.state IN ('in_flight', 'unknown'))


-- name: settled_with
-- Activities of ours that went with a person or lead that was deleted.
-- Parameters: target_id, person, lead (text, NULL: none).
-- Indexes: mapping_activity_person, mapping_activity_lead.
UPDATE krayin_sync.mapping
SET state = 'orphaned', settled_at = clock_timestamp(), crm_id = NULL, last_sent = NULL, pending_write = NULL
WHERE target_id = %(target_id)s AND crm_kind = 'activity' AND last_sent ->> 'person' = %(person)s
   OR target_id = %(target_id)s AND crm_kind = 'activity' AND last_sent ? 'lead' AND last_sent ->> 'lead' = %(lead)s


-- name: state
-- Note that a record is gone in Krayin, or waits for a person.
-- Parameters: id, state.
-- Indexes: mapping_pkey.
UPDATE krayin_sync.mapping
SET state = %(state)s,
    crm_id = CASE WHEN %(state)s IN ('gone', 'pending') THEN NULL ELSE crm_id END,
    acked_hash = CASE WHEN %(state)s IN ('gone', 'pending') THEN NULL ELSE acked_hash END,
    last_sent = CASE WHEN %(state)s IN ('gone', 'pending') THEN NULL ELSE last_sent END,
    pending_write = CASE WHEN %(state)s IN ('gone', 'pending') THEN NULL ELSE pending_write END
WHERE id = %(id)s


-- name: tags_given
-- Note which tags we put on a record: nothing in Krayin tells.
-- Parameters: id (mapping row), given_tags (JSON).
-- Indexes: mapping_pkey.
UPDATE krayin_sync.mapping SET given_tags = %(given_tags)s WHERE id = %(id)s


-- name: unlink
-- Take from bindings the records that are not theirs; what is to be made again is planned anew.
-- Parameters: recovery_id.
-- Indexes: recovery_item_pkey, mapping_pkey.
UPDATE krayin_sync.mapping
SET crm_id = NULL, acked_hash = NULL, pending_write = NULL, source_hash = ''::bytea,
    last_sent = CASE WHEN item.action = 'unlink' OR item.origin = 'adopted' THEN NULL ELSE last_sent END,
    state = CASE WHEN mapping.state <> 'linked' THEN mapping.state
                 WHEN item.action = 'unlink' AND NOT recovery.make_again THEN 'gone' ELSE 'pending' END,
    settled_at = CASE WHEN mapping.state = 'orphaned' AND item.action = 'unlink' THEN clock_timestamp()
                      ELSE settled_at END
FROM krayin_sync.recovery_item AS item
JOIN krayin_sync.recovery ON recovery.id = item.recovery_id
WHERE item.recovery_id = %(recovery_id)s AND item.action <> 'keep' AND mapping.id = item.mapping_id


-- name: unseen
-- Linked records that a full reading of Krayin's list did not show.
-- Parameters: scope_id, crm_kind, began.
-- Indexes: mapping_of_source, crm_snapshot_pkey.
SELECT DISTINCT mapping.crm_id
FROM krayin_sync.mapping AS mapping
WHERE mapping.scope_id = %(scope_id)s AND mapping.crm_kind = %(crm_kind)s AND mapping.source_kind <> 'stage'
  AND mapping.crm_id IS NOT NULL AND (mapping.state = 'linked' OR mapping.crm_kind = 'organization')
  AND NOT EXISTS (
      SELECT 1 FROM krayin_sync.crm_snapshot AS snapshot
      WHERE snapshot.target_id = mapping.target_id AND snapshot.crm_kind = mapping.crm_kind
        AND snapshot.crm_id = mapping.crm_id AND snapshot.seen_at >= %(began)s)


-- name: contacts_of_ids
-- The contacts that have an id themselves, or whose person or lead has it in Krayin.
-- Parameters: target_id, scope_id, id (bigint).
-- Indexes: mapping_of_source, mapping_one_source_per_record.
SELECT source_id::bigint AS contact_id
FROM krayin_sync.mapping
WHERE scope_id = %(scope_id)s AND source_kind = 'contact' AND source_id = %(id)s::bigint::text
UNION
SELECT split_part(source_id, '/', 1)::bigint
FROM krayin_sync.mapping
WHERE target_id = %(target_id)s AND scope_id = %(scope_id)s AND source_kind IN ('contact', 'lead')
  AND crm_kind IN ('person', 'lead') AND crm_id = %(id)s AND state = 'linked'


-- name: contacts_like
-- The contacts whose e-mail, phone or name has a part: among what Krayin showed of their persons, what was sent since
-- then, and what waits in quarantine. What very many have is not looked through to its end.
-- Parameters: target_id, scope_id, key and name (texts), key_like and name_like (LIKE patterns of them), size.
-- Indexes: crm_snapshot_key_part, crm_snapshot_name_part, mapping_one_source_per_record, crm_snapshot_pkey,
--          operation_quarantined_record.
WITH seen AS MATERIALIZED (
    (SELECT crm_id FROM krayin_sync.crm_snapshot_key
     WHERE target_id = %(target_id)s AND crm_kind = 'person'
       AND krayin_sync.parts(key) @> krayin_sync.parts(%(key)s) AND key LIKE %(key_like)s
     LIMIT 20 * %(size)s)
    UNION
    (SELECT crm_id FROM krayin_sync.crm_snapshot
     WHERE target_id = %(target_id)s AND crm_kind = 'person'
       AND krayin_sync.parts(facts ->> 'name') @> krayin_sync.parts(%(name)s) AND facts ->> 'name' ILIKE %(name_like)s
     LIMIT 20 * %(size)s)
), found AS (
    SELECT mapping.source_id
    FROM krayin_sync.mapping AS mapping
    WHERE mapping.target_id = %(target_id)s AND mapping.scope_id = %(scope_id)s AND mapping.source_kind = 'contact'
      AND mapping.crm_kind = 'person' AND mapping.state = 'linked' AND mapping.crm_id IN (SELECT crm_id FROM seen)
    UNION
    -- Persons get ever higher ids: those above were made since Krayin's list was read.
    SELECT mapping.source_id
    FROM krayin_sync.mapping AS mapping
    WHERE mapping.target_id = %(target_id)s AND mapping.scope_id = %(scope_id)s AND mapping.source_kind = 'contact'
      AND mapping.crm_kind = 'person' AND mapping.state = 'linked'
      AND mapping.crm_id > coalesce((SELECT max(crm_id) FROM krayin_sync.crm_snapshot
                                     WHERE target_id = %(target_id)s AND crm_kind = 'person'), 0)
      AND (mapping.last_sent ->> 'name' ILIKE %(name_like)s OR mapping.last_sent ->> 'emails' ILIKE %(key_like)s
           OR mapping.last_sent ->> 'phones' LIKE %(key_like)s)
    UNION
    SELECT operation.source_id
    FROM krayin_sync.operation AS operation
    WHERE operation.scope_id = %(scope_id)s AND operation.source_kind = 'contact' AND operation.state = 'quarantined'
      AND (operation.payload -> 'person' ->> 'name' ILIKE %(name_like)s
           OR EXISTS (SELECT FROM unnest(operation.natural_keys) AS own (key) WHERE own.key LIKE %(key_like)s))
)
SELECT source_id::bigint AS contact_id FROM found ORDER BY source_id::bigint DESC LIMIT %(size)s


-- name: links_of_contact
-- The bindings of a contact, its leads for further inboxes last, with what was last sent and what Krayin showed last;
-- `record` is the CRM kind, of such a lead with its inbox.
-- Parameters: scope_id, contact_ids (text[]).
-- Indexes: mapping_of_source, mapping_further_leads, crm_snapshot_pkey.
SELECT split_part(mapping.source_id, '/', 1)::bigint AS contact_id, mapping.crm_kind,
       CASE WHEN mapping.source_kind = 'lead' THEN 'lead/' || split_part(mapping.source_id, '/', 2)
            ELSE mapping.crm_kind END AS record,
       CASE WHEN mapping.source_kind = 'lead' THEN split_part(mapping.source_id, '/', 2)::bigint
            ELSE mapping.inbox_id END AS inbox_id,
       mapping.crm_id, mapping.state, mapping.origin,
       mapping.acked_at, mapping.last_sent, shown.facts, shown.seen_at,
       krayin_sync.krayin_page(target.base_url, mapping.crm_kind, mapping.crm_id) AS page
FROM krayin_sync.mapping AS mapping
JOIN krayin_sync.krayin_target AS target ON target.id = mapping.target_id
LEFT JOIN krayin_sync.crm_snapshot AS shown
       ON shown.target_id = mapping.target_id AND shown.crm_kind = mapping.crm_kind AND shown.crm_id = mapping.crm_id
WHERE mapping.scope_id = %(scope_id)s
  AND (mapping.source_kind = 'contact' AND mapping.source_id = ANY(%(contact_ids)s)
       OR mapping.source_kind = 'lead' AND split_part(mapping.source_id, '/', 1) = ANY(%(contact_ids)s))
ORDER BY contact_id DESC, mapping.source_kind, mapping.crm_kind DESC, mapping.id
