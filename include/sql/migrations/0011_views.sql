-- Purpose: views for dashboards and the status page, and room for the reports of finished runs.
-- Parameters: none. Run once, in one transaction, by the migration tool.
-- The comments are the reference: docs/data-model.md is rendered from them.
SET LOCAL search_path = krayin_sync;

-- The files of a run's report: ids, classes, names of fields, numbers and links; never a person's data.
CREATE TABLE report_file (
    run_id     bigint NOT NULL REFERENCES sync_run ON DELETE CASCADE,
    name       text NOT NULL,
    media_type text NOT NULL,
    -- Before it was packed, in bytes.
    size       bigint NOT NULL,
    -- Packed with gzip.
    content    bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, name)
);
-- Packing it again would cost time and save nothing.
ALTER TABLE report_file ALTER COLUMN content SET STORAGE EXTERNAL;

-- What is neither under way nor over: few rows, looked at by the views below.
CREATE INDEX operation_set_aside ON operation (sync_name, state) WHERE state IN ('held', 'rejected', 'quarantined');

-- The page of a record in Krayin; NULL without a record. Krayin 2.1.5 has no page of its own for an activity.
CREATE FUNCTION krayin_page(base_url text, crm_kind text, crm_id bigint) RETURNS text
LANGUAGE sql IMMUTABLE RETURN
    regexp_replace(base_url, '/api/(v1|admin)$', '') || '/admin/'
    || CASE crm_kind
        WHEN 'person' THEN 'contacts/persons/view/'
        WHEN 'lead' THEN 'leads/view/'
        WHEN 'organization' THEN 'contacts/organizations/edit/'
        WHEN 'activity' THEN 'activities/edit/'
    END || crm_id;

CREATE FUNCTION lane_name(lane integer) RETURNS text
LANGUAGE sql IMMUTABLE RETURN (ARRAY['live', 'scheduled', 'retry', 'backfill', 'drift'])[lane + 1];

-- Which address of a budget's key belongs to which Krayin; the key also names the API user.
CREATE FUNCTION budget_target(key text) RETURNS integer
LANGUAGE sql IMMUTABLE RETURN substring(key FROM 'target.([0-9]+)#')::integer;

CREATE VIEW external_ids AS
WITH records AS (
    SELECT target_id, installation_id, account_id, source_id,
           max(crm_id) FILTER (WHERE crm_kind = 'person') AS person_id,
           max(crm_id) FILTER (WHERE crm_kind = 'lead') AS lead_id,
           max(former_crm_ids) FILTER (WHERE crm_kind = 'lead') AS former_lead_ids
    FROM mapping
    WHERE source_kind = 'contact' AND state = 'linked'
    GROUP BY target_id, installation_id, account_id, source_id
),
hanging AS (
    SELECT activity.target_id, owner.installation_id, owner.account_id, owner.source_id,
           array_agg(activity.crm_id ORDER BY activity.crm_id) AS activity_ids
    FROM mapping AS activity
    JOIN mapping AS owner
      ON owner.target_id = activity.target_id AND owner.source_kind = 'contact' AND owner.state = 'linked'
     AND owner.crm_kind = CASE WHEN activity.last_sent ? 'person' THEN 'person' ELSE 'lead' END
     AND owner.crm_id = coalesce(activity.last_sent ->> 'person', activity.last_sent ->> 'lead')::bigint
    WHERE activity.crm_kind = 'activity' AND activity.state = 'linked'
    GROUP BY activity.target_id, owner.installation_id, owner.account_id, owner.source_id
)
SELECT target.base_url AS krayin,
       installation.identity AS chatwoot,
       records.account_id,
       records.source_id::bigint AS contact_id,
       records.person_id,
       records.lead_id,
       coalesce(records.former_lead_ids, '{}') AS former_lead_ids,
       company.crm_id AS organization_id,
       coalesce(hanging.activity_ids, '{}') AS activity_ids,
       concat_ws('|',
           'krayin:person:' || records.person_id,
           'krayin:lead:' || records.lead_id,
           'krayin:organization:' || company.crm_id,
           'krayin:activity:' || array_to_string(hanging.activity_ids, '|krayin:activity:')) AS external_ids
FROM records
JOIN krayin_target AS target ON target.id = records.target_id
JOIN chatwoot_installation AS installation ON installation.id = records.installation_id
LEFT JOIN organization_member AS member
       ON member.target_id = records.target_id AND member.installation_id = records.installation_id
      AND member.account_id = records.account_id AND member.contact_id = records.source_id::bigint
LEFT JOIN mapping AS company
       ON company.target_id = member.target_id AND company.installation_id = member.installation_id
      AND company.account_id = member.account_id AND company.source_kind = 'company'
      AND company.source_id = member.folded_name AND company.crm_kind = 'organization' AND company.state = 'linked'
LEFT JOIN hanging
       ON hanging.target_id = records.target_id AND hanging.installation_id = records.installation_id
      AND hanging.account_id = records.account_id AND hanging.source_id = records.source_id;

COMMENT ON VIEW external_ids IS 'Which Krayin records a contact is; one row per contact that has any.';
COMMENT ON COLUMN external_ids.krayin IS 'Address of Krayin''s API; `https://crm.example.com/api/v1`';
COMMENT ON COLUMN external_ids.chatwoot IS 'The Chatwoot, by the identity it gives itself; `sandbox-1`';
COMMENT ON COLUMN external_ids.account_id IS 'Chatwoot account; `1`';
COMMENT ON COLUMN external_ids.contact_id IS 'Chatwoot contact; `17`';
COMMENT ON COLUMN external_ids.person_id IS 'Its person in Krayin, or NULL; `123`';
COMMENT ON COLUMN external_ids.lead_id IS 'Its present lead, or NULL; `456`';
COMMENT ON COLUMN external_ids.former_lead_ids IS 'Leads that were closed and followed by a new one, oldest first; `{301}`';
COMMENT ON COLUMN external_ids.organization_id IS 'The organization of the company it names, or NULL; `789`';
COMMENT ON COLUMN external_ids.activity_ids IS 'Activities of its conversations and messages, by id; `{101}`';
COMMENT ON COLUMN external_ids.external_ids IS 'All of them in one text, former leads left out; `krayin:person:123|krayin:lead:456|krayin:organization:789|krayin:activity:101`';

CREATE VIEW coverage AS
SELECT target.base_url AS krayin,
       mapping.account_id,
       mapping.source_kind,
       mapping.crm_kind,
       count(*) AS records,
       count(*) FILTER (WHERE mapping.state = 'linked') AS linked,
       count(*) FILTER (WHERE mapping.state = 'linked' AND mapping.origin = 'created') AS created,
       count(*) FILTER (WHERE mapping.state = 'linked' AND mapping.origin = 'adopted') AS adopted,
       count(*) FILTER (WHERE mapping.state = 'linked' AND mapping.acked_hash = mapping.source_hash) AS in_step,
       count(*) FILTER (WHERE mapping.state = 'pending') AS pending,
       count(*) FILTER (WHERE mapping.state = 'quarantined') AS quarantined,
       count(*) FILTER (WHERE mapping.state = 'gone') AS gone,
       count(*) FILTER (WHERE mapping.state = 'orphaned') AS orphaned,
       round(count(*) FILTER (WHERE mapping.state = 'linked')::numeric / count(*), 4) AS coverage
FROM mapping
JOIN krayin_target AS target ON target.id = mapping.target_id
GROUP BY target.base_url, mapping.account_id, mapping.source_kind, mapping.crm_kind;

COMMENT ON VIEW coverage IS 'How much of what is known of Chatwoot has its record in Krayin now; one row per kind of record.';
COMMENT ON COLUMN coverage.krayin IS 'Address of Krayin''s API; `https://crm.example.com/api/v1`';
COMMENT ON COLUMN coverage.account_id IS 'Chatwoot account; `1`';
COMMENT ON COLUMN coverage.source_kind IS '`contact`, `company`, `conversation`, `message` or `stage`';
COMMENT ON COLUMN coverage.crm_kind IS '`person`, `lead`, `organization` or `activity`';
COMMENT ON COLUMN coverage.records IS 'Records of this kind that were ever planned; `1200`';
COMMENT ON COLUMN coverage.linked IS 'Those whose record in Krayin is known; `1188`';
COMMENT ON COLUMN coverage.created IS 'Linked ones that we made; `1100`';
COMMENT ON COLUMN coverage.adopted IS 'Linked ones that were in Krayin before; `88`';
COMMENT ON COLUMN coverage.in_step IS 'Linked ones for which Krayin accepted what was planned last; `1180`';
COMMENT ON COLUMN coverage.pending IS 'Planned and not in Krayin yet; `9`';
COMMENT ON COLUMN coverage.quarantined IS 'A person must decide; `2`';
COMMENT ON COLUMN coverage.gone IS 'Deleted in Krayin; `1`';
COMMENT ON COLUMN coverage.orphaned IS 'Deleted or merged in Chatwoot; `0`';
COMMENT ON COLUMN coverage.coverage IS 'Share linked / records, 0 to 1; `0.9900`';

CREATE VIEW coverage_history AS
SELECT reconciliation.sync_name,
       reconciliation.run_id,
       reconciliation.depth,
       reconciliation.started_at,
       reconciliation.finished_at,
       (reconciliation.counts ->> 'in_scope')::bigint AS in_scope,
       (reconciliation.counts ->> 'in_sync')::bigint AS in_sync,
       round((reconciliation.counts ->> 'in_sync')::numeric
             / nullif((reconciliation.counts ->> 'in_scope')::numeric, 0), 4) AS coverage
FROM reconciliation
WHERE reconciliation.finished_at IS NOT NULL;

COMMENT ON VIEW coverage_history IS 'What each finished comparison of Chatwoot with Krayin saw; one row per comparison.';
COMMENT ON COLUMN coverage_history.sync_name IS 'The sync; `chatwoot`';
COMMENT ON COLUMN coverage_history.run_id IS 'Its run, as in `runs`; `42`';
COMMENT ON COLUMN coverage_history.depth IS '`changed`: what changed since the comparison before; `full`: everything in scope';
COMMENT ON COLUMN coverage_history.started_at IS 'Time; `2026-11-22 03:00:00+00`';
COMMENT ON COLUMN coverage_history.finished_at IS 'Time; `2026-11-22 03:04:10+00`';
COMMENT ON COLUMN coverage_history.in_scope IS 'Contacts that Krayin should hold; `50000`';
COMMENT ON COLUMN coverage_history.in_sync IS 'Those it holds as it should, after the repair; `49988`';
COMMENT ON COLUMN coverage_history.coverage IS 'Share in_sync / in_scope, 0 to 1, NULL without any; `0.9998`';

CREATE VIEW differences_history AS
SELECT reconciliation.sync_name,
       reconciliation.run_id,
       reconciliation.finished_at,
       counted.key AS class,
       (counted.value #>> '{}')::bigint AS findings
FROM reconciliation
CROSS JOIN jsonb_each(reconciliation.counts) AS counted (key, value)
WHERE reconciliation.finished_at IS NOT NULL
  AND counted.key IN ('missing', 'changed', 'duplicate', 'orphan', 'unmapped', 'stale_mapping', 'quarantined',
                      'unknown', 'truncated', 'moved_stage');

COMMENT ON VIEW differences_history IS 'How many differences of each class each finished comparison counted.';
COMMENT ON COLUMN differences_history.sync_name IS 'The sync; `chatwoot`';
COMMENT ON COLUMN differences_history.run_id IS 'Its run, as in `runs`; `42`';
COMMENT ON COLUMN differences_history.finished_at IS 'Time; `2026-11-22 03:04:10+00`';
COMMENT ON COLUMN differences_history.class IS 'What differs; `changed`';
COMMENT ON COLUMN differences_history.findings IS 'Number; `7`';

CREATE VIEW open_findings AS
SELECT finding.id AS finding_id,
       finding.sync_name,
       finding.class,
       finding.side,
       finding.field,
       finding.state,
       finding.source_kind,
       finding.source_id,
       finding.contact_id,
       finding.crm_kind,
       finding.crm_id,
       krayin_page(target.base_url, finding.crm_kind, finding.crm_id) AS krayin_page,
       finding.repair,
       finding.repair_calls,
       finding.first_seen,
       finding.last_seen,
       reconciliation.run_id,
       finding.detail
FROM finding
JOIN krayin_target AS target ON target.id = finding.target_id
JOIN reconciliation ON reconciliation.id = finding.reconciliation_id
WHERE finding.state NOT IN ('repaired', 'resolved');

COMMENT ON VIEW open_findings IS 'Every difference that is there now, with the values on both sides: personal data.';
COMMENT ON COLUMN open_findings.finding_id IS 'The finding; `981`';
COMMENT ON COLUMN open_findings.sync_name IS 'The sync; `chatwoot`';
COMMENT ON COLUMN open_findings.class IS 'What differs; `changed`';
COMMENT ON COLUMN open_findings.side IS 'Whose field it is: `ours`, filled by Chatwoot, or `theirs`, a salesperson''s; NULL where no field is meant';
COMMENT ON COLUMN open_findings.field IS 'Name of the field, NULL where the whole record is meant; `emails`';
COMMENT ON COLUMN open_findings.state IS '`open`, `reported`, `repairing` or `accepted`';
COMMENT ON COLUMN open_findings.source_kind IS '`contact`, `company`, `conversation`, `message` or `stage`, NULL for what only Krayin has';
COMMENT ON COLUMN open_findings.source_id IS 'Its id in Chatwoot; a company''s is its folded name; `17`';
COMMENT ON COLUMN open_findings.contact_id IS 'The contact whose data it shows, or NULL; `17`';
COMMENT ON COLUMN open_findings.crm_kind IS '`person`, `lead`, `organization` or `activity`, NULL for what only Chatwoot has';
COMMENT ON COLUMN open_findings.crm_id IS 'Its id in Krayin; `123`';
COMMENT ON COLUMN open_findings.krayin_page IS 'Its page in Krayin; `https://crm.example.com/admin/contacts/persons/view/123`';
COMMENT ON COLUMN open_findings.repair IS 'What a repair would do, in words; `update person`';
COMMENT ON COLUMN open_findings.repair_calls IS 'Calls to Krayin that would cost; `1`';
COMMENT ON COLUMN open_findings.first_seen IS 'Time; `2026-11-20 03:04:10+00`';
COMMENT ON COLUMN open_findings.last_seen IS 'Time of the comparison that saw it last; `2026-11-22 03:04:10+00`';
COMMENT ON COLUMN open_findings.run_id IS 'Run of that comparison, as in `runs`; `42`';
COMMENT ON COLUMN open_findings.detail IS 'JSON: the values on both sides, ids of other records involved';

CREATE VIEW open_findings_by_field AS
SELECT sync_name, class, coalesce(crm_kind, '') AS crm_kind, coalesce(field, '') AS field, side,
       count(*) AS findings,
       coalesce(sum(repair_calls) FILTER (WHERE state IN ('open', 'repairing')), 0) AS repair_calls,
       min(first_seen) AS oldest
FROM finding
WHERE state NOT IN ('repaired', 'resolved')
GROUP BY sync_name, class, coalesce(crm_kind, ''), coalesce(field, ''), side;

COMMENT ON VIEW open_findings_by_field IS 'How many differences there are now, by class and field; no personal data.';
COMMENT ON COLUMN open_findings_by_field.sync_name IS 'The sync; `chatwoot`';
COMMENT ON COLUMN open_findings_by_field.class IS 'What differs; `changed`';
COMMENT ON COLUMN open_findings_by_field.crm_kind IS 'Kind of record in Krayin, empty without one; `person`';
COMMENT ON COLUMN open_findings_by_field.field IS 'Name of the field, empty where the whole record is meant; `emails`';
COMMENT ON COLUMN open_findings_by_field.side IS '`ours`, `theirs` or NULL';
COMMENT ON COLUMN open_findings_by_field.findings IS 'Number; `7`';
COMMENT ON COLUMN open_findings_by_field.repair_calls IS 'Calls to Krayin it would cost to repair those that a repair can mend; `7`';
COMMENT ON COLUMN open_findings_by_field.oldest IS 'Since when the oldest of them is known; `2026-11-20 03:04:10+00`';

CREATE VIEW error_summary AS
SELECT sync_name, source_kind, state, error_class,
       count(*) AS operations,
       count(DISTINCT (target_id, installation_id, account_id, source_id)) AS records,
       min(created_at) AS oldest,
       max(coalesce(finished_at, created_at)) AS newest
FROM (
    -- In two parts, so that each finds its index among the many that are over.
    SELECT * FROM operation WHERE state IN ('planned', 'in_flight', 'unknown')
    UNION ALL
    SELECT * FROM operation WHERE state IN ('rejected', 'quarantined')
) AS unfinished
WHERE error_class IS NOT NULL
GROUP BY sync_name, source_kind, state, error_class;

COMMENT ON VIEW error_summary IS 'What went wrong, by reason: what is tried again, and what is not.';
COMMENT ON COLUMN error_summary.sync_name IS 'The sync; `chatwoot`';
COMMENT ON COLUMN error_summary.source_kind IS '`contact`, `company`, `conversation`, `message` or `stage`';
COMMENT ON COLUMN error_summary.state IS '`planned`, `in_flight`, `unknown`: tried again; `rejected`, `quarantined`: not';
COMMENT ON COLUMN error_summary.error_class IS 'The reason; `taken`';
COMMENT ON COLUMN error_summary.operations IS 'Number of operations; `3`';
COMMENT ON COLUMN error_summary.records IS 'Number of different records of Chatwoot; `3`';
COMMENT ON COLUMN error_summary.oldest IS 'When the oldest was planned; `2026-11-20 10:00:00+00`';
COMMENT ON COLUMN error_summary.newest IS 'When the newest ended, or was planned; `2026-11-22 09:30:00+00`';

CREATE VIEW quarantine_by_reason AS
SELECT sync_name, error_class, source_kind,
       count(*) AS operations,
       min(finished_at) AS oldest,
       max(finished_at) AS newest,
       max(id) AS newest_operation
FROM operation
WHERE state = 'quarantined'
GROUP BY sync_name, error_class, source_kind;

COMMENT ON VIEW quarantine_by_reason IS 'What waits for a person, by reason.';
COMMENT ON COLUMN quarantine_by_reason.sync_name IS 'The sync; `chatwoot`';
COMMENT ON COLUMN quarantine_by_reason.error_class IS 'The reason, as the form of `krayin_replay` takes it; `ambiguous_person`';
COMMENT ON COLUMN quarantine_by_reason.source_kind IS '`contact`, `company`, `conversation`, `message` or `stage`';
COMMENT ON COLUMN quarantine_by_reason.operations IS 'Number; `2`';
COMMENT ON COLUMN quarantine_by_reason.oldest IS 'Since when the oldest waits; `2026-11-20 10:00:00+00`';
COMMENT ON COLUMN quarantine_by_reason.newest IS 'Since when the newest waits; `2026-11-22 09:30:00+00`';
COMMENT ON COLUMN quarantine_by_reason.newest_operation IS 'Number of the newest operation, as the form of `krayin_replay` takes it; `5121`';

CREATE VIEW backlog AS
SELECT sync_name, lane, lane_name(lane) AS lane_name, source_kind, state,
       count(*) AS operations,
       count(*) FILTER (WHERE state <> 'held' AND next_attempt_at <= clock_timestamp()) AS due,
       count(*) FILTER (WHERE state = 'planned' AND next_attempt_at = 'infinity') AS waiting_for_others,
       sum(forecast_calls) AS forecast_calls,
       min(created_at) AS oldest
FROM (
    -- In two parts, so that each finds its index among the many that are over.
    SELECT * FROM operation WHERE state IN ('planned', 'in_flight', 'unknown')
    UNION ALL
    SELECT * FROM operation WHERE state = 'held'
) AS unfinished
GROUP BY sync_name, lane, source_kind, state;

COMMENT ON VIEW backlog IS 'What is planned and not done yet.';
COMMENT ON COLUMN backlog.sync_name IS 'The sync; `chatwoot`';
COMMENT ON COLUMN backlog.lane IS 'Turn in the rate budget, 0 goes first; `1`';
COMMENT ON COLUMN backlog.lane_name IS '`live`, `scheduled`, `retry`, `backfill` or `drift`';
COMMENT ON COLUMN backlog.source_kind IS '`contact`, `company`, `conversation`, `message` or `stage`';
COMMENT ON COLUMN backlog.state IS '`planned`, `in_flight`, `unknown` or `held`';
COMMENT ON COLUMN backlog.operations IS 'Number; `420`';
COMMENT ON COLUMN backlog.due IS 'Those whose time has come; `400`';
COMMENT ON COLUMN backlog.waiting_for_others IS 'Those that wait for another record, as an activity does for its person; `20`';
COMMENT ON COLUMN backlog.forecast_calls IS 'Writing calls they are expected to take; `420`';
COMMENT ON COLUMN backlog.oldest IS 'When the oldest was planned; `2026-11-22 09:00:00+00`';

CREATE VIEW runs AS
SELECT id AS run_id, sync_name, kind, state, dry_run, started_at, finished_at,
       round(extract(epoch FROM finished_at - started_at)::numeric, 1) AS seconds,
       (summary ->> 'read')::bigint AS contacts_read,
       (summary ->> 'unchanged')::bigint AS contacts_unchanged,
       (summary ->> 'calls')::bigint AS calls,
       (summary ->> 'writes')::bigint AS writes,
       (summary ->> 'refused')::bigint AS refused,
       (summary ->> 'quarantined')::bigint AS quarantined,
       (summary ->> 'waiting')::bigint AS waiting,
       (summary ->> 'forecast_calls')::bigint AS forecast_calls,
       message
FROM sync_run;

COMMENT ON VIEW runs IS 'Every run with its numbers.';
COMMENT ON COLUMN runs.run_id IS 'The run; `42`';
COMMENT ON COLUMN runs.sync_name IS 'The sync; `chatwoot`';
COMMENT ON COLUMN runs.kind IS '`scheduled`, `manual`, `backfill`, `events`, `reconcile` or `setup`';
COMMENT ON COLUMN runs.state IS '`planning`, `planned`, `loading`; ended: `done`, `stopped`, `failed`';
COMMENT ON COLUMN runs.dry_run IS 'Nothing was sent; `false`';
COMMENT ON COLUMN runs.started_at IS 'Time; `2026-11-22 09:00:00+00`';
COMMENT ON COLUMN runs.finished_at IS 'Time, NULL before its end; `2026-11-22 09:02:11+00`';
COMMENT ON COLUMN runs.seconds IS 'Seconds from start to end; `131.4`';
COMMENT ON COLUMN runs.contacts_read IS 'Contacts read of Chatwoot; `310`';
COMMENT ON COLUMN runs.contacts_unchanged IS 'Those that needed nothing; `290`';
COMMENT ON COLUMN runs.calls IS 'Calls to Krayin; `24`';
COMMENT ON COLUMN runs.writes IS 'Those that write; `20`';
COMMENT ON COLUMN runs.refused IS 'Those that Krayin''s limiter turned away; `0`';
COMMENT ON COLUMN runs.quarantined IS 'Operations set aside; `1`';
COMMENT ON COLUMN runs.waiting IS 'Operations left for later; `0`';
COMMENT ON COLUMN runs.forecast_calls IS 'Calls that were expected; `24`';
COMMENT ON COLUMN runs.message IS 'Why it ended early, or NULL';

CREATE VIEW webhook_latency AS
WITH events AS (
    SELECT id, sync_name, event, received_at, processed_at, run_id, entities
    FROM inbox_event
    WHERE processed_at IS NOT NULL
),
outcomes AS (
    SELECT run_id,
           coalesce(contact_id::text, CASE WHEN source_kind = 'contact' THEN source_id END) AS contact,
           max(finished_at) FILTER (WHERE state = 'done') AS acked_at,
           count(*) FILTER (WHERE state IN ('planned', 'in_flight', 'unknown', 'held')) AS open
    FROM operation
    WHERE run_id IN (SELECT run_id FROM events)
    GROUP BY 1, 2
),
-- What an event names counts; one that names no contact counts until all of its run is done.
named AS (
    SELECT events.id, true AS names_contact, max(outcomes.acked_at) AS acked_at, sum(outcomes.open) AS open
    FROM events
    CROSS JOIN LATERAL unnest(events.entities) AS entity
    LEFT JOIN outcomes ON outcomes.run_id = events.run_id AND 'contact:' || outcomes.contact = entity
    WHERE starts_with(entity, 'contact:')
    GROUP BY events.id
),
whole AS (
    SELECT run_id, max(acked_at) AS acked_at, sum(open) AS open FROM outcomes GROUP BY run_id
)
SELECT events.id AS event_id,
       events.sync_name,
       events.event,
       events.received_at,
       events.processed_at AS planned_at,
       acked.acked_at,
       acked.open,
       round(extract(epoch FROM events.processed_at - events.received_at)::numeric, 3) AS planned_seconds,
       round(extract(epoch FROM acked.acked_at - events.received_at)::numeric, 3) AS acked_seconds
FROM events
LEFT JOIN named ON named.id = events.id
LEFT JOIN whole ON whole.run_id = events.run_id
CROSS JOIN LATERAL (
    SELECT CASE WHEN named.names_contact THEN named.acked_at ELSE whole.acked_at END AS acked_at,
           coalesce(CASE WHEN named.names_contact THEN named.open ELSE whole.open END, 0)::bigint AS open
) AS acked;

COMMENT ON VIEW webhook_latency IS 'How long each webhook took from its arrival to Krayin''s answer. An event that names no contact counts until its whole run is done: seconds too long rather than too short.';
COMMENT ON COLUMN webhook_latency.event_id IS 'The event; `7001`';
COMMENT ON COLUMN webhook_latency.sync_name IS 'The sync; `chatwoot`';
COMMENT ON COLUMN webhook_latency.event IS 'What Chatwoot calls it; `contact_updated`';
COMMENT ON COLUMN webhook_latency.received_at IS 'When it came, time; `2026-11-22 09:00:00.120+00`';
COMMENT ON COLUMN webhook_latency.planned_at IS 'When what it tells of was read and planned, time; `2026-11-22 09:00:01.310+00`';
COMMENT ON COLUMN webhook_latency.acked_at IS 'When Krayin had accepted the last of it, time; NULL when nothing had to be sent or all of it is open; `2026-11-22 09:00:01.900+00`';
COMMENT ON COLUMN webhook_latency.open IS 'Operations of it that are not done yet; `0`';
COMMENT ON COLUMN webhook_latency.planned_seconds IS 'Seconds from received_at to planned_at; `1.190`';
COMMENT ON COLUMN webhook_latency.acked_seconds IS 'Seconds from received_at to acked_at; `1.780`';

CREATE VIEW change_latency AS
WITH dated AS (
    SELECT id, kind, summary,
           max(started_at) FILTER (WHERE kind = 'scheduled') OVER (
               PARTITION BY sync_name ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
           ) AS scheduled_before
    FROM sync_run
)
SELECT operation.id AS operation_id,
       operation.sync_name,
       dated.kind,
       operation.source_id::bigint AS contact_id,
       operation.source_changed_at AS changed_at,
       operation.source_read_at AS read_at,
       operation.finished_at AS acked_at,
       round(extract(epoch FROM operation.source_read_at - operation.source_changed_at)::numeric, 3) AS read_seconds,
       round(extract(epoch FROM operation.finished_at - operation.source_changed_at)::numeric, 3) AS acked_seconds
FROM operation
JOIN dated ON dated.id = operation.run_id
WHERE operation.state = 'done' AND operation.source_kind = 'contact'
  AND dated.kind IN ('scheduled', 'events')
  -- The first load, and a comparison of everything after new settings, bring over what changed long ago.
  AND NOT coalesce((dated.summary ->> 'first_load')::boolean, false)
  AND operation.source_changed_at > dated.scheduled_before - interval '1 minute';

COMMENT ON VIEW change_latency IS 'How long each change of a contact took from Chatwoot''s database to Krayin''s answer; only changes since the scheduled run before, as others were found late for a reason. Both clocks are Chatwoot''s and ours.';
COMMENT ON COLUMN change_latency.operation_id IS 'The operation; `5121`';
COMMENT ON COLUMN change_latency.sync_name IS 'The sync; `chatwoot`';
COMMENT ON COLUMN change_latency.kind IS 'What found the change: `scheduled` or `events`';
COMMENT ON COLUMN change_latency.contact_id IS 'Chatwoot contact; `17`';
COMMENT ON COLUMN change_latency.changed_at IS 'Chatwoot''s updated_at, time; `2026-11-22 08:59:59.800+00`';
COMMENT ON COLUMN change_latency.read_at IS 'When it was read, time; `2026-11-22 09:00:01.200+00`';
COMMENT ON COLUMN change_latency.acked_at IS 'When Krayin had accepted it, time; `2026-11-22 09:00:01.900+00`';
COMMENT ON COLUMN change_latency.read_seconds IS 'Seconds from changed_at to read_at; `1.400`';
COMMENT ON COLUMN change_latency.acked_seconds IS 'Seconds from changed_at to acked_at; `2.100`';

CREATE VIEW latency_by_day AS
SELECT measured.sync_name,
       measured.path,
       date_trunc('day', measured.acked_at, 'UTC') AS day,
       count(*) AS changes,
       round(percentile_cont(0.5) WITHIN GROUP (ORDER BY measured.seconds)::numeric, 3) AS p50_seconds,
       round(percentile_cont(0.95) WITHIN GROUP (ORDER BY measured.seconds)::numeric, 3) AS p95_seconds,
       max(measured.seconds) AS max_seconds
FROM (
    SELECT sync_name, 'webhook' AS path, acked_at, acked_seconds AS seconds
    FROM webhook_latency WHERE acked_at IS NOT NULL AND open = 0
    UNION ALL
    SELECT sync_name, 'change', acked_at, acked_seconds FROM change_latency
) AS measured
GROUP BY measured.sync_name, measured.path, date_trunc('day', measured.acked_at, 'UTC');

COMMENT ON VIEW latency_by_day IS 'The two latencies by day (UTC).';
COMMENT ON COLUMN latency_by_day.sync_name IS 'The sync; `chatwoot`';
COMMENT ON COLUMN latency_by_day.path IS '`webhook`: from its arrival; `change`: from the change in Chatwoot';
COMMENT ON COLUMN latency_by_day.day IS 'Start of the day, UTC; `2026-11-22 00:00:00+00`';
COMMENT ON COLUMN latency_by_day.changes IS 'Number measured; `310`';
COMMENT ON COLUMN latency_by_day.p50_seconds IS 'Half were faster, seconds; `1.900`';
COMMENT ON COLUMN latency_by_day.p95_seconds IS 'All but one in twenty were faster, seconds; `3.400`';
COMMENT ON COLUMN latency_by_day.max_seconds IS 'The slowest, seconds; `12.100`';

CREATE VIEW calls_per_minute AS
SELECT target.base_url AS krayin,
       date_trunc('minute', call.at) AS minute,
       count(*) AS calls,
       count(*) FILTER (WHERE call.method <> 'GET') AS writes,
       count(*) FILTER (WHERE call.outcome = 'limited') AS refused,
       count(*) FILTER (WHERE call.lane = 0) AS live,
       count(*) FILTER (WHERE call.lane = 1) AS scheduled,
       count(*) FILTER (WHERE call.lane = 2) AS retry,
       count(*) FILTER (WHERE call.lane = 3) AS backfill,
       count(*) FILTER (WHERE call.lane = 4) AS drift,
       round(avg(call.milliseconds)) AS mean_milliseconds
FROM api_call AS call
JOIN krayin_target AS target ON target.id = call.target_id
GROUP BY target.base_url, date_trunc('minute', call.at);

COMMENT ON VIEW calls_per_minute IS 'Calls to Krayin in each minute that had any.';
COMMENT ON COLUMN calls_per_minute.krayin IS 'Address of Krayin''s API; `https://crm.example.com/api/v1`';
COMMENT ON COLUMN calls_per_minute.minute IS 'Start of the minute; `2026-11-22 09:00:00+00`';
COMMENT ON COLUMN calls_per_minute.calls IS 'Number of calls; `57`';
COMMENT ON COLUMN calls_per_minute.writes IS 'Those that write; `50`';
COMMENT ON COLUMN calls_per_minute.refused IS 'Those that Krayin''s limiter turned away; `0`';
COMMENT ON COLUMN calls_per_minute.live IS 'Calls for webhooks; `4`';
COMMENT ON COLUMN calls_per_minute.scheduled IS 'Calls of scheduled and manual runs; `53`';
COMMENT ON COLUMN calls_per_minute.retry IS 'Calls for what is tried again; `0`';
COMMENT ON COLUMN calls_per_minute.backfill IS 'Calls of backfills; `0`';
COMMENT ON COLUMN calls_per_minute.drift IS 'Calls of comparisons and repairs; `0`';
COMMENT ON COLUMN calls_per_minute.mean_milliseconds IS 'Mean time of an answer, milliseconds; `180`';

CREATE VIEW calls_per_hour AS
SELECT krayin, date_trunc('hour', minute, 'UTC') AS hour,
       sum(calls) AS calls, sum(writes) AS writes, sum(refused) AS refused, max(calls) AS busiest_minute
FROM calls_per_minute
GROUP BY krayin, date_trunc('hour', minute, 'UTC');

COMMENT ON VIEW calls_per_hour IS 'Calls to Krayin in each hour that had any.';
COMMENT ON COLUMN calls_per_hour.krayin IS 'Address of Krayin''s API; `https://crm.example.com/api/v1`';
COMMENT ON COLUMN calls_per_hour.hour IS 'Start of the hour, UTC; `2026-11-22 09:00:00+00`';
COMMENT ON COLUMN calls_per_hour.calls IS 'Number of calls; `1830`';
COMMENT ON COLUMN calls_per_hour.writes IS 'Those that write; `1700`';
COMMENT ON COLUMN calls_per_hour.refused IS 'Those that Krayin''s limiter turned away; `0`';
COMMENT ON COLUMN calls_per_hour.busiest_minute IS 'Calls in its busiest minute; `59`';

CREATE VIEW calls_per_day AS
SELECT krayin, date_trunc('day', minute, 'UTC') AS day,
       sum(calls) AS calls, sum(writes) AS writes, sum(refused) AS refused, max(calls) AS busiest_minute
FROM calls_per_minute
GROUP BY krayin, date_trunc('day', minute, 'UTC');

COMMENT ON VIEW calls_per_day IS 'Calls to Krayin in each day (UTC) that had any.';
COMMENT ON COLUMN calls_per_day.krayin IS 'Address of Krayin''s API; `https://crm.example.com/api/v1`';
COMMENT ON COLUMN calls_per_day.day IS 'Start of the day, UTC; `2026-11-22 00:00:00+00`';
COMMENT ON COLUMN calls_per_day.calls IS 'Number of calls; `9120`';
COMMENT ON COLUMN calls_per_day.writes IS 'Those that write; `8000`';
COMMENT ON COLUMN calls_per_day.refused IS 'Those that Krayin''s limiter turned away; `0`';
COMMENT ON COLUMN calls_per_day.busiest_minute IS 'Calls in its busiest minute; `60`';

CREATE VIEW budget_use AS
SELECT target.base_url AS krayin,
       substring(budget.key FROM 'user.([0-9]+)$')::bigint AS api_user,
       least(budget.setting, coalesce(budget.server_limit, budget.setting)) AS allowed_per_minute,
       budget.setting,
       budget.server_limit,
       recent.minute AS used_last_minute,
       recent.hour AS used_last_hour,
       recent.day AS used_last_day,
       recent.refused_day,
       (SELECT coalesce(sum(others.calls), 0) FROM rate_budget_foreign AS others
        WHERE others.key = budget.key
          AND others.seen_at > clock_timestamp() - make_interval(secs => budget.window_seconds)) AS others_last_minute,
       (SELECT count(*) FROM rate_budget_waiter AS waiter
        WHERE waiter.key = budget.key AND waiter.asks_at > clock_timestamp() - interval '5 seconds') AS waiting,
       CASE WHEN budget.blocked_until > clock_timestamp() THEN budget.blocked_until END AS blocked_until
FROM rate_budget AS budget
JOIN krayin_target AS target ON target.id = budget_target(budget.key)
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE call.at > clock_timestamp() - interval '1 minute') AS minute,
           count(*) FILTER (WHERE call.at > clock_timestamp() - interval '1 hour') AS hour,
           count(*) AS day,
           count(*) FILTER (WHERE call.outcome = 'limited') AS refused_day
    FROM api_call AS call
    WHERE call.target_id = target.id AND call.at > clock_timestamp() - interval '1 day'
) AS recent;

COMMENT ON VIEW budget_use IS 'The calls each API user may make, and what of them was used up to now. The calls are those of all API users of that Krayin.';
COMMENT ON COLUMN budget_use.krayin IS 'Address of Krayin''s API; `https://crm.example.com/api/v1`';
COMMENT ON COLUMN budget_use.api_user IS 'Id of the API user in Krayin; `1`';
COMMENT ON COLUMN budget_use.allowed_per_minute IS 'Calls allowed a minute: the lower of the next two; `60`';
COMMENT ON COLUMN budget_use.setting IS 'Calls a minute by the settings; `60`';
COMMENT ON COLUMN budget_use.server_limit IS 'Calls a minute by Krayin''s own word, NULL before it said so; `60`';
COMMENT ON COLUMN budget_use.used_last_minute IS 'Our calls in the last 60 seconds; `41`';
COMMENT ON COLUMN budget_use.used_last_hour IS 'Our calls in the last 60 minutes; `1830`';
COMMENT ON COLUMN budget_use.used_last_day IS 'Our calls in the last 24 hours; `9120`';
COMMENT ON COLUMN budget_use.refused_day IS 'Those of the last 24 hours that Krayin''s limiter turned away; `0`';
COMMENT ON COLUMN budget_use.others_last_minute IS 'Calls other programs made with the same API user, as Krayin''s counts show; `0`';
COMMENT ON COLUMN budget_use.waiting IS 'Workers waiting for their turn now; `2`';
COMMENT ON COLUMN budget_use.blocked_until IS 'Krayin refused a call and all wait until then, else NULL';
