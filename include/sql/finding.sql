-- name: accept
-- Somebody said that these differences may stay.
-- Parameters: sync_name, ids (bigint[]), decided_by.
-- Indexes: finding_pkey.
WITH accepted AS (
    UPDATE krayin_sync.finding
    SET state = 'accepted'
    WHERE sync_name = %(sync_name)s AND id = ANY(%(ids)s) AND state IN ('open', 'reported')
    RETURNING id, scope_id, contact_id, crm_id
)
INSERT INTO krayin_sync.decision (sync_name, scope_id, answer, contact_id, finding_id, crm_id, decided_by)
SELECT %(sync_name)s, scope_id, 'accept', contact_id, id, crm_id, %(decided_by)s FROM accepted ORDER BY id


-- name: again
-- The mapping rows of records that had a difference at the last comparison.
-- Parameters: sync_name, scope_id.
-- Indexes: finding_present, mapping_of_source.
SELECT DISTINCT mapping.id
FROM krayin_sync.finding AS finding
JOIN krayin_sync.mapping AS mapping
  ON mapping.scope_id = finding.scope_id AND mapping.source_kind = finding.source_kind
 AND mapping.source_id = finding.source_id AND mapping.crm_kind = finding.crm_kind
WHERE finding.sync_name = %(sync_name)s AND finding.state NOT IN ('repaired', 'resolved')
  AND finding.source_kind IN ('company', 'conversation', 'message')
  AND finding.scope_id = %(scope_id)s


-- name: by_field
-- How many differences there are now, by class and field.
-- Parameters: sync_name.
-- Indexes: finding_present.
SELECT class, crm_kind, field, side, findings, repair_calls, need_somebody
FROM krayin_sync.open_findings_by_field
WHERE sync_name = %(sync_name)s
ORDER BY findings DESC, class, crm_kind, field, side


-- name: contacts
-- How many contacts have a difference that nobody accepted; those that are gone in Chatwoot are in no scope,
-- and those whose repair is under way since an earlier comparison count as waiting.
-- Parameters: sync_name, reconciliation_id.
-- Indexes: finding_present, operation_pkey.
SELECT count(DISTINCT contact_id)
FROM krayin_sync.finding
WHERE sync_name = %(sync_name)s AND state IN ('open', 'reported', 'repairing') AND class NOT IN ('truncated', 'orphan')
  AND (reconciliation_id = %(reconciliation_id)s
       OR NOT EXISTS (
           SELECT FROM krayin_sync.operation
           WHERE operation.id = finding.operation_id AND operation.state IN ('planned', 'held', 'in_flight', 'unknown')))


-- name: count
-- What a comparison found, by class and state.
-- Parameters: reconciliation_id.
-- Indexes: finding_of_reconciliation.
SELECT class, state, count(*), sum(repair_calls)
FROM krayin_sync.finding
WHERE reconciliation_id = %(reconciliation_id)s
GROUP BY class, state
ORDER BY class, state


-- name: end
-- What a comparison looked for again and did not find is over; but not where it did not look because another
-- run's work was planned or under way.
-- Parameters: reconciliation_id, run_id, sync_name, contact_ids (bigint[], NULL: all).
-- Indexes: finding_present, operation_pkey, operation_planned.
UPDATE krayin_sync.finding AS finding
SET state = CASE finding.state WHEN 'repairing' THEN 'repaired' ELSE 'resolved' END, ended_at = clock_timestamp()
WHERE finding.sync_name = %(sync_name)s AND finding.reconciliation_id <> %(reconciliation_id)s
  AND finding.state NOT IN ('repaired', 'resolved')
  AND (%(contact_ids)s::bigint[] IS NULL OR finding.contact_id = ANY(%(contact_ids)s::bigint[]))
  AND NOT EXISTS (
      SELECT 1 FROM krayin_sync.operation
      WHERE operation.id = finding.operation_id AND operation.state IN ('planned', 'held', 'in_flight', 'unknown'))
  AND NOT EXISTS (
      SELECT 1 FROM krayin_sync.operation
      WHERE operation.scope_id = finding.scope_id AND operation.source_kind = finding.source_kind
        AND operation.source_id = finding.source_id AND operation.state IN ('planned', 'held')
        AND operation.run_id <> %(run_id)s)


-- name: ended
-- How many differences ended since a comparison began, by how.
-- Parameters: sync_name, since (timestamptz).
SELECT state, count(*) AS findings
FROM krayin_sync.finding
WHERE sync_name = %(sync_name)s AND state IN ('repaired', 'resolved') AND ended_at >= %(since)s
GROUP BY state


-- name: erase
-- Take everything out of the findings on a contact but ids, classes and states.
-- Parameters: scope_id, contact_id (text).
-- Indexes: finding_of_contact.
UPDATE krayin_sync.finding
SET detail = '{}', state = CASE WHEN state IN ('repaired', 'resolved') THEN state ELSE 'resolved' END,
    ended_at = coalesce(ended_at, clock_timestamp())
WHERE scope_id = %(scope_id)s AND contact_id = %(contact_id)s::text::bigint


-- name: expire
-- Delete some differences that ended long ago; their ids come back.
-- Parameters: after (id, NULL at first), age (interval), size.
-- Indexes: finding_pkey.
DELETE FROM krayin_sync.finding
WHERE id IN (
    SELECT id FROM krayin_sync.finding
    WHERE id > coalesce(%(after)s::bigint, 0) AND state IN ('repaired', 'resolved')
      AND ended_at < clock_timestamp() - %(age)s
    ORDER BY id LIMIT %(size)s
    FOR UPDATE SKIP LOCKED
)
RETURNING id


-- name: link
-- Which operation of a run repairs each finding; a stage's finding is repaired by the contact's stage move.
-- Parameters: reconciliation_id, run_id, scope_id.
-- Indexes: finding_of_reconciliation, operation_of_run.
UPDATE krayin_sync.finding AS finding
SET operation_id = operation.id
FROM krayin_sync.operation AS operation
WHERE finding.reconciliation_id = %(reconciliation_id)s AND finding.state = 'repairing'
  AND operation.run_id = %(run_id)s AND operation.scope_id = %(scope_id)s
  AND operation.source_kind = CASE WHEN finding.class = 'moved_stage' THEN 'stage' ELSE finding.source_kind END
  AND operation.source_id = finding.source_id


-- name: naming
-- The findings in which one of an erased contact's values stands.
-- Parameters: target_id, values (text[]).
-- Indexes: none: a scan, erasures are rare.
SELECT finding.id, repair, detail
FROM krayin_sync.finding
JOIN krayin_sync.scope ON scope.id = finding.scope_id
WHERE scope.target_id = %(target_id)s
  AND EXISTS (
      SELECT FROM unnest(%(values)s::text[]) AS value
      WHERE strpos(repair, value) > 0
         OR EXISTS (
             SELECT FROM jsonb_path_query(detail, 'strict $.** ? (@.type() == "string")') AS leaf
             WHERE strpos(leaf #>> '{}', value) > 0))


-- name: open_by_comparison
-- The last finished comparison of each sync, how many differences are there now, and whether it has a report.
-- Indexes: reconciliation_latest, finding_present, report_file_pkey.
WITH latest AS MATERIALIZED (
    -- First of all: what follows is counted once for each sync, not for each of its comparisons.
    SELECT DISTINCT ON (sync_name) *
    FROM krayin_sync.reconciliation
    WHERE finished_at IS NOT NULL
    ORDER BY sync_name, id DESC
)
SELECT compared.sync_name, compared.run_id, compared.depth, compared.finished_at,
       (compared.counts ->> 'in_scope')::bigint AS in_scope,
       (compared.counts ->> 'in_sync')::bigint AS in_sync,
       (SELECT count(*) FROM krayin_sync.finding
        WHERE finding.sync_name = compared.sync_name AND finding.state NOT IN ('repaired', 'resolved')) AS differences,
       EXISTS (SELECT 1 FROM krayin_sync.report_file AS file
               WHERE file.run_id = compared.run_id AND file.name = 'report.html') AS has_report
FROM latest AS compared
ORDER BY compared.sync_name


-- name: present
-- What was found earlier and may still be there, to be looked at again.
-- Parameters: sync_name.
-- Indexes: finding_present.
SELECT source_kind, source_id, contact_id, crm_kind, crm_id, class
FROM krayin_sync.finding
WHERE sync_name = %(sync_name)s AND state NOT IN ('repaired', 'resolved')


-- name: rewrite
-- Keep a finding without the values of an erased contact.
-- Parameters: id, text, document (JSON).
-- Indexes: finding_pkey.
UPDATE krayin_sync.finding SET repair = %(text)s, detail = %(document)s WHERE id = %(id)s


-- name: samples
-- Every difference that is there, and those that ended since a comparison began; what needs somebody first. What
-- people wrote, and what a repair does, comes along only where values are wanted.
-- Parameters: sync_name, since (timestamptz), values (boolean).
-- A company's id in Chatwoot is its name, so it is left out; its organization's id stands for it.
-- Indexes: finding_present.
SELECT finding.id AS finding_id, finding.class, finding.state, finding.side, finding.field, finding.source_kind,
       CASE WHEN finding.source_kind <> 'company' THEN finding.source_id END AS source_id,
       finding.contact_id, finding.crm_kind, finding.crm_id, finding.repair_calls,
       finding.first_seen, finding.last_seen, finding.ended_at, scope.account_id,
       krayin_sync.krayin_page(target.base_url, finding.crm_kind, finding.crm_id) AS krayin_page,
       finding.ended_at IS NULL AND NOT krayin_sync.for_information(state, class, side) AS needs_somebody,
       CASE WHEN %(values)s THEN finding.repair END AS repair,
       CASE WHEN %(values)s THEN krayin_sync.shown_detail(field, detail, scope.target_id) ELSE '{}' END AS detail
FROM krayin_sync.finding AS finding
JOIN krayin_sync.scope ON scope.id = finding.scope_id
JOIN krayin_sync.krayin_target AS target ON target.id = scope.target_id
WHERE finding.sync_name = %(sync_name)s
  AND (finding.state NOT IN ('repaired', 'resolved') OR finding.ended_at >= %(since)s)
ORDER BY needs_somebody DESC, finding.class, finding.id


-- name: settle
-- What became of the findings under repair once their operations were carried out.
-- Parameters: sync_name.
-- Indexes: finding_present, operation_pkey.
UPDATE krayin_sync.finding AS finding
SET state = CASE operation.state WHEN 'done' THEN 'repaired' WHEN 'superseded' THEN 'resolved' ELSE 'reported' END,
    ended_at = CASE WHEN operation.state IN ('done', 'superseded') THEN clock_timestamp() END
FROM krayin_sync.operation AS operation
WHERE finding.sync_name = %(sync_name)s AND finding.state = 'repairing' AND operation.id = finding.operation_id
  AND (operation.state IN ('done', 'rejected', 'quarantined', 'declined')
       OR (operation.state = 'superseded' AND operation.error_class = 'withdrawn'))


-- name: unplanned
-- Findings whose repair took no operation: what a survivor took over is done, a company's organization comes
-- with its persons, and for the rest the plan found nothing to write.
-- Parameters: reconciliation_id.
-- Indexes: finding_of_reconciliation.
UPDATE krayin_sync.finding
SET state = CASE WHEN class = 'orphan' THEN 'repaired' ELSE 'open' END,
    ended_at = CASE WHEN class = 'orphan' THEN clock_timestamp() END
WHERE reconciliation_id = %(reconciliation_id)s AND state = 'repairing' AND operation_id IS NULL
  AND source_kind <> 'company'


-- name: write
-- Keep what a comparison found; what was found before keeps its first sight, and its acceptance as long as
-- it stays the same. Nothing is kept of contacts that were erased while the comparison was under way.
-- Parameters: reconciliation_id, sync_name, scope_id, findings (JSON array of objects).
-- Indexes: finding_present, erasure_of_contact.
INSERT INTO krayin_sync.finding
    (reconciliation_id, sync_name, scope_id, key, source_kind, source_id, contact_id, crm_kind, crm_id, class, field, side,
     detail, repair, repair_calls, state)
SELECT %(reconciliation_id)s, %(sync_name)s, scope.id, key, source_kind, source_id, contact_id, crm_kind, crm_id, class,
       field, side, detail, repair, repair_calls, state
FROM jsonb_to_recordset(%(findings)s) AS found (
    key text, source_kind text, source_id text, contact_id bigint, crm_kind text, crm_id bigint, class text,
    field text, side text, detail jsonb, repair text, repair_calls smallint, state text)
JOIN krayin_sync.scope ON scope.id = %(scope_id)s
WHERE NOT EXISTS (
    SELECT FROM krayin_sync.erasure
    WHERE erasure.scope_id = scope.id AND erasure.lifted_at IS NULL
      AND erasure.contact_hash = krayin_sync.contact_hash(scope, found.contact_id::text))
ORDER BY key
ON CONFLICT (sync_name, key) WHERE state NOT IN ('repaired', 'resolved') DO UPDATE
SET reconciliation_id = excluded.reconciliation_id,
    contact_id = excluded.contact_id,
    crm_id = coalesce(excluded.crm_id, finding.crm_id),
    side = excluded.side,
    detail = excluded.detail,
    repair = excluded.repair,
    repair_calls = excluded.repair_calls,
    state = CASE WHEN finding.state = 'accepted' AND finding.detail = excluded.detail
                      AND finding.side IS NOT DISTINCT FROM excluded.side
                 THEN 'accepted' ELSE excluded.state END,
    operation_id = NULL,
    last_seen = clock_timestamp()


-- name: of_contact
-- What differs of a contact now.
-- Parameters: sync_name, scope_id, contact_id (bigint).
-- Indexes: finding_of_contact.
SELECT finding.id, class, crm_kind, crm_id, field, side, state, repair, first_seen, last_seen,
       krayin_sync.shown_detail(field, detail, scope.target_id) AS detail,
       krayin_sync.krayin_page(target.base_url, crm_kind, crm_id) AS page
FROM krayin_sync.finding
JOIN krayin_sync.scope ON scope.id = finding.scope_id
JOIN krayin_sync.krayin_target AS target ON target.id = scope.target_id
WHERE sync_name = %(sync_name)s AND scope_id = %(scope_id)s AND contact_id = %(contact_id)s
  AND state NOT IN ('repaired', 'resolved')
ORDER BY crm_kind, field, finding.id


-- name: reopen
-- Somebody took back that these differences may stay.
-- Parameters: sync_name, ids (bigint[]), decided_by.
-- Indexes: finding_pkey, decision_of_contact.
WITH reopened AS (
    UPDATE krayin_sync.finding
    SET state = 'reported'
    WHERE sync_name = %(sync_name)s AND id = ANY(%(ids)s) AND state = 'accepted'
    RETURNING id, scope_id, contact_id
), taken_back AS (
    UPDATE krayin_sync.decision
    SET ended_at = clock_timestamp(), ended_by = %(decided_by)s
    FROM reopened
    WHERE decision.finding_id = reopened.id AND decision.scope_id = reopened.scope_id
      AND decision.contact_id IS NOT DISTINCT FROM reopened.contact_id AND decision.ended_at IS NULL
)
SELECT id FROM reopened


-- name: page
-- Differences, the newest first: one page of a sync.
-- Parameters: those of `finding_filter/chosen`, before (id or NULL), size.
-- Indexes: finding_chosen, finding_pkey.
-- include: finding_filter/chosen
, shown AS MATERIALIZED (
    SELECT id FROM chosen WHERE %(before)s::bigint IS NULL OR id < %(before)s ORDER BY id DESC LIMIT %(size)s
)
SELECT finding.id, class, source_kind, source_id, contact_id, crm_kind, crm_id, field, side, state, repair,
       krayin_sync.shown_detail(field, detail, scope.target_id) AS detail,
       first_seen, last_seen, ended_at, krayin_sync.krayin_page(target.base_url, crm_kind, crm_id) AS page
FROM shown
JOIN krayin_sync.finding USING (id)
JOIN krayin_sync.scope ON scope.id = finding.scope_id
JOIN krayin_sync.krayin_target AS target ON target.id = scope.target_id
ORDER BY finding.id DESC


-- name: download
-- Differences for a file, with both sides' values.
-- Parameters: those of `finding_filter/chosen`.
-- Indexes: finding_chosen, finding_pkey.
-- include: finding_filter/chosen
SELECT finding.id AS finding_id, class, state, side, field, source_kind,
       CASE WHEN source_kind <> 'company' THEN source_id END AS source_id,
       contact_id, crm_kind, crm_id, repair_calls, first_seen, last_seen, ended_at, scope.account_id, repair,
       krayin_sync.shown_detail(field, detail, scope.target_id) AS detail,
       krayin_sync.krayin_page(target.base_url, crm_kind, crm_id) AS krayin_page,
       ended_at IS NULL AND NOT krayin_sync.for_information(state, class, side) AS needs_somebody
FROM chosen
JOIN krayin_sync.finding USING (id)
JOIN krayin_sync.scope ON scope.id = finding.scope_id
JOIN krayin_sync.krayin_target AS target ON target.id = scope.target_id
ORDER BY class, finding.id


-- name: groups
-- How many differences there are now, by class and field, those that need somebody apart.
-- Parameters: sync_name.
-- Indexes: finding_chosen.
SELECT class, field, krayin_sync.for_information(state, class, side) AS information,
       count(*) AS findings, min(first_seen) AS oldest
FROM krayin_sync.finding
WHERE sync_name = %(sync_name)s AND state NOT IN ('repaired', 'resolved')
GROUP BY 1, 2, 3
ORDER BY 3, 4 DESC, 1, 2
