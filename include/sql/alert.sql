-- name: change
-- Note how a condition stands; only a change is news. One that ended before anybody was told of it is none.
-- Parameters: sync_name, condition, raised (boolean), message, channels (text[]).
-- Indexes: alert_pkey.
INSERT INTO krayin_sync.alert AS alert (sync_name, condition, raised, message, told)
VALUES (%(sync_name)s, %(condition)s, %(raised)s, %(message)s,
        -- That all is well from the start is no news either.
        CASE WHEN %(raised)s THEN '{}' ELSE %(channels)s::text[] END)
ON CONFLICT (sync_name, condition) DO UPDATE
SET raised = excluded.raised, message = excluded.message,
    since = CASE WHEN alert.raised = excluded.raised THEN alert.since ELSE clock_timestamp() END,
    told = CASE
        WHEN alert.raised = excluded.raised THEN alert.told
        WHEN excluded.raised THEN '{}'
        -- The end is told where the beginning was.
        ELSE ARRAY(SELECT unnest(%(channels)s::text[]) EXCEPT SELECT unnest(alert.told))
    END


-- name: conditions
-- What the alerts of a sync look at, in one row. A run that goes on tells nothing yet; one that was
-- stopped or failed is over.
-- Parameters: sync_name, unknown_age (interval), report_way, report_age (interval).
-- Indexes: operation_quarantine, operation_queue, operation_of_approval, approval_waiting, sync_run_latest,
--          api_call_of_run, incident_open, watermark_pkey, report_file_due.
WITH last_run AS (
    SELECT id, state FROM krayin_sync.sync_run
    WHERE sync_name = %(sync_name)s AND kind NOT IN ('setup', 'reconcile') AND NOT dry_run
      AND state IN ('done', 'stopped', 'failed')
    ORDER BY id DESC LIMIT 1
), last_reconciliation AS (
    SELECT id, state FROM krayin_sync.sync_run
    WHERE sync_name = %(sync_name)s AND kind = 'reconcile' AND state IN ('done', 'stopped', 'failed')
    ORDER BY id DESC LIMIT 1
), last_call AS (
    -- Runs without a call tell nothing of the token.
    -- Krayin with APP_DEBUG=false answers a dead token as it answers its limiter; the audit has them told apart.
    -- One without a limiter (2.2) answers it as it answers a fault of its own; then it is asked whose the token is.
    SELECT call.status = 401 OR call.outcome = 'turned_away'
           OR call.outcome = 'server_failed' AND call.status = 500 AND call.route = 'get' AS refused
    FROM (SELECT id FROM krayin_sync.sync_run WHERE sync_name = %(sync_name)s ORDER BY id DESC LIMIT 50) AS run
    JOIN krayin_sync.api_call AS call ON call.run_id = run.id
    WHERE call.status IS NOT NULL
    ORDER BY call.id DESC LIMIT 1
)
SELECT
    (SELECT count(*) FROM krayin_sync.operation
     -- Who was left out waits for nobody.
     WHERE sync_name = %(sync_name)s AND state = 'quarantined'
       AND error_class IS DISTINCT FROM 'left_out') AS quarantined,
    (SELECT count(*) FROM krayin_sync.operation
     WHERE sync_name = %(sync_name)s AND state IN ('in_flight', 'unknown')
       AND sent_at < clock_timestamp() - %(unknown_age)s) AS unknown,
    (SELECT extract(epoch FROM clock_timestamp() - min(moved_at))::float FROM krayin_sync.watermark
     WHERE sync_name = %(sync_name)s AND stream = 'contacts') AS seconds_behind,
    (SELECT count(*) FROM krayin_sync.operation
     JOIN krayin_sync.approval ON approval.id = operation.approval_id
     WHERE approval.sync_name = %(sync_name)s AND approval.state IN ('open', 'asked')
       AND operation.state = 'held') AS held,
    (SELECT id FROM last_run) AS run_id,
    (SELECT state FROM last_run) AS run_state,
    (SELECT id FROM last_reconciliation) AS reconciliation_id,
    (SELECT state FROM last_reconciliation) AS reconciliation_state,
    coalesce((SELECT refused FROM last_call), false) AS token_refused,
    (SELECT count(*) FROM krayin_sync.report_file AS file
     JOIN krayin_sync.sync_run AS run ON run.id = file.run_id
     WHERE file.due <> '{}' AND %(report_way)s = ANY(file.due) AND run.sync_name = %(sync_name)s
       AND file.created_at < clock_timestamp() - %(report_age)s) AS late_reports,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('id', id, 'open', concerns, 'sentence', sentence, 'why', closed_why)
                               ORDER BY id), '[]')
     FROM krayin_sync.incident
     CROSS JOIN LATERAL (
         SELECT closed_at IS NULL
                AND (sync_name = %(sync_name)s OR sync_name IS NULL AND target_id IN (
                    SELECT scope.target_id
                    FROM krayin_sync.watermark JOIN krayin_sync.scope ON scope.id = watermark.scope_id
                    WHERE watermark.sync_name = %(sync_name)s)) AS concerns
     ) AS asked
     WHERE concerns
        -- Those whose end is still to be told.
        OR id IN (SELECT substr(condition, 10)::bigint FROM krayin_sync.alert
                  WHERE sync_name = %(sync_name)s AND raised AND condition LIKE 'incident:%%')) AS incidents


-- name: told
-- Note that a channel has taken a message, unless the condition changed meanwhile. An incident of several syncs is then
-- told for all whose messages go to the same place.
-- Parameters: sync_name, condition, raised (boolean), channel, peers (text[]: syncs whose messages go there too).
-- Indexes: alert_pkey.
UPDATE krayin_sync.alert
SET told = told || %(channel)s::text
WHERE (sync_name = %(sync_name)s OR sync_name = ANY(%(peers)s::text[]) AND condition LIKE 'incident:%%') AND condition = %(condition)s AND raised = %(raised)s AND %(channel)s <> ALL (told)


-- name: untold
-- What of a sync's alerts a channel has not been told yet.
-- Parameters: sync_name, channel.
-- Indexes: alert_pkey.
SELECT condition, raised, message, since
FROM krayin_sync.alert
WHERE sync_name = %(sync_name)s AND %(channel)s <> ALL (told)
ORDER BY since, condition
