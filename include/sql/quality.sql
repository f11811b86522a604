-- name: erased_contacts_back
-- Records of contacts that were erased on request.
-- Indexes: erasure_of_contact.
SELECT count(*)
FROM krayin_sync.erasure
JOIN krayin_sync.scope ON scope.id = erasure.scope_id
JOIN krayin_sync.mapping
  ON mapping.scope_id = scope.id AND mapping.source_kind = 'contact' AND mapping.state = 'linked'
 AND krayin_sync.contact_hash(scope, mapping.source_id) = erasure.contact_hash
WHERE erasure.lifted_at IS NULL AND erasure.finished_at IS NOT NULL


-- name: held_without_question
-- Held operations that no answer will reach.
-- Indexes: operation_of_approval.
SELECT count(*)
FROM krayin_sync.operation
LEFT JOIN krayin_sync.approval ON approval.id = operation.approval_id
WHERE operation.state = 'held'
  -- An answer takes a moment to reach all of them.
  AND (approval.id IS NULL
       OR (approval.state NOT IN ('open', 'asked') AND approval.decided_at < clock_timestamp() - interval '1 hour'))


-- name: leases_left
-- Operations whose worker is dead and that nobody has taken back for an hour.
-- Indexes: operation_busy.
SELECT count(*)
FROM krayin_sync.operation
WHERE worker IS NOT NULL AND lease_until < clock_timestamp() - interval '1 hour'


-- name: linked_without_record
-- Linked records without a Krayin id or an origin.
SELECT count(*) FROM krayin_sync.mapping WHERE state = 'linked' AND (crm_id IS NULL OR origin IS NULL)


-- name: planned_without_operation
-- Contacts noted as planned, not linked, of which no operation tells what became of them.
SELECT count(*)
FROM krayin_sync.mapping
WHERE source_kind = 'contact' AND crm_kind = 'person' AND state IN ('pending', 'quarantined')
  AND source_hash IS NOT NULL AND planned_at > clock_timestamp() - interval '1 day'
  AND NOT EXISTS (
      SELECT 1 FROM krayin_sync.operation
      WHERE operation.scope_id = mapping.scope_id AND operation.source_kind = 'contact'
        AND operation.source_id = mapping.source_id
  )


-- name: plans_of_one_record
-- Records for which more than one plan waits.
-- Indexes: operation_planned.
SELECT count(*)
FROM (
    SELECT 1
    FROM krayin_sync.operation
    WHERE state IN ('planned', 'held')
    GROUP BY scope_id, source_kind, source_id
    HAVING count(*) > 1
) AS doubled


-- name: record_of_two_contacts
-- Krayin persons and leads that two contacts call theirs, now or formerly.
SELECT count(*)
FROM (
    SELECT target_id, crm_kind, crm_id
    FROM (
        SELECT target_id, crm_kind, crm_id, scope_id, source_id
        FROM krayin_sync.mapping
        WHERE source_kind IN ('contact', 'lead') AND state = 'linked' AND crm_id IS NOT NULL
        UNION
        SELECT target_id, crm_kind, unnest(former_crm_ids), scope_id, source_id
        FROM krayin_sync.mapping WHERE former_crm_ids <> '{}'
    ) AS owned
    GROUP BY target_id, crm_kind, crm_id
    HAVING count(*) > 1
) AS shared


-- name: watermark_moves
-- Whether a sync has read Chatwoot within some of its own schedules; true before its first load.
-- Parameters: sync_name, oldest_seconds.
-- Indexes: watermark_pkey.
SELECT coalesce(
    extract(epoch FROM clock_timestamp() - min(moved_at)) < %(oldest_seconds)s, true
) AS read_within_its_schedules
FROM krayin_sync.watermark
WHERE sync_name = %(sync_name)s AND stream = 'contacts'
