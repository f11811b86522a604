-- name: analyze
-- Let the planner know how long the list has become: the record of each key is looked for by the plan that the session made
-- when there were few.
ANALYZE (SKIP_LOCKED) krayin_sync.crm_snapshot


-- name: anybody_has_an_email
-- Whether any person in Krayin is known to have an e-mail: Krayin showed one, or took one from us.
-- Parameters: target_id.
-- Indexes: crm_snapshot_key_pkey, mapping_one_source_per_record.
SELECT 1
FROM krayin_sync.crm_snapshot_key
WHERE target_id = %(target_id)s AND crm_kind = 'person' AND starts_with(key, 'email:')
UNION ALL
SELECT 1
FROM krayin_sync.mapping
WHERE target_id = %(target_id)s AND crm_kind = 'person' AND crm_id IS NOT NULL AND state = 'linked'
  AND last_sent -> 'emails' <> '[]'
LIMIT 1


-- name: candidates
-- The persons Krayin showed with one of these e-mails or phones, and whose they are already.
-- Parameters: target_id, keys (text[]).
-- Indexes: crm_snapshot_key_pkey, crm_snapshot_pkey, mapping_one_source_per_record.
SELECT found.key, found.crm_id, snapshot.facts,
       mapping.scope_id, scope.account_id, mapping.source_id
FROM krayin_sync.crm_snapshot_key AS found
JOIN krayin_sync.crm_snapshot AS snapshot USING (target_id, crm_kind, crm_id)
LEFT JOIN krayin_sync.mapping AS mapping
       ON mapping.target_id = found.target_id AND mapping.crm_kind = 'person'
      AND mapping.crm_id = found.crm_id AND mapping.state = 'linked'
LEFT JOIN krayin_sync.scope ON scope.id = mapping.scope_id
WHERE found.target_id = %(target_id)s AND found.crm_kind = 'person' AND found.key = ANY(%(keys)s)


-- name: candidates_of_operations
-- The persons or leads that those of some quarantined contacts may be: what Krayin showed of each, which of the contact's e-mails and
-- phones it shares, and the contact it belongs to.
-- Parameters: operation_ids (bigint[]).
-- Indexes: operation_pkey, crm_snapshot_pkey, crm_snapshot_key_pkey, crm_snapshot_key_of_record, mapping_of_source,
--          mapping_one_source_per_record.
SELECT operation.id AS operation_id, candidate.crm_kind, candidate.crm_id, shown.facts,
       krayin_sync.krayin_page(target.base_url, candidate.crm_kind, candidate.crm_id) AS page,
       ARRAY(SELECT own.key FROM krayin_sync.crm_snapshot_key AS own
             WHERE own.target_id = operation.target_id AND own.crm_kind = 'person' AND own.crm_id = candidate.crm_id
               AND own.key = ANY(operation.natural_keys)
             ORDER BY own.key) AS shared,
       owner.source_id::bigint AS owner_id
FROM krayin_sync.operation
JOIN krayin_sync.krayin_target AS target ON target.id = operation.target_id
CROSS JOIN LATERAL (
    SELECT DISTINCT crm_kind, (one ->> crm_kind)::bigint AS crm_id
    FROM jsonb_array_elements(operation.candidates) AS one
    CROSS JOIN unnest(ARRAY['person', 'lead']) AS crm_kind
    WHERE one ? crm_kind
    UNION
    -- Who has the address that Krayin refused.
    SELECT 'person', found.crm_id
    FROM krayin_sync.crm_snapshot_key AS found
    WHERE operation.error_class = 'address_refused' AND found.target_id = operation.target_id
      AND found.crm_kind = 'person' AND found.key = ANY(operation.natural_keys)
      AND NOT EXISTS (
          SELECT FROM krayin_sync.mapping AS own
          WHERE own.scope_id = operation.scope_id AND own.source_kind = 'contact' AND own.source_id = operation.source_id
            AND own.crm_kind = 'person' AND own.crm_id = found.crm_id)
) AS candidate
LEFT JOIN krayin_sync.crm_snapshot AS shown
       ON shown.target_id = operation.target_id AND shown.crm_kind = candidate.crm_kind AND shown.crm_id = candidate.crm_id
LEFT JOIN krayin_sync.mapping AS owner
       ON owner.target_id = operation.target_id AND owner.crm_kind = candidate.crm_kind AND owner.crm_id = candidate.crm_id
      -- As the index of what is linked has it.
      AND owner.state = 'linked' AND owner.crm_kind <> 'organization'
WHERE operation.id = ANY(%(operation_ids)s) AND operation.state = 'quarantined'
ORDER BY operation.id, candidate.crm_id


-- name: clock
-- The sync database's clock, by which `seen_at` is noted.
SELECT clock_timestamp()


-- name: compared
-- What was read before a moment has been compared.
-- Parameters: target_id, crm_kinds (text[]), before.
-- Indexes: crm_snapshot_pkey.
UPDATE krayin_sync.crm_snapshot
SET compared_hash = hash, compared_at = %(before)s
WHERE target_id = %(target_id)s AND crm_kind = ANY(%(crm_kinds)s) AND seen_at < %(before)s
  AND (compared_hash IS DISTINCT FROM hash OR compared_at < seen_at)


-- name: compared_anew
-- Records that did not change in Krayin, but were planned or written since they were compared, have now been
-- compared again.
-- Parameters: scope_id, crm_kinds (text[]), before.
-- Indexes: mapping_of_source, crm_snapshot_pkey.
UPDATE krayin_sync.crm_snapshot AS snapshot
SET compared_at = %(before)s
FROM krayin_sync.mapping AS mapping
WHERE mapping.scope_id = %(scope_id)s AND mapping.crm_kind = ANY(%(crm_kinds)s)
  AND snapshot.target_id = mapping.target_id AND snapshot.crm_kind = mapping.crm_kind
  AND snapshot.crm_id = mapping.crm_id
  AND (mapping.acked_at > snapshot.compared_at AND mapping.acked_at < %(before)s
       OR mapping.planned_at > snapshot.compared_at AND mapping.planned_at < %(before)s)


-- name: duplicates
-- The Krayin records that have one of some keys, and whose they are.
-- Parameters: target_id, scope_id, crm_kind, keys (text[]).
-- Indexes: crm_snapshot_key_pkey, crm_snapshot_pkey, mapping_one_source_per_record.
SELECT found.key, found.crm_id, snapshot.facts, mapping.source_kind, mapping.source_id
FROM krayin_sync.crm_snapshot_key AS found
JOIN krayin_sync.crm_snapshot AS snapshot USING (target_id, crm_kind, crm_id)
LEFT JOIN krayin_sync.mapping AS mapping
       ON mapping.target_id = found.target_id AND mapping.crm_kind = found.crm_kind AND mapping.crm_id = found.crm_id
      AND mapping.crm_kind <> 'organization' AND mapping.state = 'linked' AND mapping.scope_id = %(scope_id)s
WHERE found.target_id = %(target_id)s AND found.crm_kind = %(crm_kind)s AND found.key = ANY(%(keys)s)
ORDER BY found.key, found.crm_id


-- name: erase
-- Forget what Krayin showed of the records that erasures deleted, by their receipts. Asked again later: a
-- reading that was under way may have brought them back.
-- Parameters: since (interval: receipts of this age at most).
-- Indexes: crm_snapshot_pkey.
DELETE FROM krayin_sync.crm_snapshot AS snapshot
USING krayin_sync.erasure AS erasure
JOIN krayin_sync.scope ON scope.id = erasure.scope_id
CROSS JOIN jsonb_each(erasure.receipt -> 'deleted') AS deleted (crm_kind, ids)
CROSS JOIN jsonb_array_elements_text(deleted.ids) AS crm_id
WHERE erasure.requested_at > clock_timestamp() - %(since)s
  AND snapshot.target_id = scope.target_id AND snapshot.crm_kind = deleted.crm_kind
  AND snapshot.crm_id = crm_id::bigint


-- name: facts_of_records
-- What the snapshot holds of some Krayin records.
-- Parameters: target_id, crm_kind, crm_ids (bigint[]).
-- Indexes: crm_snapshot_pkey.
SELECT facts FROM krayin_sync.crm_snapshot
WHERE target_id = %(target_id)s AND crm_kind = %(crm_kind)s AND crm_id = ANY(%(crm_ids)s)


-- name: forget
-- Forget records that turned out to be deleted in Krayin.
-- Parameters: target_id, crm_kind, crm_ids (bigint[]).
-- Indexes: crm_snapshot_pkey.
DELETE FROM krayin_sync.crm_snapshot
WHERE target_id = %(target_id)s AND crm_kind = %(crm_kind)s AND crm_id = ANY(%(crm_ids)s)


-- name: forget_reading
-- Have Krayin's lists read as if never before.
-- Parameters: target_id.
-- Indexes: crm_snapshot_mark_pkey.
DELETE FROM krayin_sync.crm_snapshot_watermark WHERE target_id = %(target_id)s


-- name: forget_record
-- Forget what a full reading of Krayin's list did not show any more.
-- Parameters: target_id, crm_kind, began.
-- Indexes: crm_snapshot_pkey.
DELETE FROM krayin_sync.crm_snapshot
WHERE target_id = %(target_id)s AND crm_kind = %(crm_kind)s AND seen_at < %(began)s


-- name: keys_forget
-- Forget by what some records were recognised.
-- Parameters: target_id, crm_kind, crm_ids (bigint[]).
-- Indexes: crm_snapshot_key_of_record.
DELETE FROM krayin_sync.crm_snapshot_key
WHERE target_id = %(target_id)s AND crm_kind = %(crm_kind)s AND crm_id = ANY(%(crm_ids)s)


-- name: keys_record
-- By what some records are recognised.
-- Parameters: target_id, crm_kind, keys (text[]), crm_ids (bigint[]).
-- Indexes: crm_snapshot_key_pkey.
INSERT INTO krayin_sync.crm_snapshot_key (target_id, crm_kind, key, crm_id)
SELECT DISTINCT %(target_id)s::integer, %(crm_kind)s, key, crm_id
FROM unnest(%(keys)s::text[], %(crm_ids)s::bigint[]) AS seen (key, crm_id)
ON CONFLICT DO NOTHING


-- name: mark_read
-- How far one of Krayin's lists has been read.
-- Parameters: target_id, crm_kind.
-- Indexes: crm_snapshot_mark_pkey.
SELECT next_page, complete_at, watermark, settled_mark, total
FROM krayin_sync.crm_snapshot_watermark
WHERE target_id = %(target_id)s AND crm_kind = %(crm_kind)s


-- name: mark_write
-- Note how far one of Krayin's lists has been read. What an earlier reading, long enough ago, had seen as its
-- newest has now been read when nobody could be writing it any more.
-- Parameters: target_id, crm_kind, next_page, complete (boolean), watermark (or NULL to keep), total, margin (interval).
-- Indexes: crm_snapshot_mark_pkey.
INSERT INTO krayin_sync.crm_snapshot_watermark
    (target_id, crm_kind, next_page, complete_at, watermark, refreshed_at, total)
VALUES (%(target_id)s, %(crm_kind)s, %(next_page)s, CASE WHEN %(complete)s THEN clock_timestamp() END, %(watermark)s,
        clock_timestamp(), %(total)s)
ON CONFLICT (target_id, crm_kind) DO UPDATE
SET next_page = excluded.next_page,
    settled_mark = CASE WHEN %(complete)s AND crm_snapshot_watermark.complete_at IS NOT NULL
                         AND crm_snapshot_watermark.refreshed_at < clock_timestamp() - %(margin)s
                        THEN crm_snapshot_watermark.watermark ELSE crm_snapshot_watermark.settled_mark END,
    complete_at = coalesce(crm_snapshot_watermark.complete_at, excluded.complete_at),
    watermark = greatest(crm_snapshot_watermark.watermark, excluded.watermark),
    refreshed_at = excluded.refreshed_at,
    total = excluded.total


-- name: persons_known
-- Persons by id as Krayin showed them last, and whose they are already.
-- Parameters: target_id, crm_ids (bigint[]).
-- Indexes: crm_snapshot_pkey, mapping_one_source_per_record.
SELECT NULL::text AS key, snapshot.crm_id, snapshot.facts, mapping.scope_id, scope.account_id, mapping.source_id
FROM krayin_sync.crm_snapshot AS snapshot
LEFT JOIN krayin_sync.mapping AS mapping
       ON mapping.target_id = snapshot.target_id AND mapping.crm_kind = 'person'
      AND mapping.crm_id = snapshot.crm_id AND mapping.state = 'linked'
LEFT JOIN krayin_sync.scope ON scope.id = mapping.scope_id
WHERE snapshot.target_id = %(target_id)s AND snapshot.crm_kind = 'person' AND snapshot.crm_id = ANY(%(crm_ids)s)


-- name: record
-- Keep what Krayin showed of some records.
-- Parameters: target_id, crm_kind, crm_ids (bigint[]), updated_ats (timestamptz[]), hashes (bytea[]), facts (jsonb[]).
-- Indexes: crm_snapshot_pkey.
INSERT INTO krayin_sync.crm_snapshot (target_id, crm_kind, crm_id, updated_at, hash, facts, seen_at)
SELECT %(target_id)s, %(crm_kind)s, crm_id, updated_at, hash, facts, clock_timestamp()
FROM unnest(%(crm_ids)s::bigint[], %(updated_ats)s::timestamptz[], %(hashes)s::bytea[], %(facts)s::jsonb[])
     AS seen (crm_id, updated_at, hash, facts)
ORDER BY crm_id
ON CONFLICT (target_id, crm_kind, crm_id) DO UPDATE
SET updated_at = excluded.updated_at, hash = excluded.hash, facts = excluded.facts, seen_at = excluded.seen_at


-- name: seen_before
-- Which of some Krayin persons were there before a moment, as far as the snapshot tells.
-- Parameters: target_id, crm_ids (bigint[]), moment.
-- Indexes: crm_snapshot_pkey.
SELECT crm_id
FROM krayin_sync.crm_snapshot
WHERE target_id = %(target_id)s AND crm_kind = 'person' AND crm_id = ANY(%(crm_ids)s) AND seen_at < %(moment)s


-- name: shared_keys
-- Keys (e-mail, phone, person, our mark) that several Krayin records of one kind have.
-- Parameters: target_id, crm_kind.
-- Indexes: crm_snapshot_key_pkey.
SELECT key
FROM krayin_sync.crm_snapshot_key
WHERE target_id = %(target_id)s AND crm_kind = %(crm_kind)s
GROUP BY key
HAVING count(*) > 1
ORDER BY key


-- name: with_keys
-- The records Krayin showed with one of these keys, of persons e-mails and phones in compared form.
-- Parameters: target_id, crm_kind, keys (text[]).
-- Indexes: crm_snapshot_key_pkey.
SELECT DISTINCT crm_id
FROM krayin_sync.crm_snapshot_key
WHERE target_id = %(target_id)s AND crm_kind = %(crm_kind)s AND key = ANY(%(keys)s)
ORDER BY crm_id
