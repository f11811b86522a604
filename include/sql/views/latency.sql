CREATE OR REPLACE VIEW webhook_latency AS
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


CREATE OR REPLACE VIEW change_latency AS
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


CREATE OR REPLACE VIEW latency_by_day AS
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
