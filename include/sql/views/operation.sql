CREATE OR REPLACE VIEW error_summary AS
SELECT sync_name, source_kind, state, error_class,
       count(*) AS operations,
       count(DISTINCT (scope_id, source_id)) AS records,
       min(created_at) AS oldest,
       max(coalesce(finished_at, created_at)) AS newest
FROM (
    -- In two parts, so that each finds its index among the many that are over.
    SELECT sync_name, source_kind, state, error_class, scope_id, source_id, created_at, finished_at
    FROM operation WHERE state IN ('planned', 'in_flight', 'unknown')
    UNION ALL
    SELECT sync_name, source_kind, state, error_class, scope_id, source_id, created_at, finished_at
    FROM operation WHERE state IN ('rejected', 'quarantined') AND error_class IS DISTINCT FROM 'left_out'
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


CREATE OR REPLACE VIEW quarantine_by_reason AS
SELECT sync_name, error_class, source_kind,
       count(*) AS operations,
       min(finished_at) AS oldest,
       max(finished_at) AS newest,
       max(id) AS newest_operation
FROM operation
-- Who was left out waits for nobody.
WHERE state = 'quarantined' AND error_class IS DISTINCT FROM 'left_out'
GROUP BY sync_name, error_class, source_kind;

COMMENT ON VIEW quarantine_by_reason IS 'What waits for a person, by reason.';
COMMENT ON COLUMN quarantine_by_reason.sync_name IS 'The sync; `chatwoot`';
COMMENT ON COLUMN quarantine_by_reason.error_class IS 'The reason, as the form of `krayin_replay` takes it; `ambiguous_person`';
COMMENT ON COLUMN quarantine_by_reason.source_kind IS '`contact`, `company`, `conversation`, `message` or `stage`';
COMMENT ON COLUMN quarantine_by_reason.operations IS 'Number; `2`';
COMMENT ON COLUMN quarantine_by_reason.oldest IS 'Since when the oldest waits; `2026-11-20 10:00:00+00`';
COMMENT ON COLUMN quarantine_by_reason.newest IS 'Since when the newest waits; `2026-11-22 09:30:00+00`';
COMMENT ON COLUMN quarantine_by_reason.newest_operation IS 'Number of the newest operation, as the form of `krayin_replay` takes it; `5121`';


CREATE OR REPLACE VIEW backlog AS
SELECT sync_name, lane, lane_name(lane) AS lane_name, source_kind, state,
       count(*) AS operations,
       count(*) FILTER (WHERE state <> 'held' AND next_attempt_at <= clock_timestamp()) AS due,
       count(*) FILTER (WHERE state = 'planned' AND next_attempt_at = 'infinity') AS waiting_for_others,
       sum(forecast_calls) AS forecast_calls,
       min(created_at) AS oldest
FROM (
    -- In two parts, so that each finds its index among the many that are over.
    SELECT sync_name, lane, source_kind, state, next_attempt_at, forecast_calls, created_at
    FROM operation WHERE state IN ('planned', 'in_flight', 'unknown')
    UNION ALL
    SELECT sync_name, lane, source_kind, state, next_attempt_at, forecast_calls, created_at
    FROM operation WHERE state = 'held'
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
