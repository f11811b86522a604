CREATE OR REPLACE VIEW runs AS
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


CREATE OR REPLACE VIEW incidents AS
SELECT incident.id AS incident_id,
       incident.kind,
       incident.sync_name,
       target.base_url AS krayin,
       incident.sentence,
       incident.opened_at,
       incident.last_seen_at,
       incident.closed_at,
       incident.closed_by,
       incident.closed_why
FROM incident
LEFT JOIN krayin_target AS target ON target.id = incident.target_id;

COMMENT ON VIEW incidents IS 'When Chatwoot or Krayin was not what it should be, and how that ended; one row per incident.';
COMMENT ON COLUMN incidents.incident_id IS 'Its number, as the status page and `krayin_recover` show it; `3`';
COMMENT ON COLUMN incidents.kind IS 'What is wrong; `chatwoot_fewer`';
COMMENT ON COLUMN incidents.sync_name IS 'The sync, NULL when it concerns every sync to this Krayin; `chatwoot`';
COMMENT ON COLUMN incidents.krayin IS 'Address of Krayin''s API, or NULL; `https://crm.example.com/api/v1`';
COMMENT ON COLUMN incidents.sentence IS 'What was seen and what to do';
COMMENT ON COLUMN incidents.opened_at IS 'Time; `2026-11-22 03:00:00+00`';
COMMENT ON COLUMN incidents.last_seen_at IS 'When it was seen last; `2026-11-22 03:10:00+00`';
COMMENT ON COLUMN incidents.closed_at IS 'When it ended, NULL while it is open; `2026-11-22 04:04:10+00`';
COMMENT ON COLUMN incidents.closed_by IS 'Who ended it: a user, or the run that saw that it is over; `run 42`';
COMMENT ON COLUMN incidents.closed_why IS 'Why; `Chatwoot shows everything again`';
