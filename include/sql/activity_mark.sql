-- name: add
-- Note that an activity is to be marked done or not done; a later note replaces an earlier one, and waits
-- for the end of a call that is making the earlier one.
-- Parameters: target_id, crm_id, is_done, sync_name.
-- Indexes: activity_mark_pkey.
INSERT INTO krayin_sync.activity_mark (target_id, crm_id, is_done, sync_name, fence)
VALUES (%(target_id)s, %(crm_id)s, %(is_done)s, %(sync_name)s, nextval('krayin_sync.operation_fence'))
ON CONFLICT (target_id, crm_id) DO UPDATE
SET is_done = excluded.is_done, sync_name = excluded.sync_name, fence = excluded.fence


-- name: claim
-- Take activities to be marked alike, for one call; none while an incident stops all writing to this Krayin.
-- Parameters: target_id, lease (interval), size.
-- Indexes: activity_mark_pkey, incident_open.
WITH first AS (
    SELECT is_done
    FROM krayin_sync.activity_mark
    WHERE target_id = %(target_id)s AND (lease_until IS NULL OR lease_until < clock_timestamp())
      AND NOT EXISTS (
          SELECT 1 FROM krayin_sync.incident
          WHERE closed_at IS NULL AND sync_name IS NULL AND target_id = %(target_id)s)
    ORDER BY crm_id
    LIMIT 1
), taken AS (
    SELECT mark.target_id, mark.crm_id
    FROM krayin_sync.activity_mark AS mark
    JOIN first USING (is_done)
    WHERE mark.target_id = %(target_id)s AND (mark.lease_until IS NULL OR mark.lease_until < clock_timestamp())
    ORDER BY mark.crm_id
    LIMIT %(size)s
    FOR UPDATE OF mark SKIP LOCKED
)
UPDATE krayin_sync.activity_mark AS mark
SET lease_until = clock_timestamp() + %(lease)s
FROM taken
WHERE mark.target_id = taken.target_id AND mark.crm_id = taken.crm_id
RETURNING mark.crm_id, mark.fence, mark.is_done, mark.lease_until


-- name: done
-- Krayin has confirmed these marks; what was asked anew meanwhile is free to be made now.
-- Parameters: target_id, crm_ids (bigint[]), fences (bigint[]), leases (timestamptz[]).
-- Indexes: activity_mark_pkey.
WITH marked AS (
    SELECT * FROM unnest(%(crm_ids)s::bigint[], %(fences)s::bigint[], %(leases)s::timestamptz[])
        AS claimed (crm_id, fence, lease_until)
), confirmed AS (
    DELETE FROM krayin_sync.activity_mark AS mark
    USING marked
    WHERE mark.target_id = %(target_id)s AND mark.crm_id = marked.crm_id AND mark.fence = marked.fence
)
UPDATE krayin_sync.activity_mark AS mark
SET lease_until = NULL
FROM marked
WHERE mark.target_id = %(target_id)s AND mark.crm_id = marked.crm_id AND mark.fence <> marked.fence
    AND mark.lease_until = marked.lease_until


-- name: forget
-- Drop marks of activities that are not ours there: the id may be anybody's by now.
-- Parameters: target_id.
-- Indexes: activity_mark_pkey, mapping_one_source_per_record.
DELETE FROM krayin_sync.activity_mark AS mark
WHERE target_id = %(target_id)s
  AND NOT EXISTS (
      SELECT 1 FROM krayin_sync.mapping
      WHERE mapping.target_id = mark.target_id AND crm_kind = 'activity' AND mapping.crm_id = mark.crm_id
        AND crm_kind <> 'organization' AND state = 'linked')


-- name: inherit
-- Hand a sync the open work of syncs that do not exist any more: nobody else would carry it out, and what was
-- planned once is not planned again.
-- Parameters: sync_name (the heir), existing (text[]: every sync there is), target_id, scope_id.
-- Indexes: operation_queue, operation_quarantine (few rows are open); activity_mark_pkey, approval_waiting.
WITH marks AS (
    UPDATE krayin_sync.activity_mark
    SET sync_name = %(sync_name)s
    WHERE target_id = %(target_id)s AND sync_name <> ALL (%(existing)s::text[])
), questions AS (
    -- The DAG that asked is gone with its sync: the heir's asks anew.
    UPDATE krayin_sync.approval
    SET sync_name = %(sync_name)s, state = 'open', nudged_at = NULL
    WHERE sync_name <> ALL (%(existing)s::text[]) AND state IN ('open', 'asked')
      AND id IN (
          SELECT approval_id FROM krayin_sync.operation
          WHERE scope_id = %(scope_id)s AND state = 'held'
      )
)
UPDATE krayin_sync.operation
SET sync_name = %(sync_name)s
WHERE scope_id = %(scope_id)s AND sync_name <> ALL (%(existing)s::text[])
    AND state IN ('planned', 'in_flight', 'unknown', 'quarantined', 'held', 'declined')


-- name: release
-- Give back marks whose call failed, after a delay if Krayin may still carry it out: a mark made meanwhile
-- would be overtaken by the old one.
-- Parameters: target_id, crm_ids (bigint[]), leases (timestamptz[]), delay (interval).
-- Indexes: activity_mark_pkey.
UPDATE krayin_sync.activity_mark AS mark
SET lease_until = clock_timestamp() + %(delay)s
FROM unnest(%(crm_ids)s::bigint[], %(leases)s::timestamptz[]) AS failed (crm_id, lease_until)
WHERE mark.target_id = %(target_id)s AND mark.crm_id = failed.crm_id AND mark.lease_until = failed.lease_until
