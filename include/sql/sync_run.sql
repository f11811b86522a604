-- name: add
-- Add to the summary of a run and leave its state alone.
-- Parameters: run_id, summary (JSON object, merged into what is there).
-- Indexes: sync_run_pkey.
UPDATE krayin_sync.sync_run
SET summary = summary || %(summary)s
WHERE id = %(run_id)s


-- name: backfills
-- How far the backfills of the last two weeks are, by sync.
-- Indexes: sync_run_latest.
SELECT sync_name,
       count(*) AS runs,
       count(*) FILTER (WHERE state = 'done') AS done,
       count(*) FILTER (WHERE state IN ('failed', 'stopped')) AS failed,
       count(*) FILTER (WHERE finished_at IS NULL) AS open,
       min(started_at) AS started_at,
       max(finished_at) AS finished_at,
       sum((summary ->> 'done')::bigint) AS operations_done
FROM krayin_sync.sync_run
WHERE kind = 'backfill' AND NOT dry_run AND started_at > clock_timestamp() - interval '14 days'
GROUP BY sync_name


-- name: changes_by_hour
-- What the runs of a sync did to records in Krayin, by CRM kind and by the hour in which they ended; a run that goes on
-- counts as of now. A day back, at most 2,000 runs.
-- Parameters: sync_name, until (timestamptz), actions (text[]: what is done to records).
-- Indexes: sync_run_latest.
SELECT date_trunc('hour', ended_at) AS hour, done.key AS crm_kind, sum(done.value::bigint)::bigint AS records
FROM (
    SELECT coalesce(finished_at, %(until)s::timestamptz) AS ended_at, summary
    FROM krayin_sync.sync_run
    WHERE sync_name = %(sync_name)s AND NOT dry_run
    ORDER BY id DESC LIMIT 2000
) AS run
CROSS JOIN LATERAL unnest(%(actions)s::text[]) AS action
CROSS JOIN LATERAL jsonb_each_text(run.summary -> action) AS done
WHERE ended_at > %(until)s::timestamptz - interval '1 day'
GROUP BY 1, 2


-- name: comparison
-- The comparison a run made, or the last one its sync had finished by then.
-- Parameters: run_id.
-- Indexes: sync_run_pkey, reconciliation_latest.
SELECT compared.id, compared.run_id, compared.depth, compared.repair, compared.started_at, compared.finished_at,
       compared.counts
FROM krayin_sync.sync_run AS run
JOIN krayin_sync.reconciliation AS compared ON compared.sync_name = run.sync_name
WHERE run.id = %(run_id)s AND compared.run_id <= run.id
  AND (compared.finished_at IS NOT NULL OR compared.run_id = run.id)
ORDER BY compared.id DESC
LIMIT 1


-- name: coverage
-- How much of each kind of record is in Krayin now.
-- Parameters: krayin (base URL), account_id.
SELECT source_kind, crm_kind, records, linked, in_step, created, adopted, pending, quarantined, gone, orphaned, coverage
FROM krayin_sync.coverage
WHERE krayin = %(krayin)s AND account_id = %(account_id)s
ORDER BY source_kind, crm_kind


-- name: coverage_history
-- What the last comparisons of everything saw, oldest first.
-- Parameters: sync_name, until (run id).
-- Indexes: reconciliation_latest.
SELECT finished_at, in_scope, in_sync, coverage
FROM (
    SELECT finished_at, in_scope, in_sync, coverage, run_id
    FROM krayin_sync.coverage_history
    WHERE sync_name = %(sync_name)s AND depth = 'full' AND coverage IS NOT NULL AND run_id <= %(until)s
    ORDER BY run_id DESC
    LIMIT 90
) AS last
ORDER BY run_id


-- name: expire
-- Delete some ended runs that nothing points to any more, but the last of each sync; their ids come back.
-- Parameters: after (id, NULL at first), age (interval), size.
-- Indexes: sync_run_pkey, sync_run_latest, operation_of_run, api_call_of_run, reconciliation_of_run.
DELETE FROM krayin_sync.sync_run
WHERE id IN (
    SELECT old.id FROM krayin_sync.sync_run AS old
    WHERE old.id > coalesce(%(after)s::bigint, 0) AND old.started_at < clock_timestamp() - %(age)s
      AND NOT EXISTS (SELECT 1 FROM krayin_sync.operation WHERE run_id = old.id)
      AND NOT EXISTS (SELECT 1 FROM krayin_sync.api_call WHERE run_id = old.id)
      AND NOT EXISTS (SELECT 1 FROM krayin_sync.reconciliation WHERE run_id = old.id)
      AND NOT EXISTS (SELECT 1 FROM krayin_sync.watermark WHERE run_id = old.id)
      AND EXISTS (
          SELECT 1 FROM krayin_sync.sync_run AS newer
          WHERE newer.sync_name = old.sync_name AND newer.kind = old.kind AND newer.id > old.id
      )
    ORDER BY old.id LIMIT %(size)s
    FOR UPDATE SKIP LOCKED
)
RETURNING id


-- name: forget_examples
-- Take a contact out of the examples that the summaries of runs keep.
-- Parameters: sync_names (text[]), contact_id (text).
-- Indexes: sync_run_latest.
UPDATE krayin_sync.sync_run AS run
SET summary = run.summary || kept.examples
FROM (
    SELECT mentioning.id, jsonb_object_agg(named.key, (
        SELECT coalesce(jsonb_agg(one), '[]')
        FROM jsonb_array_elements(named.value) AS one
        WHERE one ->> 'contact' IS DISTINCT FROM %(contact_id)s::text
    )) AS examples
    FROM krayin_sync.sync_run AS mentioning, jsonb_each(mentioning.summary) AS named
    WHERE mentioning.sync_name = ANY(%(sync_names)s)
      AND named.value @> jsonb_build_array(jsonb_build_object('contact', %(contact_id)s::text::bigint))
    GROUP BY mentioning.id
) AS kept
WHERE run.id = kept.id


-- name: last_done
-- When each sync last brought over what had changed.
-- Indexes: sync_run_latest.
SELECT sync_name, max(finished_at) AS finished_at
FROM krayin_sync.sync_run
WHERE state = 'done' AND NOT dry_run AND kind IN ('scheduled', 'manual', 'events')
GROUP BY sync_name


-- name: last_runs
-- The last run of each kind of each sync, dry ones left out.
-- Indexes: sync_run_latest.
SELECT DISTINCT ON (sync_name, kind)
       sync_name, kind, id AS run_id, state, started_at, finished_at, message, summary
FROM krayin_sync.sync_run
WHERE NOT dry_run
ORDER BY sync_name, kind, id DESC


-- name: latency
-- How long webhooks and changes took in each of the last 30 days that had any.
-- Parameters: sync_name, until (timestamptz).
-- Indexes: operation_of_run.
SELECT path, day, changes, p50_seconds, p95_seconds, max_seconds
FROM krayin_sync.latency_by_day
WHERE sync_name = %(sync_name)s AND day > %(until)s::timestamptz - interval '30 days' AND day <= %(until)s
ORDER BY path, day


-- name: naming
-- The runs whose message or summary names one of an erased contact's values.
-- Parameters: sync_names (text[]), values (text[]).
-- Indexes: sync_run_latest.
SELECT id, message, summary
FROM krayin_sync.sync_run
WHERE sync_name = ANY(%(sync_names)s)
  AND EXISTS (
      SELECT FROM unnest(%(values)s::text[]) AS value
      WHERE strpos(message, value) > 0
         OR EXISTS (
             SELECT FROM jsonb_path_query(summary, 'strict $.** ? (@.type() == "string")') AS leaf
             WHERE strpos(leaf #>> '{}', value) > 0))


-- name: open
-- Open a run, or find it again when its task is tried once more.
-- Parameters: sync_name, dag_run_id (or NULL), kind, dry_run.
-- Indexes: sync_run_of_dag_run.
INSERT INTO krayin_sync.sync_run (sync_name, dag_run_id, kind, dry_run)
VALUES (%(sync_name)s, %(dag_run_id)s, %(kind)s, %(dry_run)s)
ON CONFLICT (sync_name, dag_run_id) WHERE dag_run_id IS NOT NULL
-- What a run staged is kept for a day from its beginning.
DO UPDATE SET state = 'planning', started_at = clock_timestamp(), finished_at = NULL, message = NULL
RETURNING id


-- name: progress
-- How many operations of a sync's DAG run are settled and how many are left; no row before the run has one.
-- Parameters: sync, run (id of the DAG run), open (states that are not settled).
-- Indexes: sync_run_of_dag_run, operation_of_run.
SELECT count(o.id) FILTER (WHERE NOT o.state = ANY(%(open)s)) AS settled,
       count(o.id) FILTER (WHERE o.state = ANY(%(open)s)) AS left
FROM krayin_sync.sync_run AS r
LEFT JOIN krayin_sync.operation AS o ON o.run_id = r.id
WHERE r.sync_name = %(sync)s AND r.dag_run_id = %(run)s
GROUP BY r.id;


-- name: read
-- One run with its summary.
-- Parameters: run_id.
-- Indexes: sync_run_pkey.
SELECT sync_name, kind, state, dry_run, started_at, finished_at, summary, message
FROM krayin_sync.sync_run
WHERE id = %(run_id)s


-- name: rewrite
-- Keep what a run says, without the values of an erased contact.
-- Parameters: id, text, document (JSON).
-- Indexes: sync_run_pkey.
UPDATE krayin_sync.sync_run SET message = %(text)s, summary = %(document)s WHERE id = %(id)s


-- name: scope
-- Which Krayin and which Chatwoot account a sync works between, as its last run knew.
-- Parameters: sync_name.
-- Indexes: watermark_pkey, reconciliation_latest.
SELECT target.id AS target_id, target.base_url, scope.account_id
FROM (
    (SELECT scope_id, moved_at FROM krayin_sync.watermark WHERE sync_name = %(sync_name)s)
    UNION ALL
    (SELECT scope_id, started_at FROM krayin_sync.reconciliation
     WHERE sync_name = %(sync_name)s ORDER BY id DESC LIMIT 1)
) AS known
JOIN krayin_sync.scope ON scope.id = known.scope_id
JOIN krayin_sync.krayin_target AS target ON target.id = scope.target_id
ORDER BY known.moved_at DESC
LIMIT 1


-- name: share
-- Keep what one loader of a run did so far; returns what each of them did. The row stays locked until the end
-- of the transaction, so that the sum that is written next is nobody's older one.
-- Parameters: run_id, share (text, names the loader and its attempt), numbers (JSON object, all this loader did so far).
-- Indexes: sync_run_pkey.
UPDATE krayin_sync.sync_run
SET summary = summary || jsonb_build_object(
        'loaders', coalesce(summary -> 'loaders', '{}') || jsonb_build_object(%(share)s::text, %(numbers)s::jsonb))
WHERE id = %(run_id)s
RETURNING summary -> 'loaders'


-- name: shown
-- The runs of a sync that people are shown: the last sync, and the one that works. A run that neither began nor
-- called Krayin within the hour, or that another of its kind followed, works no more.
-- Parameters: sync.
-- Indexes: sync_run_latest, api_call_of_run.
(SELECT id
 FROM krayin_sync.sync_run
 WHERE sync_name = %(sync)s AND finished_at IS NOT NULL
   AND (kind IN ('manual', 'scheduled') OR kind = 'backfill' AND dry_run)
 ORDER BY id DESC LIMIT 1)
UNION ALL
(SELECT id
 FROM krayin_sync.sync_run AS run
 WHERE sync_name = %(sync)s AND finished_at IS NULL AND kind NOT IN ('setup', 'events', 'preview')
   AND NOT EXISTS (
       SELECT FROM krayin_sync.sync_run AS later
       WHERE later.sync_name = run.sync_name AND later.kind = run.kind AND later.id > run.id)
   AND (started_at > now() - interval '1 hour'
        OR EXISTS (
            SELECT FROM krayin_sync.api_call AS call
            WHERE call.run_id = run.id AND call.at > now() - interval '1 hour'))
 ORDER BY id DESC LIMIT 1)


-- name: update
-- Note the state of a run and add to its summary.
-- Parameters: run_id, state, summary (JSON object, merged into what is there), message (or NULL), finished (boolean).
-- Indexes: sync_run_pkey.
UPDATE krayin_sync.sync_run
SET state = %(state)s,
    summary = summary || %(summary)s,
    message = coalesce(%(message)s, message),
    finished_at = CASE WHEN %(finished)s THEN clock_timestamp() END
WHERE id = %(run_id)s


-- name: page
-- The newest runs of a sync, before a run if it is given.
-- Parameters: sync_name, before (id or NULL), size.
-- Indexes: sync_run_latest, report_file_pkey.
SELECT id, dag_run_id, kind, dry_run, state, started_at, finished_at, summary, message,
       EXISTS (SELECT FROM krayin_sync.report_file WHERE report_file.run_id = run.id AND name = 'report.html') AS has_report
FROM krayin_sync.sync_run AS run
WHERE sync_name = %(sync_name)s AND (%(before)s::bigint IS NULL OR id < %(before)s)
ORDER BY id DESC
LIMIT %(size)s


-- name: written
-- How many operations a run planned, and how many differences its comparison found, if it made one.
-- Parameters: run_id.
-- Indexes: operation_of_run, reconciliation_of_run, finding_of_reconciliation.
SELECT (SELECT count(*) FROM krayin_sync.operation WHERE run_id = %(run_id)s) AS planned,
       (SELECT count(*) FROM krayin_sync.reconciliation AS compared
        JOIN krayin_sync.finding ON finding.reconciliation_id = compared.id
        WHERE compared.run_id = %(run_id)s) AS found
