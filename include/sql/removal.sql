-- name: any_deleted
-- Whether we have deleted persons or leads that nobody made again.
-- Parameters: scope_id.
-- Indexes: removal_of_source.
SELECT EXISTS (
    SELECT FROM krayin_sync.removal
    WHERE scope_id = %(scope_id)s AND source_kind = 'contact' AND action = 'deleted' AND ended_at IS NULL
)


-- name: closed
-- How Krayin shows a lead that was just closed.
-- Parameters: target_id, crm_id, after (JSON, merged).
-- Indexes: removal_standing.
UPDATE krayin_sync.removal
SET after = after || %(after)s
WHERE target_id = %(target_id)s AND crm_kind = 'lead' AND crm_id = %(crm_id)s AND action = 'closed'
  AND ended_at IS NULL


-- name: closed_among
-- Which of some leads were closed by us and not reopened.
-- Parameters: target_id, crm_ids (bigint[]).
-- Indexes: removal_standing.
SELECT crm_id
FROM krayin_sync.removal
WHERE target_id = %(target_id)s AND crm_kind = 'lead' AND action = 'closed' AND crm_id = ANY(%(crm_ids)s)
  AND ended_at IS NULL


-- name: closing
-- How a lead was closed by us, unless that is undone.
-- Parameters: target_id, crm_id.
-- Indexes: removal_standing.
SELECT before, after
FROM krayin_sync.removal
WHERE target_id = %(target_id)s AND crm_kind = 'lead' AND crm_id = %(crm_id)s AND action = 'closed'
  AND ended_at IS NULL


-- name: counts
-- By sync, what we closed or deleted and have not undone though its contact is in Chatwoot.
-- Indexes: removal_of_source, mapping_of_source.
SELECT removal.sync_name,
       count(*) FILTER (WHERE removal.action = 'closed' AND mapping.crm_id = removal.crm_id) AS closed,
       count(*) FILTER (WHERE removal.action = 'deleted' AND mapping.crm_id IS NULL) AS deleted
FROM krayin_sync.removal
JOIN krayin_sync.mapping USING (scope_id, source_kind, source_id, crm_kind)
WHERE removal.ended_at IS NULL AND removal.source_kind = 'contact' AND mapping.state <> 'orphaned'
GROUP BY removal.sync_name


-- name: due
-- Leads that we closed though their contacts are in Chatwoot, as far as nobody has decided about their
-- reopening: none is planned, waits for an answer, was declined or set aside since.
-- Parameters: scope_id.
-- Indexes: removal_of_source, mapping_of_source, operation_planned,
--          operation_busy; of those declined or set aside a scan for each such lead, of whom there are few.
SELECT removal.source_id, removal.crm_id
FROM krayin_sync.removal
JOIN krayin_sync.mapping USING (scope_id, source_kind, source_id, crm_kind, crm_id)
WHERE removal.scope_id = %(scope_id)s AND removal.action = 'closed' AND removal.ended_at IS NULL
  AND mapping.state = 'linked'
  AND NOT EXISTS (
      SELECT FROM krayin_sync.operation
      WHERE operation.scope_id = removal.scope_id AND operation.source_kind = 'stage'
        AND operation.source_id = removal.source_id
        AND (operation.state IN ('planned', 'held', 'in_flight', 'unknown')
             OR (operation.state IN ('declined', 'quarantined') AND operation.payload ? 'reopen'
                 AND operation.created_at > removal.removed_at))
  )
ORDER BY removal.id


-- name: end_closing
-- A lead that we closed was reopened, or left as somebody put it.
-- Parameters: target_id, crm_id, how (reopened or left).
-- Indexes: removal_standing.
UPDATE krayin_sync.removal
SET ended_at = clock_timestamp(), ended_as = %(how)s
WHERE target_id = %(target_id)s AND crm_kind = 'lead' AND crm_id = %(crm_id)s AND action = 'closed'
  AND ended_at IS NULL


-- name: end_made_again
-- What we removed and has another record in Krayin now is over.
-- Parameters: scope_id.
-- Indexes: removal_of_source, mapping_of_source.
UPDATE krayin_sync.removal
SET ended_at = clock_timestamp(), ended_as = 'made_again'
FROM krayin_sync.mapping
WHERE removal.scope_id = %(scope_id)s AND removal.ended_at IS NULL
  AND mapping.scope_id = removal.scope_id AND mapping.source_kind = removal.source_kind
  AND mapping.source_id = removal.source_id AND mapping.crm_kind = removal.crm_kind
  AND mapping.state = 'linked' AND mapping.crm_id <> removal.crm_id


-- name: erase
-- Forget what we removed from Krayin of an erased contact: nothing of it is to be undone.
-- Parameters: scope_id, contact_id (text), conversation_ids, message_ids (text[]).
-- Indexes: removal_of_source for what is not over.
DELETE FROM krayin_sync.removal
WHERE scope_id = %(scope_id)s
  AND ((source_kind = 'contact' AND source_id = %(contact_id)s)
       OR (source_kind = 'conversation' AND source_id = ANY(%(conversation_ids)s))
       OR (source_kind = 'message' AND source_id = ANY(%(message_ids)s)))


-- name: forget
-- What we closed or deleted is not ours to undo any more where its id is somebody else's or nobody's.
-- Parameters: target_id.
-- Indexes: removal_standing, mapping_one_source_per_record.
UPDATE krayin_sync.removal
SET ended_at = clock_timestamp(), ended_as = 'left'
WHERE target_id = %(target_id)s AND ended_at IS NULL
  AND NOT EXISTS (
      SELECT 1 FROM krayin_sync.mapping
      WHERE mapping.target_id = removal.target_id AND mapping.crm_kind = removal.crm_kind
        AND mapping.crm_id = removal.crm_id AND mapping.crm_kind <> 'organization')


-- name: remember
-- Note what is about to be closed or deleted, and of what is deleted when it was made: by that it is known
-- again where a backup brings it back. What is noted already stays.
-- Parameters: sync_name, scope_id, source_kind, source_id, crm_kind, crm_id, action,
--             before, after (JSON).
-- Indexes: removal_standing, mapping_of_source.
INSERT INTO krayin_sync.removal
    (sync_name, target_id, scope_id, source_kind, source_id, crm_kind, crm_id, action, before, after)
VALUES (%(sync_name)s, %(target_id)s, %(scope_id)s, %(source_kind)s, %(source_id)s,
        %(crm_kind)s, %(crm_id)s, %(action)s, %(before)s || CASE WHEN %(action)s = 'deleted' THEN coalesce((
            SELECT jsonb_build_object('created_at', crm_created_at)
            FROM krayin_sync.mapping
            WHERE scope_id = %(scope_id)s AND source_kind = %(source_kind)s AND source_id = %(source_id)s
              AND crm_kind = %(crm_kind)s
              AND crm_id = %(crm_id)s AND crm_created_at IS NOT NULL), '{}') ELSE '{}' END, %(after)s)
ON CONFLICT DO NOTHING


-- name: standing
-- Leads that we closed and have not reopened though their contacts are in Chatwoot.
-- Parameters: scope_id.
-- Indexes: removal_of_source, mapping_of_source.
SELECT removal.source_id, removal.crm_id, removal.before -> 'stage_id', removal.after -> 'stage_id'
FROM krayin_sync.removal
JOIN krayin_sync.mapping USING (scope_id, source_kind, source_id, crm_kind, crm_id)
WHERE removal.scope_id = %(scope_id)s AND removal.action = 'closed' AND removal.ended_at IS NULL
  AND mapping.state = 'linked'
ORDER BY removal.id
