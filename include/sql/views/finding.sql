CREATE OR REPLACE VIEW differences_history AS
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


CREATE OR REPLACE VIEW open_findings AS
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
JOIN scope ON scope.id = finding.scope_id
JOIN krayin_target AS target ON target.id = scope.target_id
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


CREATE OR REPLACE VIEW open_findings_by_field AS
SELECT sync_name, class, coalesce(crm_kind, '') AS crm_kind, coalesce(field, '') AS field, side,
       count(*) AS findings,
       coalesce(sum(repair_calls) FILTER (WHERE state IN ('open', 'repairing')), 0) AS repair_calls,
       min(first_seen) AS oldest,
       count(*) FILTER (WHERE NOT for_information(state, class, side)) AS need_somebody
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
COMMENT ON COLUMN open_findings_by_field.need_somebody IS 'Those that are not for information alone, as what was accepted, a salesperson''s own value and what was cut to fit; `7`';
