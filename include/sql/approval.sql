-- name: answer
-- Record an answer; the first one counts.
-- Parameters: approval_id, state (approved or declined), decided_by.
-- Indexes: approval_pkey.
UPDATE krayin_sync.approval
SET state = %(state)s, decided_at = clock_timestamp(), decided_by = %(decided_by)s
WHERE id = %(approval_id)s AND state IN ('open', 'asked')


-- name: ask
-- Note that a DAG run asks about an approval, and with which numbers.
-- Parameters: approval_id, dag_run_id, shown (JSON).
-- Indexes: approval_pkey.
UPDATE krayin_sync.approval
SET state = 'asked', asked_at = clock_timestamp(), dag_run_id = %(dag_run_id)s, shown = %(shown)s
WHERE id = %(approval_id)s


-- name: declined
-- The source records whose latest plan somebody declined, and whether that was to retire what is gone in Chatwoot.
-- Parameters: scope_id.
-- Indexes: operation_of_approval; of newer plans a scan, once for each comparison that repairs where any is declined.
WITH declined AS MATERIALIZED (
    SELECT operation.id, operation.source_kind, operation.source_id, operation.payload ? 'retire' AS retires
    FROM krayin_sync.approval AS approval
    JOIN krayin_sync.operation AS operation ON operation.approval_id = approval.id AND operation.state = 'declined'
    WHERE operation.scope_id = %(scope_id)s
)
SELECT declined.source_kind, declined.source_id, declined.retires
FROM declined
WHERE NOT EXISTS (
    SELECT FROM krayin_sync.operation AS newer
    WHERE newer.scope_id = %(scope_id)s AND newer.source_kind = declined.source_kind
      AND newer.source_id = declined.source_id AND newer.id > declined.id AND newer.state <> 'superseded')


-- name: expire
-- Delete some questions that were answered long ago and whose plans are gone; their ids come back.
-- Parameters: after (id, NULL at first), age (interval), size.
-- Indexes: approval_pkey, operation_of_approval.
DELETE FROM krayin_sync.approval
WHERE id IN (
    SELECT old.id FROM krayin_sync.approval AS old
    WHERE old.id > coalesce(%(after)s::bigint, 0) AND old.state IN ('approved', 'declined', 'withdrawn')
      AND old.decided_at < clock_timestamp() - %(age)s
      AND NOT EXISTS (SELECT 1 FROM krayin_sync.operation WHERE approval_id = old.id)
    ORDER BY old.id LIMIT %(size)s
    FOR UPDATE SKIP LOCKED
)
RETURNING id


-- name: nudge
-- Note that Airflow is told of an approval nobody is asked about; no row means that there is none, that
-- it was told a moment ago, or that another one of the sync is being answered first.
-- Parameters: sync_name, again_after (interval), given_up_after (interval: a question older than this lost its DAG run).
-- Indexes: approval_waiting.
UPDATE krayin_sync.approval AS approval
SET nudged_at = clock_timestamp()
WHERE approval.sync_name = %(sync_name)s
  AND (approval.state = 'open'
       OR (approval.state = 'asked' AND approval.asked_at < clock_timestamp() - %(given_up_after)s))
  AND (approval.nudged_at IS NULL OR approval.nudged_at < clock_timestamp() - %(again_after)s)
  AND NOT EXISTS (
      SELECT 1 FROM krayin_sync.approval AS other
      WHERE other.sync_name = approval.sync_name AND other.state = 'asked'
        AND other.asked_at >= clock_timestamp() - %(given_up_after)s
  )
RETURNING approval.id


-- name: open
-- Open an approval for what a run is about to hold.
-- Parameters: sync_name, run_id, shown (JSON).
INSERT INTO krayin_sync.approval (sync_name, run_id, shown)
VALUES (%(sync_name)s, %(run_id)s, %(shown)s)
RETURNING id


-- name: open_by_reason
-- Plans that wait for a person's answer, with how many operations each holds.
-- Indexes: approval_waiting, operation_of_approval.
SELECT approval.sync_name, approval.id AS approval_id, approval.state, approval.created_at, approval.shown,
       (SELECT count(*) FROM krayin_sync.operation
        WHERE operation.approval_id = approval.id AND operation.state = 'held') AS operations
FROM krayin_sync.approval
WHERE approval.state IN ('open', 'asked')
ORDER BY approval.sync_name, approval.id


-- name: reopen
-- A question ended without an answer: its plan stays held.
-- Parameters: approval_id.
-- Indexes: approval_pkey.
UPDATE krayin_sync.approval
SET state = 'open', nudged_at = clock_timestamp()
WHERE id = %(approval_id)s AND state = 'asked'


-- name: unanswered
-- The approvals of a sync that nobody answered yet, to be asked about.
-- Parameters: sync_name.
-- Indexes: approval_waiting.
SELECT id, shown
FROM krayin_sync.approval
WHERE sync_name = %(sync_name)s AND state IN ('open', 'asked')
ORDER BY id
FOR UPDATE


-- name: waiting
-- The approvals of a sync that nobody answered yet; their answers wait until this transaction ends.
-- Parameters: sync_name.
-- Indexes: approval_waiting.
SELECT id, state
FROM krayin_sync.approval
WHERE sync_name = %(sync_name)s AND state IN ('open', 'asked')
ORDER BY id
FOR SHARE


-- name: withdraw
-- Approvals that need no answer of their own any more.
-- Parameters: approval_ids (bigint[]).
-- Indexes: approval_pkey.
UPDATE krayin_sync.approval
SET state = 'withdrawn', decided_at = clock_timestamp()
WHERE id = ANY(%(approval_ids)s) AND state IN ('open', 'asked')
