-- name: analyze
-- Let the planner know how the tables have grown; autovacuum comes minutes later, and a lookup of some contacts
-- would read all of an account meanwhile. A dry run keeps the lock until its end: nobody waits for it.
ANALYZE (SKIP_LOCKED) krayin_sync.mapping, krayin_sync.operation, krayin_sync.organization_member


-- name: arrival_order
-- Let what webhooks brought up be carried out in the order in which they came. What moves between contacts
-- has an order of its own, a day before all others, and keeps it.
-- Parameters: run_id, ids (bigint[] of the events).
-- Indexes: inbox_event_pkey, operation_of_run.
UPDATE krayin_sync.operation AS operation
SET next_attempt_at = greatest(arrived.at, operation.next_attempt_at - interval '1 hour')
FROM (
    SELECT split_part(entity, ':', 2) AS contact_id, min(received_at) AS at
    FROM krayin_sync.inbox_event CROSS JOIN unnest(entities) AS entity
    WHERE id = ANY(%(ids)s) AND entity LIKE 'contact:%%'
    GROUP BY 1
) AS arrived
WHERE operation.run_id = %(run_id)s AND operation.state = 'planned'
  AND operation.source_kind IN ('contact', 'stage') AND operation.source_id = arrived.contact_id
  AND operation.next_attempt_at BETWEEN now() - interval '1 hour' AND clock_timestamp()


-- name: backlog
-- What waits, by lane.
-- Indexes: operation_queue for what is planned; held ones are few.
SELECT sync_name, lane_name,
       sum(operations) FILTER (WHERE state <> 'held')::bigint AS operations,
       sum(due)::bigint AS due,
       sum(waiting_for_others)::bigint AS waiting_for_others,
       sum(operations) FILTER (WHERE state = 'unknown')::bigint AS unknown,
       sum(forecast_calls) FILTER (WHERE state <> 'held')::bigint AS forecast_calls,
       min(oldest) FILTER (WHERE state <> 'held') AS oldest
FROM krayin_sync.backlog
GROUP BY sync_name, lane, lane_name
HAVING bool_or(state <> 'held')
ORDER BY sync_name, lane


-- name: bulk_creates
-- Plan, among the next staged contacts, those of whom nothing is known: no mapping, no person in Krayin with
-- one of their e-mails or phones, no id of an earlier integration. Each is created by one call. What else is
-- staged comes back as `rest`, to be planned contact by contact.
-- Parameters: run_id, after (contact id), size, sync_name, lane, target_id, scope_id, read_at,
--             examples (how many ids to return of those planned).
-- Indexes: staged_contact_pkey, mapping_of_source, crm_snapshot_key_pkey.
-- Sets are compared as `(... IN (SELECT ...)) IS TRUE`, which is always done by hashing: a join would be planned by the
-- statistics of tables that are just being filled, and loop.
WITH staged AS MATERIALIZED (
    SELECT contact_id, contact_id::text AS source_id, desired, person_hash, lead_hash,
           desired -> 'organization' AS company,
           active_at IS NULL AND desired -> 'adopt' = '{}' AS is_plain,
           ARRAY(SELECT jsonb_array_elements_text(desired -> 'natural_keys')) AS natural_keys
    FROM krayin_sync.staged_contact
    WHERE run_id = %(run_id)s AND contact_id > %(after)s
    ORDER BY contact_id
    LIMIT %(size)s
),
mapped AS MATERIALIZED (
    SELECT source_id
    FROM krayin_sync.mapping
    WHERE scope_id = %(scope_id)s AND source_kind = 'contact' AND source_id = ANY(ARRAY(SELECT source_id FROM staged))
),
claimed AS (
    SELECT contact_id, unnest(natural_keys) AS key FROM staged
),
shown AS MATERIALIZED (
    SELECT key
    FROM krayin_sync.crm_snapshot_key
    WHERE target_id = %(target_id)s AND crm_kind = 'person' AND key = ANY(ARRAY(SELECT key FROM claimed))
),
unknown AS MATERIALIZED (
    SELECT *
    FROM staged
    WHERE is_plain
      AND (source_id IN (SELECT source_id FROM mapped)) IS NOT TRUE
      AND (contact_id IN (SELECT contact_id FROM claimed WHERE (key IN (SELECT key FROM shown)) IS TRUE)) IS NOT TRUE
),
registered AS (
    -- Another planner may be inserting the same contacts: it is waited for, and what it planned is left alone.
    INSERT INTO krayin_sync.mapping
        (target_id, scope_id, source_kind, source_id, crm_kind, state, source_hash, source_read_at, planned_at)
    SELECT %(target_id)s, %(scope_id)s, 'contact', source_id, crm_kind,
           CASE WHEN crm_kind = 'lead' AND desired -> 'lead' = 'null' THEN 'not_wanted' ELSE 'pending' END,
           CASE crm_kind WHEN 'person' THEN person_hash ELSE lead_hash END, %(read_at)s, clock_timestamp()
    FROM unknown
    CROSS JOIN (VALUES ('lead'), ('person')) AS kinds (crm_kind)
    ORDER BY source_id, crm_kind
    ON CONFLICT DO NOTHING
    RETURNING source_id, crm_kind
),
newcomer AS MATERIALIZED (
    SELECT * FROM unknown WHERE (source_id IN (SELECT source_id FROM registered)) IS TRUE
),
planned AS (
    INSERT INTO krayin_sync.operation
        (run_id, sync_name, lane, target_id, scope_id, source_kind, source_id, payload,
         source_read_at, source_changed_at, natural_keys, forecast_calls, next_attempt_at)
    SELECT %(run_id)s, %(sync_name)s, %(lane)s, %(target_id)s, %(scope_id)s, 'contact', source_id,
           jsonb_build_object(
               'person', desired -> 'person', 'person_hash', encode(person_hash, 'hex'),
               'lead', desired -> 'lead', 'lead_hash', encode(lead_hash, 'hex'),
               'organization', company -> 'folded_name', 'adopt', '{}'::jsonb, 'owner', desired -> 'owner',
               'target', desired -> 'target', 'tags', desired -> 'tags'
           ),
           %(read_at)s, (desired ->> 'changed_at')::timestamptz,
           natural_keys || CASE WHEN jsonb_typeof(company) = 'object'
                                THEN ARRAY['organization:' || (company ->> 'folded_name')] ELSE '{}' END,
           1 + coalesce((
               SELECT sum(jsonb_array_length(tags.value))
               FROM jsonb_each(desired -> 'tags') AS tags
               WHERE tags.key = 'person' OR desired -> 'lead' <> 'null'
           ), 0),
           now()
    FROM newcomer
    ORDER BY contact_id
),
named AS (
    INSERT INTO krayin_sync.organization_member
        (scope_id, contact_id, folded_name, name, address)
    SELECT %(scope_id)s, contact_id, company ->> 'folded_name', company ->> 'name',
           CASE WHEN jsonb_typeof(company -> 'address') = 'object' OR jsonb_strip_nulls(company -> 'custom') <> '{}'
                THEN jsonb_build_object('address', company -> 'address', 'custom', company -> 'custom') END
    FROM newcomer
    WHERE jsonb_typeof(company) = 'object'
    ON CONFLICT (scope_id, contact_id) DO UPDATE
    SET folded_name = excluded.folded_name, name = excluded.name, address = excluded.address
)
SELECT (SELECT max(contact_id) FROM staged) AS last,
       (SELECT count(*) FROM newcomer) AS bulk_creates,
       (SELECT count(*) FROM registered) AS registered,
       ARRAY(SELECT contact_id FROM newcomer ORDER BY contact_id LIMIT %(examples)s) AS examples,
       ARRAY(SELECT DISTINCT company ->> 'folded_name' FROM newcomer WHERE jsonb_typeof(company) = 'object')
           AS companies,
       ARRAY(SELECT contact_id FROM staged EXCEPT SELECT contact_id FROM newcomer ORDER BY contact_id) AS rest


-- name: busy_of_contact
-- How many calls for a contact are being made, or have an outcome that is not known yet.
-- Parameters: target_id, scope_id, contact_id (text).
-- Indexes: operation_busy.
SELECT count(*)
FROM krayin_sync.operation
WHERE target_id = %(target_id)s AND scope_id = %(scope_id)s
  AND (worker IS NOT NULL OR state IN ('in_flight', 'unknown'))
  AND ((source_kind IN ('contact', 'stage') AND source_id = %(contact_id)s) OR contact_id = %(contact_id)s::text::bigint)


-- name: carried_out
-- Record that a planned operation was carried out along with another one.
-- Parameters: id, result (JSON object, merged).
-- Indexes: operation_pkey.
UPDATE krayin_sync.operation
SET state = 'done', result = result || %(result)s, finished_at = clock_timestamp()
WHERE id = %(id)s AND state = 'planned' AND worker IS NULL


-- name: claim
-- Take the next operations of a sync for one worker: the highest lane first, none whose source record,
-- e-mail, phone or new organization another worker holds or whose last call is unresolved. A contact, its
-- leads and their stages are one record: a lead is looked for among those of its person. Of several unresolved ones that share something the oldest
-- goes first, so that they never wait for each other.
-- Parameters: target_id, sync_name, lowest_lane, worker, lease (interval), size.
-- Indexes: operation_queue, operation_busy, operation_pkey, scope_pkey.
WITH busy AS MATERIALIZED (
    SELECT id, scope_id, source_id, natural_keys,
           CASE WHEN source_kind IN ('stage', 'lead') THEN 'contact' ELSE source_kind END AS record_kind,
           split_part(source_id, '/', 1) AS record_id,
           worker IS NULL AND state = 'unknown' AS unresolved
    FROM krayin_sync.operation
    WHERE target_id = %(target_id)s AND (worker IS NOT NULL OR state IN ('in_flight', 'unknown'))
), taken AS (
    SELECT waiting.id, waiting.scope_id
    FROM krayin_sync.operation AS waiting
    WHERE waiting.target_id = %(target_id)s AND waiting.sync_name = %(sync_name)s
      AND waiting.lane <= %(lowest_lane)s
      AND waiting.state IN ('planned', 'unknown') AND waiting.worker IS NULL
      AND waiting.next_attempt_at <= clock_timestamp()
      AND NOT EXISTS (
          SELECT 1 FROM busy
          WHERE busy.id <> waiting.id
            AND NOT (busy.unresolved AND waiting.state = 'unknown' AND busy.id > waiting.id)
            AND ((CASE WHEN waiting.source_kind IN ('contact', 'stage', 'lead')
                       THEN busy.record_kind = 'contact' AND busy.record_id = split_part(waiting.source_id, '/', 1)
                       ELSE busy.record_kind = waiting.source_kind AND busy.source_id = waiting.source_id END
                  AND busy.scope_id = waiting.scope_id)
                 OR busy.natural_keys && waiting.natural_keys)
      )
    ORDER BY waiting.lane, waiting.next_attempt_at, waiting.id
    LIMIT %(size)s
)
UPDATE krayin_sync.operation AS operation
SET worker = %(worker)s, lease_until = clock_timestamp() + %(lease)s,
    fence = nextval('krayin_sync.operation_fence')
FROM taken
JOIN krayin_sync.scope ON scope.id = taken.scope_id
-- Asked again: a planner may have replaced the row since it was looked at.
WHERE operation.id = taken.id AND operation.state IN ('planned', 'unknown') AND operation.worker IS NULL
RETURNING operation.id, operation.fence, operation.lane, scope.id AS scope_id, scope.installation_id,
          scope.account_id, operation.source_kind, operation.source_id, operation.payload, operation.natural_keys,
          operation.state, operation.step, operation.attempts, operation.sent_at, operation.error_class,
          operation.error_message, operation.next_attempt_at, operation.forecast_calls, operation.forecast_reads,
          operation.source_read_at, operation.source_changed_at


-- name: claimants
-- Contacts that are quarantined because the one person they can be is another contact's, and whose it is.
-- Parameters: target_id, scope_id.
-- Indexes: operation_quarantined_record, mapping_one_source_per_record, mapping_orphaned.
SELECT owner.source_id::bigint, operation.source_id::bigint, operation.id
FROM krayin_sync.operation
JOIN LATERAL (
    SELECT source_id
    FROM krayin_sync.mapping
    WHERE target_id = %(target_id)s AND crm_kind = 'person' AND state = 'linked' AND scope_id = %(scope_id)s
      AND crm_id = (operation.candidates -> 0 ->> 'person')::bigint
    UNION ALL
    SELECT source_id
    FROM krayin_sync.mapping
    WHERE scope_id = %(scope_id)s AND state = 'orphaned' AND settled_at IS NULL AND crm_kind = 'person'
      AND crm_id = (operation.candidates -> 0 ->> 'person')::bigint
) AS owner ON owner.source_id <> operation.source_id
WHERE operation.scope_id = %(scope_id)s AND operation.source_kind = 'contact' AND operation.state = 'quarantined'
  AND operation.error_class = 'person_taken' AND jsonb_array_length(operation.candidates) = 1
ORDER BY 1, 2


-- name: count_of_run
-- How many records a sync changed in Krayin, or is about to, within a period, without anybody being asked;
-- 0 when the run is not about to change any. What it removes or overwrites is counted on its own.
-- Parameters: sync_name, run_id, removals (boolean), period (interval), most (stop counting here; NULL: count all).
-- Indexes: operation_changes (its bound must be fixed within the statement, so it is the transaction's time),
--          operation_of_run.
SELECT count(*)
FROM (
    SELECT DISTINCT source_kind, source_id
    FROM krayin_sync.operation
    WHERE sync_name = %(sync_name)s AND changes <> '{}' AND approval_id IS NULL
      AND (removes <> '{}') = %(removals)s
      AND created_at > now() - %(period)s
      AND state IN ('planned', 'in_flight', 'unknown', 'done')
      AND EXISTS (
          SELECT 1 FROM krayin_sync.operation
          WHERE run_id = %(run_id)s AND state IN ('planned', 'in_flight') AND changes <> '{}' AND approval_id IS NULL
            AND (removes <> '{}') = %(removals)s
      )
    LIMIT %(most)s
) AS changed


-- name: creations_of
-- Which of some contacts, and of leads for a further inbox, are new to Krayin, so that the lead is made with its person,
-- or right after it.
-- Parameters: scope_id, source_ids (text[]).
-- Indexes: operation_planned.
SELECT source_id
FROM krayin_sync.operation
WHERE scope_id = %(scope_id)s AND source_kind IN ('contact', 'lead') AND source_id = ANY(%(source_ids)s)
  AND state = 'planned' AND forecast_calls > 0 AND forecast_reads = '{}'


-- name: declined
-- How much of a declined plan is declined still.
-- Parameters: sync_name, approval_id.
-- Indexes: operation_of_approval.
SELECT count(*)
FROM krayin_sync.operation
WHERE approval_id = %(approval_id)s AND sync_name = %(sync_name)s AND state = 'declined'


-- name: deletions_waiting
-- How many deletions of persons wait for Krayin's own limit of them, and in how many seconds the next is due.
-- Parameters: target_id, sync_name, lowest_lane.
-- Indexes: operation_queue.
SELECT count(*), coalesce(extract(epoch FROM min(next_attempt_at) - clock_timestamp()), 0)::float8
FROM krayin_sync.operation
WHERE target_id = %(target_id)s AND sync_name = %(sync_name)s AND lane <= %(lowest_lane)s AND state = 'planned'
  AND error_class = 'deletions_limited'


-- name: erase
-- Take everything out of a contact's operations but ids, states and times.
-- Parameters: scope_id, contact_id (text), conversation_ids (text[]), message_ids (text[]).
-- Indexes: none: a scan, erasures are rare.
UPDATE krayin_sync.operation
SET payload = '{}', natural_keys = '{}', releases = '{}', candidates = NULL, result = '{}', forecast_company = NULL,
    error_message = CASE WHEN error_message IS NOT NULL THEN 'erased' END
WHERE scope_id = %(scope_id)s
  AND ((source_kind IN ('contact', 'stage') AND source_id = %(contact_id)s)
       OR contact_id = %(contact_id)s::text::bigint
       OR (source_kind = 'conversation' AND source_id = ANY(%(conversation_ids)s))
       OR (source_kind = 'message' AND source_id = ANY(%(message_ids)s)))


-- name: errors
-- What failed, by reason, the most frequent first; tried again or not.
-- Indexes: operation_quarantine, operation_queue.
SELECT sync_name, error_class,
       state IN ('quarantined', 'rejected') AS given_up,
       state = 'quarantined' AS quarantined,
       sum(operations)::bigint AS operations, min(oldest) AS oldest
FROM krayin_sync.error_summary
GROUP BY sync_name, error_class, state IN ('quarantined', 'rejected'), state = 'quarantined'
ORDER BY sync_name, operations DESC, error_class


-- name: expire
-- Delete some operations that were ended long ago; when they ended comes back. What an open question may still have to
-- know stays.
-- Parameters: after (timestamptz, NULL at first), age (interval), size.
-- Indexes: operation_ended, approval_pkey, finding_of_operation.
DELETE FROM krayin_sync.operation
WHERE id IN (
    SELECT operation.id
    FROM krayin_sync.operation
    LEFT JOIN krayin_sync.approval ON approval.id = operation.approval_id
    WHERE operation.finished_at >= coalesce(%(after)s::timestamptz, '-infinity')
      AND operation.finished_at < now() - %(age)s
      AND operation.state IN ('done', 'superseded', 'rejected', 'declined') AND operation.worker IS NULL
      AND (approval.state IS NULL OR approval.state NOT IN ('open', 'asked'))
    ORDER BY operation.finished_at LIMIT %(size)s
    FOR UPDATE OF operation SKIP LOCKED
)
RETURNING finished_at


-- name: expire_payloads
-- Empty what some operations held that were ended long ago; when they ended comes back. Declined and quarantined ones may
-- be wanted again.
-- Parameters: after (timestamptz, NULL at first), age (interval), size.
-- Indexes: operation_holding.
UPDATE krayin_sync.operation
SET payload = '{}', natural_keys = '{}', releases = '{}', candidates = NULL
WHERE id IN (
    SELECT id FROM krayin_sync.operation
    WHERE finished_at >= coalesce(%(after)s::timestamptz, '-infinity') AND finished_at < now() - %(age)s
      AND payload <> '{}' AND state IN ('done', 'superseded', 'rejected') AND worker IS NULL
    ORDER BY finished_at LIMIT %(size)s
    FOR UPDATE SKIP LOCKED
)
RETURNING finished_at


-- name: forgive
-- Take back the attempt that was counted for operations which failed only because the token was dead.
-- Parameters: ids (bigint[]).
-- Indexes: operation_pkey.
UPDATE krayin_sync.operation
SET attempts = attempts - 1
WHERE id = ANY(%(ids)s) AND state IN ('planned', 'unknown') AND attempts > 0


-- name: given_again
-- Records under ids that were ours, made by calls whose answers showed that this is another Krayin.
-- Parameters: target_id.
-- Indexes: operation_queue.
SELECT made.key, made.value::bigint
FROM krayin_sync.operation
CROSS JOIN jsonb_array_elements(candidates) AS candidate
CROSS JOIN jsonb_each_text(candidate) AS made
WHERE target_id = %(target_id)s AND state = 'unknown' AND error_class = 'another_krayin'


-- name: held
-- What an approval is about: one row per held operation, those that change most first; ids and field names.
-- Parameters: approval_id.
-- Indexes: operation_of_approval.
SELECT source_kind, source_id, changes, removes, forecast_calls, forecast_reads
FROM krayin_sync.operation
WHERE approval_id = %(approval_id)s AND state = 'held'
ORDER BY cardinality(changes) DESC, id


-- name: held_of_run
-- How many operations of a run wait for approval.
-- Parameters: run_id.
-- Indexes: operation_of_run.
SELECT count(*) FROM krayin_sync.operation WHERE run_id = %(run_id)s AND state = 'held'


-- name: hold
-- Hold what a run is about to change, to remove or to make again, as far as no worker has taken it already.
-- Parameters: run_id, approval_id, what (changes, removals or made_again).
-- Indexes: operation_of_run, operation_pkey.
WITH chosen AS (
    SELECT id
    FROM krayin_sync.operation
    WHERE run_id = %(run_id)s AND state = 'planned' AND worker IS NULL AND changes <> '{}' AND approval_id IS NULL
      AND CASE %(what)s WHEN 'made_again' THEN 'contact.made_again' = ANY(changes)
                        ELSE (removes <> '{}') = (%(what)s = 'removals') END
    ORDER BY id
    -- A worker that is taking one in this moment need not be waited for: it came first.
    FOR UPDATE SKIP LOCKED
)
UPDATE krayin_sync.operation AS operation
SET state = 'held', approval_id = %(approval_id)s
FROM chosen
WHERE operation.id = chosen.id


-- name: hold_claimants
-- What claims an e-mail or phone that a held plan gives up waits with it.
-- Parameters: run_id, approval_ids (bigint[]).
-- Indexes: operation_of_run, operation_of_approval.
WITH given AS MATERIALIZED (
    SELECT key, min(approval_id) AS approval_id
    FROM krayin_sync.operation, unnest(releases) AS key
    WHERE approval_id = ANY(%(approval_ids)s) AND state = 'held' AND releases <> '{}'
    GROUP BY key
), claiming AS (
    SELECT operation.id, min(given.approval_id) AS approval_id
    FROM krayin_sync.operation AS operation, unnest(operation.natural_keys) AS wanted (key)
    JOIN given USING (key)
    WHERE operation.run_id = %(run_id)s AND operation.state = 'planned' AND operation.worker IS NULL
      AND operation.source_kind = 'contact'
    GROUP BY operation.id
)
UPDATE krayin_sync.operation AS operation
SET state = 'held', approval_id = claiming.approval_id
FROM claiming
WHERE operation.id = claiming.id AND operation.state = 'planned' AND operation.worker IS NULL


-- name: hold_claimed
-- What a claimed operation waits for; its worker settles it as held.
-- Parameters: id, approval_id.
-- Indexes: operation_pkey.
UPDATE krayin_sync.operation SET approval_id = %(approval_id)s WHERE id = %(id)s


-- name: inherit_approval
-- What replaces a held plan of the same record is held in its place.
-- Parameters: run_id, approval_ids (bigint[]).
-- Indexes: operation_of_run, operation_of_approval.
UPDATE krayin_sync.operation AS newer
SET state = 'held', approval_id = older.approval_id
FROM krayin_sync.operation AS older
WHERE newer.run_id = %(run_id)s AND newer.state = 'planned' AND newer.worker IS NULL AND newer.changes <> '{}'
  AND newer.approval_id IS NULL
  AND older.approval_id = ANY(%(approval_ids)s) AND older.state = 'superseded'
  AND older.scope_id = newer.scope_id AND older.source_kind = newer.source_kind
  AND older.source_id = newer.source_id


-- name: insert
-- Write plan rows.
-- Parameters: rows by COPY, columns as named.
COPY krayin_sync.operation
    (run_id, sync_name, lane, target_id, scope_id, source_kind, source_id, payload,
     source_read_at, natural_keys, forecast_calls, forecast_reads, releases, state, error_class,
     error_message, candidates, next_attempt_at, finished_at, source_changed_at,
     contact_id, waits_for, changes, removes)
FROM STDIN


-- name: intent
-- Commit the intent of the next call, only while the lease is ours and no incident stops all writing to this
-- Krayin; no row means that one of the two is not so.
-- Parameters: id, fence, step, lease (interval).
-- Indexes: operation_pkey, incident_open.
UPDATE krayin_sync.operation
SET state = 'in_flight', step = %(step)s, sent_at = clock_timestamp(), lease_until = clock_timestamp() + %(lease)s
WHERE id = %(id)s AND fence = %(fence)s AND worker IS NOT NULL AND lease_until > clock_timestamp()
  AND NOT EXISTS (
      SELECT 1 FROM krayin_sync.incident
      WHERE closed_at IS NULL AND sync_name IS NULL AND incident.target_id = operation.target_id)
RETURNING sent_at


-- name: latency_by_hour
-- How many seconds the changes of contacts took from Chatwoot to Krayin's answer, by hour of the last day, as the view
-- `change_latency` counts them; of the last 5,000 operations that ended.
-- Parameters: sync_name, until (timestamptz).
-- Indexes: operation_ended, sync_run_pkey, sync_run_latest.
WITH latest AS MATERIALIZED (
    SELECT run_id, sync_name, source_kind, state, source_changed_at, finished_at
    FROM krayin_sync.operation
    WHERE finished_at > %(until)s::timestamptz - interval '1 day' AND finished_at <= %(until)s
    ORDER BY finished_at DESC
    LIMIT 5000
), dated AS MATERIALIZED (
    SELECT run.id,
           (SELECT started_at FROM krayin_sync.sync_run AS earlier
            WHERE earlier.sync_name = %(sync_name)s AND earlier.kind = 'scheduled' AND earlier.id < run.id
            ORDER BY earlier.id DESC LIMIT 1) AS scheduled_before
    FROM krayin_sync.sync_run AS run
    WHERE run.id IN (SELECT run_id FROM latest WHERE sync_name = %(sync_name)s)
      AND run.kind IN ('scheduled', 'events') AND NOT coalesce((run.summary ->> 'first_load')::boolean, false)
)
SELECT date_trunc('hour', latest.finished_at) AS hour,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM latest.finished_at - latest.source_changed_at)) AS p50,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM latest.finished_at - latest.source_changed_at)) AS p95
FROM latest
JOIN dated ON dated.id = latest.run_id
WHERE latest.state = 'done' AND latest.source_kind = 'contact'
  AND latest.source_changed_at > dated.scheduled_before - interval '1 minute'
GROUP BY 1
ORDER BY 1


-- name: let_go
-- Carry an answer over to some of the operations that waited for it. What only waited for a held plan to
-- give up an address changes nothing itself, and is planned either way.
-- Parameters: approval_id, size.
-- Indexes: operation_of_approval, operation_pkey.
WITH chosen AS (
    SELECT operation.id, approval.state = 'approved' OR operation.changes = '{}' AS planned
    FROM krayin_sync.operation
    JOIN krayin_sync.approval ON approval.id = operation.approval_id
    WHERE operation.approval_id = %(approval_id)s AND operation.state = 'held'
      AND (approval.state IN ('approved', 'declined') OR (approval.state = 'withdrawn' AND operation.changes = '{}'))
    ORDER BY operation.id
    LIMIT %(size)s
    FOR UPDATE OF operation
)
UPDATE krayin_sync.operation AS operation
SET state = CASE WHEN chosen.planned THEN 'planned' ELSE 'declined' END,
    next_attempt_at = least(operation.next_attempt_at, clock_timestamp()),
    finished_at = CASE WHEN chosen.planned THEN NULL ELSE clock_timestamp() END
FROM chosen
WHERE operation.id = chosen.id
RETURNING operation.state


-- name: live_due
-- Tell whether something that webhooks brought up is due, left over by an earlier run or by a worker that died.
-- Parameters: sync_name, lane.
-- Indexes: operation_queue (by its partial condition; few rows are open at a time).
SELECT EXISTS (
    SELECT 1 FROM krayin_sync.operation
    WHERE sync_name = %(sync_name)s AND lane = %(lane)s AND state IN ('planned', 'unknown', 'in_flight')
      AND CASE WHEN worker IS NULL THEN next_attempt_at ELSE lease_until END <= clock_timestamp()
)


-- name: lock_approvals
-- Plannings of one sync are counted one after the other; held from the end of a chunk to its commit.
-- Parameters: sync_name.
SELECT pg_advisory_xact_lock(hashtextextended('krayin_sync.guard ' || %(sync_name)s, 0))


-- name: lock_claims
-- Workers of one Krayin claim one after the other; held for the short claiming transaction only.
-- Parameters: target_id.
SELECT pg_advisory_xact_lock(hashtextextended('krayin_sync.claim', %(target_id)s))


-- name: made_again
-- Mark what a run plans to make again after we had deleted it: that is asked about.
-- Parameters: run_id.
-- Indexes: operation_of_run, removal_of_source, mapping_of_source.
UPDATE krayin_sync.operation
SET changes = changes || '{contact.made_again}'::text[]
WHERE run_id = %(run_id)s AND state = 'planned' AND worker IS NULL AND approval_id IS NULL AND source_kind = 'contact'
  AND NOT payload ? 'retire' AND NOT 'contact.made_again' = ANY(changes)
  AND EXISTS (
      SELECT FROM krayin_sync.removal
      JOIN krayin_sync.mapping USING (scope_id, source_kind, source_id, crm_kind)
      WHERE removal.scope_id = operation.scope_id AND removal.source_kind = 'contact'
        AND removal.source_id = operation.source_id AND removal.action = 'deleted' AND removal.ended_at IS NULL
        AND mapping.crm_id IS NULL
  )


-- name: merge_approvals
-- What is held under approvals that were merged into another belongs to that one, and what it replaced. Its
-- own transaction: whoever replaces one of these operations meanwhile may be waiting for the approvals.
-- Parameters: sync_name, approval_id, merged_ids (bigint[]).
-- Indexes: operation_of_approval.
UPDATE krayin_sync.operation
SET approval_id = %(approval_id)s
WHERE (state = 'superseded' AND approval_id = ANY(%(merged_ids)s))
   -- Of an earlier try as well, which may have died before this.
   OR (state = 'held' AND approval_id IN (
       SELECT id FROM krayin_sync.approval WHERE sync_name = %(sync_name)s AND state = 'withdrawn'
   ))


-- name: move_target
-- The Krayin at a new address is the one that was known at another: it keeps its id, and what was bound under the
-- new address meanwhile is added to it.
-- Parameters: former_id, present_id.
-- Indexes: krayin_target_pkey, mapping_of_source, mapping_one_source_per_record.
WITH scopes AS (
    INSERT INTO krayin_sync.scope (target_id, installation_id, account_id)
    SELECT %(former_id)s, installation_id, account_id FROM krayin_sync.scope WHERE target_id = %(present_id)s
    ON CONFLICT (target_id, installation_id, account_id) DO UPDATE SET account_id = excluded.account_id
    RETURNING id, installation_id, account_id
), forgotten AS (
    DELETE FROM krayin_sync.krayin_catalogue WHERE target_id IN (%(former_id)s, %(present_id)s)
), stopped AS (
    UPDATE krayin_sync.operation
    SET state = 'superseded', worker = NULL, lease_until = NULL, finished_at = clock_timestamp()
    WHERE target_id = %(present_id)s AND state IN ('planned', 'held', 'unknown', 'quarantined')
)
UPDATE krayin_sync.mapping AS added
SET target_id = %(former_id)s, scope_id = scopes.id
FROM krayin_sync.scope AS present
JOIN scopes USING (installation_id, account_id)
WHERE present.id = added.scope_id AND added.target_id = %(present_id)s AND added.state = 'linked'
  AND NOT EXISTS (
      SELECT 1 FROM krayin_sync.mapping AS own
      WHERE own.scope_id = scopes.id AND own.source_kind = added.source_kind
        AND own.source_id = added.source_id AND own.crm_kind = added.crm_kind)
  AND NOT EXISTS (
      SELECT 1 FROM krayin_sync.mapping AS other
      WHERE other.target_id = %(former_id)s AND other.crm_kind = added.crm_kind AND other.crm_id = added.crm_id
        AND other.crm_kind <> 'organization' AND other.state = 'linked')


-- name: moves
-- The operations of a run that give up an e-mail or phone, and those that claim one that is given up.
-- Parameters: run_id.
-- Indexes: operation_of_run.
WITH given AS MATERIALIZED (
    SELECT array_agg(DISTINCT key) AS keys
    FROM krayin_sync.operation AS operation, unnest(operation.releases) AS key
    WHERE operation.run_id = %(run_id)s AND operation.state IN ('planned', 'held') AND operation.releases <> '{}'
)
SELECT operation.id, operation.natural_keys, operation.releases
FROM krayin_sync.operation AS operation, given
WHERE given.keys IS NOT NULL
  AND operation.run_id = %(run_id)s AND operation.state IN ('planned', 'held') AND operation.source_kind = 'contact'
  AND operation.natural_keys && given.keys
ORDER BY operation.id


-- name: moves_arrange
-- Bring operations into an order, before all others; some give up their keys in a step of its own.
-- Parameters: ids (bigint[], first to last), release_first (bigint[]).
-- Indexes: operation_pkey.
UPDATE krayin_sync.operation AS operation
SET next_attempt_at = now() - interval '1 day' + wanted.place * interval '1 microsecond',
    payload = CASE WHEN operation.id = ANY(%(release_first)s::bigint[])
                   THEN operation.payload || '{"release_first": true}' ELSE operation.payload END,
    forecast_calls = operation.forecast_calls + (operation.id = ANY(%(release_first)s::bigint[]))::int
FROM unnest(%(ids)s::bigint[]) WITH ORDINALITY AS wanted (id, place)
WHERE operation.id = wanted.id


-- name: naming
-- The operations that name one of an erased contact's values where they say what went wrong.
-- Parameters: target_id, values (text[]).
-- Indexes: none: a scan, erasures are rare.
SELECT id, error_message, candidates
FROM krayin_sync.operation
WHERE target_id = %(target_id)s
  AND EXISTS (
      SELECT FROM unnest(%(values)s::text[]) AS value
      WHERE strpos(error_message, value) > 0
         OR EXISTS (
             SELECT FROM jsonb_path_query(candidates, 'strict $.** ? (@.type() == "string")') AS leaf
             WHERE strpos(leaf #>> '{}', value) > 0))


-- name: natural_keys_alike
-- Persons in Krayin that a contact's plans found by its e-mail or phone, and that are not linked to it.
-- Parameters: scope_id, contact_id (text), person_ids (bigint[]: those that are).
-- Indexes: none: a scan, erasures are rare; crm_snapshot_key_pkey, crm_snapshot_key_of_record.
SELECT DISTINCT seen.crm_id
FROM krayin_sync.operation AS operation
CROSS JOIN unnest(operation.natural_keys) AS wanted (key)
JOIN krayin_sync.crm_snapshot_key AS seen
  ON seen.target_id = operation.target_id AND seen.crm_kind = 'person' AND seen.key = wanted.key
WHERE operation.scope_id = %(scope_id)s AND operation.source_kind = 'contact'
  AND operation.source_id = %(contact_id)s AND seen.crm_id <> ALL(%(person_ids)s::bigint[])
ORDER BY 1


-- name: of_contacts
-- What a run planned beside its contacts: their leads for further inboxes, their activities and moves of their leads.
-- Parameters: run_id.
-- Indexes: operation_of_run.
SELECT contact_id, source_kind, source_id, payload
FROM krayin_sync.operation
WHERE run_id = %(run_id)s AND source_kind IN ('lead', 'conversation', 'message', 'stage')
ORDER BY contact_id, id


-- name: overwriting
-- Note what a claimed operation overwrites in Krayin beyond what was planned or approved; no row where it is
-- nothing more.
-- Parameters: id, fence, removes (text[]).
-- Indexes: operation_pkey.
UPDATE krayin_sync.operation
SET removes = ARRAY(SELECT DISTINCT unnest(removes || %(removes)s::text[]) ORDER BY 1),
    changes = CASE WHEN changes = '{}' THEN %(removes)s::text[] ELSE changes END,
    approval_id = NULL
WHERE id = %(id)s AND fence = %(fence)s AND worker IS NOT NULL AND NOT removes @> %(removes)s::text[]
RETURNING run_id


-- name: payloads_of_contact
-- What operations hold of a contact, to know it again elsewhere.
-- Parameters: scope_id, contact_id (text).
-- Indexes: none: a scan, erasures are rare.
SELECT payload -> 'person', payload -> 'lead'
FROM krayin_sync.operation
WHERE scope_id = %(scope_id)s AND source_kind = 'contact' AND source_id = %(contact_id)s


-- name: progress
-- Note that a step of an operation is done, only while it is ours; no row means it is not.
-- Parameters: id, fence, step, lease (interval).
-- Indexes: operation_pkey.
UPDATE krayin_sync.operation
SET step = %(step)s, lease_until = clock_timestamp() + %(lease)s
WHERE id = %(id)s AND fence = %(fence)s AND worker IS NOT NULL
RETURNING id


-- name: quarantine_by_reason
-- What waits for a person, by reason.
-- Parameters: sync_name.
-- Indexes: operation_quarantine.
SELECT error_class, sum(operations)::bigint AS operations, min(oldest) AS oldest, max(newest_operation) AS newest_operation
FROM krayin_sync.quarantine_by_reason
WHERE sync_name = %(sync_name)s
GROUP BY error_class
ORDER BY operations DESC, error_class


-- name: quarantine_replaced
-- A quarantined plan whose source record changed gives way to the new plan.
-- Parameters: scope_id, source_kind, source_ids (text[]).
-- Indexes: operation_quarantined_record.
UPDATE krayin_sync.operation
SET state = 'superseded', finished_at = clock_timestamp()
WHERE scope_id = %(scope_id)s AND source_kind = %(source_kind)s AND source_id = ANY(%(source_ids)s)
  AND state = 'quarantined'


-- name: quarantined
-- What of a sync is quarantined, of all but those left out or of some.
-- Parameters: sync_name, operation_ids (bigint[] or NULL: any), error_class (or NULL: any).
-- Indexes: operation_quarantine.
SELECT count(*)
FROM krayin_sync.operation
WHERE sync_name = %(sync_name)s AND state = 'quarantined'
  AND (id = ANY(%(operation_ids)s::bigint[])
       OR (%(operation_ids)s::bigint[] IS NULL AND error_class IS DISTINCT FROM 'left_out'))
  AND (%(error_class)s::text IS NULL OR error_class = %(error_class)s)


-- name: queue
-- What a sync has planned, in the order in which a worker takes it; neighbours that are expected to cost the
-- same come as one row with their number. What waits for a contact or an organization comes last, contact by
-- contact, and only if an operation is planned that makes it known.
-- Parameters: target_id, sync_name, lowest_lane.
-- Indexes: operation_queue, operation_planned, organization_member_by_name.
WITH due AS (
    SELECT forecast_calls, forecast_reads, lane, next_attempt_at, NULL AS contact_id, id
    FROM krayin_sync.operation
    WHERE target_id = %(target_id)s AND sync_name = %(sync_name)s AND state = 'planned'
      AND lane <= %(lowest_lane)s AND next_attempt_at < 'infinity'
    UNION ALL
    SELECT forecast_calls, forecast_reads, lane, next_attempt_at, contact_id, id
    FROM krayin_sync.operation AS waiting
    WHERE target_id = %(target_id)s AND sync_name = %(sync_name)s AND state = 'planned'
      AND lane <= %(lowest_lane)s AND next_attempt_at = 'infinity'
      AND EXISTS (
          SELECT FROM unnest(
              CASE WHEN contact_id IS NOT NULL THEN ARRAY[contact_id::text] ELSE ARRAY(
                  SELECT member.contact_id::text
                  FROM krayin_sync.organization_member AS member
                  WHERE member.scope_id = waiting.scope_id AND member.folded_name = waiting.source_id
              ) END) AS waited_for (source_id)
          JOIN krayin_sync.operation AS contact USING (source_id)
          WHERE contact.scope_id = waiting.scope_id AND contact.source_kind = 'contact'
            AND contact.state = 'planned' AND contact.next_attempt_at < 'infinity'
          UNION ALL
          SELECT FROM krayin_sync.operation AS lead
          WHERE waiting.waits_for LIKE 'lead/%%' AND lead.scope_id = waiting.scope_id AND lead.source_kind = 'lead'
            AND lead.source_id = waiting.contact_id || substr(waiting.waits_for, 5)
            AND lead.state = 'planned' AND lead.next_attempt_at < 'infinity'
      )
),
compared AS (
    SELECT *,
           forecast_calls IS DISTINCT FROM lag(forecast_calls) OVER ordered
           OR forecast_reads IS DISTINCT FROM lag(forecast_reads) OVER ordered AS differs
    FROM due
    WINDOW ordered AS (ORDER BY lane, next_attempt_at, contact_id, id)
),
numbered AS (
    SELECT *, count(*) FILTER (WHERE differs) OVER (ORDER BY lane, next_attempt_at, contact_id, id) AS place
    FROM compared
)
SELECT min(forecast_calls) AS forecast_calls, min(forecast_reads) AS forecast_reads, count(*) AS number
FROM numbered
GROUP BY place
ORDER BY place


-- name: queue_others
-- Of what a sync has planned, what costs in a way of its own: the deletions of persons, and the organizations
-- asked for by name because nobody knows them yet.
-- Parameters: target_id, sync_name, lowest_lane.
-- Indexes: operation_queue, mapping_of_source.
SELECT count(*) FILTER (WHERE 'person.deleted' = ANY(removes)) AS deletions,
       count(DISTINCT payload ->> 'organization') FILTER (
           WHERE 'company' = ANY(forecast_reads)
             AND NOT EXISTS (
                 SELECT FROM krayin_sync.mapping
                 WHERE mapping.scope_id = operation.scope_id AND mapping.source_kind = 'company'
                   AND mapping.source_id = operation.payload ->> 'organization' AND mapping.crm_kind = 'organization'
                   AND mapping.crm_id IS NOT NULL)
       ) AS companies
FROM krayin_sync.operation
WHERE target_id = %(target_id)s AND sync_name = %(sync_name)s AND state = 'planned' AND lane <= %(lowest_lane)s


-- name: recover
-- Take back what dead workers left: a call that may have been made becomes unknown, the rest is free again.
-- Parameters: target_id, settle (interval Krayin is given to finish a call nobody waits for any more).
-- Indexes: operation_busy.
UPDATE krayin_sync.operation
SET state = CASE WHEN state = 'in_flight' THEN 'unknown' ELSE state END,
    error_class = CASE WHEN state = 'in_flight' THEN 'worker_lost' ELSE error_class END,
    next_attempt_at = CASE WHEN state = 'in_flight' THEN greatest(sent_at + %(settle)s, clock_timestamp())
                           ELSE next_attempt_at END,
    worker = NULL, lease_until = NULL, fence = nextval('krayin_sync.operation_fence')
WHERE target_id = %(target_id)s AND worker IS NOT NULL AND lease_until < clock_timestamp()


-- name: release
-- Give back claimed operations that were not started.
-- Parameters: ids (bigint[]), fences (bigint[], of the claims).
-- Indexes: operation_pkey.
UPDATE krayin_sync.operation AS operation
SET worker = NULL, lease_until = NULL
FROM unnest(%(ids)s::bigint[], %(fences)s::bigint[]) AS mine (id, fence)
WHERE operation.id = mine.id AND operation.fence = mine.fence AND operation.worker IS NOT NULL
  AND operation.state IN ('planned', 'unknown')


-- name: releasing
-- What contacts with a person in Krayin were last sent and are to have from now on, as far as they changed:
-- their new version is staged in this run, or planned and not carried out yet.
-- Parameters: run_id, scope_id, contact_ids (bigint[]).
-- Indexes: staged_contact_pkey, operation_planned, mapping_of_source.
SELECT mapping.crm_id, mapping.last_sent,
       coalesce(staged.desired -> 'natural_keys', to_jsonb(operation.natural_keys)) AS wanted,
       operation.releases
FROM krayin_sync.mapping AS mapping
LEFT JOIN krayin_sync.staged_contact AS staged
       ON staged.run_id = %(run_id)s AND staged.contact_id = mapping.source_id::bigint
LEFT JOIN krayin_sync.operation AS operation
       ON operation.scope_id = mapping.scope_id AND operation.source_kind = 'contact'
      AND operation.source_id = mapping.source_id AND operation.state IN ('planned', 'held')
WHERE mapping.scope_id = %(scope_id)s AND mapping.source_kind = 'contact' AND mapping.crm_kind = 'person'
  AND mapping.state = 'linked' AND mapping.source_id = ANY(SELECT unnest(%(contact_ids)s::bigint[])::text)
  AND (staged.contact_id IS NOT NULL OR operation.releases <> '{}')


-- name: renew
-- Extend the leases of claimed operations; a row is returned for each that is still the caller's.
-- Parameters: ids (bigint[]), fences (bigint[], of the claims), lease (interval).
-- Indexes: operation_pkey.
UPDATE krayin_sync.operation AS operation
SET lease_until = clock_timestamp() + %(lease)s
FROM unnest(%(ids)s::bigint[], %(fences)s::bigint[]) AS mine (id, fence)
WHERE operation.id = mine.id AND operation.fence = mine.fence AND operation.worker IS NOT NULL
RETURNING operation.id


-- name: replan
-- Drop open plans that name records of the Krayin that was, and have their source records planned anew. What only
-- holds what is wanted goes on; an open outcome is resolved by looking Krayin up.
-- Parameters: target_id.
-- Indexes: operation_queue, operation_quarantine, mapping_of_source.
WITH unresolved AS (
    UPDATE krayin_sync.operation
    SET payload = payload || jsonb_build_object('adopt', CASE WHEN source_kind IN ('contact', 'lead') THEN '{}'::jsonb END),
        next_attempt_at = clock_timestamp()
    WHERE target_id = %(target_id)s AND state = 'unknown' AND payload ? 'adopt'
), dropped AS (
    UPDATE krayin_sync.operation
    SET state = 'superseded', worker = NULL, lease_until = NULL, finished_at = clock_timestamp()
    WHERE target_id = %(target_id)s
      AND (state IN ('planned', 'held')
               AND (payload ? 'retire' OR payload ? 'reopen' OR payload ? 'follows_lead' OR payload -> 'adopt' NOT IN ('{}'::jsonb, 'null'::jsonb)
                    OR step IS NOT NULL)
           OR state = 'unknown' AND (payload ? 'retire' OR payload ? 'reopen')
           OR state = 'quarantined' AND error_class IN ('id_reused', 'activity_taken', 'person_taken', 'lead_taken'))
    RETURNING scope_id, source_kind, source_id
)
UPDATE krayin_sync.mapping
SET source_hash = ''::bytea, state = CASE WHEN mapping.state = 'quarantined' THEN 'pending' ELSE mapping.state END
FROM dropped
WHERE mapping.scope_id = dropped.scope_id AND mapping.source_kind = dropped.source_kind
  AND mapping.source_id = dropped.source_id


-- name: replay_declined
-- What was declined is planned after all, unless a newer plan for the same record exists.
-- Parameters: sync_name, approval_id.
-- Indexes: operation_of_approval, operation_planned, operation_busy.
UPDATE krayin_sync.operation AS operation
SET state = 'planned', next_attempt_at = clock_timestamp(), finished_at = NULL
WHERE operation.approval_id = %(approval_id)s AND operation.sync_name = %(sync_name)s
  AND operation.state = 'declined'
  AND NOT EXISTS (
      SELECT 1
      FROM krayin_sync.operation AS newer
      WHERE newer.scope_id = operation.scope_id AND newer.source_kind = operation.source_kind
        AND newer.source_id = operation.source_id AND newer.id > operation.id AND newer.state <> 'superseded'
  )
RETURNING operation.id, operation.source_kind, operation.source_id


-- name: rewrite
-- Keep what an operation says, without the values of an erased contact.
-- Parameters: id, text, document (JSON).
-- Indexes: operation_pkey.
UPDATE krayin_sync.operation
SET error_message = %(text)s, candidates = nullif(%(document)s::jsonb, 'null')
WHERE id = %(id)s


-- name: settle
-- Record how an operation ended or goes on, only while it is ours; no row means it is not.
-- Parameters: id, fence, state, step (or NULL: as the last intent left it), attempts, error_class, error_message,
--             candidates (JSON or NULL), delay (interval), result (JSON object, merged).
-- What goes back to planned without a new error keeps the last one: a later failure may be alike.
-- Indexes: operation_pkey.
UPDATE krayin_sync.operation
SET state = %(state)s,
    step = coalesce(%(step)s, step),
    attempts = %(attempts)s,
    error_class = CASE WHEN %(state)s = 'planned' THEN coalesce(%(error_class)s, error_class) ELSE %(error_class)s END,
    error_message = CASE WHEN %(state)s = 'planned' THEN coalesce(%(error_message)s, error_message)
                         ELSE %(error_message)s END,
    candidates = %(candidates)s,
    result = result || %(result)s,
    next_attempt_at = clock_timestamp() + %(delay)s,
    worker = NULL,
    lease_until = NULL,
    finished_at = CASE WHEN %(state)s IN ('done', 'rejected', 'quarantined', 'superseded') THEN clock_timestamp() END
WHERE id = %(id)s AND fence = %(fence)s AND worker IS NOT NULL
RETURNING id


-- name: supersede
-- A newer plan takes the place of older ones that nobody works on.
-- Parameters: scope_id, source_kind, source_ids (text[]).
-- Indexes: operation_planned.
UPDATE krayin_sync.operation
SET state = 'superseded', finished_at = clock_timestamp(), worker = NULL, lease_until = NULL,
    fence = nextval('krayin_sync.operation_fence')
WHERE scope_id = %(scope_id)s AND source_kind = %(source_kind)s AND source_id = ANY(%(source_ids)s)
  AND state IN ('planned', 'held')


-- name: try_again
-- What was quarantined for a reason that is gone is planned again, unless a newer plan of its record waits. Krayin is
-- asked before anything is created.
-- Parameters: id.
-- Indexes: operation_pkey, operation_planned, operation_busy.
UPDATE krayin_sync.operation
SET state = 'planned', step = coalesce(step, 'replayed'), attempts = 0, error_class = NULL, error_message = NULL,
    candidates = NULL, next_attempt_at = clock_timestamp(), finished_at = NULL
WHERE id = %(id)s AND state = 'quarantined'
  AND NOT EXISTS (
      SELECT 1 FROM krayin_sync.operation AS newer
      WHERE newer.scope_id = operation.scope_id AND newer.source_kind = operation.source_kind
        AND newer.source_id = operation.source_id AND newer.state IN ('planned', 'held', 'in_flight', 'unknown'))


-- name: unsettled
-- What somebody must decide, and calls whose outcome is not known.
-- Parameters: scope_id, sync_name.
-- Indexes: operation_quarantine, operation_busy.
SELECT id, source_kind, source_id, state, error_class, error_message, candidates, contact_id
FROM krayin_sync.operation
WHERE scope_id = %(scope_id)s AND sync_name = %(sync_name)s AND state IN ('quarantined', 'unknown')
  AND error_class IS DISTINCT FROM 'left_out'
ORDER BY id


-- name: waiting
-- Which of some source records have work planned or under way: what differs of them is being seen to.
-- Parameters: target_id, scope_id, source_kind, source_ids (text[]).
-- Indexes: operation_planned, operation_busy.
SELECT source_id
FROM krayin_sync.operation
WHERE scope_id = %(scope_id)s AND source_kind = %(source_kind)s AND source_id = ANY(%(source_ids)s)
  AND state IN ('planned', 'held')
UNION
SELECT source_id
FROM krayin_sync.operation
WHERE target_id = %(target_id)s AND scope_id = %(scope_id)s AND source_kind = %(source_kind)s
  AND source_id = ANY(%(source_ids)s) AND state IN ('in_flight', 'unknown')


-- name: waiting_in_report
-- What of a sync is still to be done, and when the next of it is due.
-- Parameters: target_id, sync_name, lowest_lane.
-- Indexes: operation_queue.
SELECT count(*) AS waiting,
       count(*) FILTER (WHERE next_attempt_at <= clock_timestamp()) AS due,
       extract(epoch FROM min(next_attempt_at) FILTER (WHERE next_attempt_at < 'infinity') - clock_timestamp()) AS next_due
FROM krayin_sync.operation
WHERE target_id = %(target_id)s
  AND sync_name = %(sync_name)s
  AND lane <= %(lowest_lane)s
  AND state IN ('planned', 'unknown', 'in_flight')
  AND next_attempt_at < 'infinity'


-- name: waiting_move
-- The planned move of a contact's lead that waits until the lead is made.
-- Parameters: scope_id, source_id.
-- Indexes: operation_planned.
SELECT id, payload
FROM krayin_sync.operation
WHERE scope_id = %(scope_id)s AND source_kind = 'stage' AND source_id = %(source_id)s AND state = 'planned'
  AND worker IS NULL AND left(waits_for, 4) = 'lead'


-- name: withdraw_of_contact
-- What is planned of a contact and of what was said with it is not carried out any more.
-- Parameters: scope_id, contact_id (text).
-- Indexes: operation_planned, operation_waiting_for_contact.
UPDATE krayin_sync.operation
SET state = 'superseded', finished_at = clock_timestamp()
WHERE scope_id = %(scope_id)s AND state IN ('planned', 'held', 'quarantined', 'declined') AND worker IS NULL
  AND ((source_kind IN ('contact', 'stage') AND source_id = %(contact_id)s) OR contact_id = %(contact_id)s::text::bigint)


-- name: yield_to_newer
-- An operation that would go back to planned while a newer plan waits is replaced by it.
-- Parameters: id, fence.
-- Indexes: operation_pkey, operation_planned.
UPDATE krayin_sync.operation AS older
SET state = 'superseded', worker = NULL, lease_until = NULL, finished_at = clock_timestamp()
WHERE older.id = %(id)s AND older.fence = %(fence)s AND older.worker IS NOT NULL
  AND EXISTS (
      SELECT 1 FROM krayin_sync.operation AS newer
      WHERE newer.scope_id = older.scope_id AND newer.source_kind = older.source_kind
        AND newer.source_id = older.source_id AND newer.state IN ('planned', 'held') AND newer.id <> older.id
  )
RETURNING older.id


-- name: quarantine_page
-- What waits for a person, the newest first: one page of a sync, of one reason if one is given.
-- Parameters: sync_name, error_class (or NULL), contact_id (bigint or NULL), before (operation id or NULL), size.
-- Indexes: operation_quarantine.
SELECT operation.id, account_id, source_kind, source_id, contact_id, error_class, error_message, candidates, finished_at,
       CASE WHEN source_kind = 'contact' THEN payload -> 'person' END AS person
FROM krayin_sync.operation
JOIN krayin_sync.scope ON scope.id = operation.scope_id
WHERE sync_name = %(sync_name)s AND state = 'quarantined' AND error_class IS DISTINCT FROM 'left_out'
  AND (%(error_class)s::text IS NULL OR error_class = %(error_class)s)
  AND (%(contact_id)s::bigint IS NULL OR contact_id = %(contact_id)s
       OR (source_kind IN ('contact', 'stage') AND source_id = %(contact_id)s::bigint::text))
  AND (%(before)s::bigint IS NULL OR operation.id < %(before)s)
ORDER BY operation.id DESC
LIMIT %(size)s
