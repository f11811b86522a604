CREATE OR REPLACE VIEW calls_per_minute AS
SELECT target.base_url AS krayin,
       date_trunc('minute', call.at) AS minute,
       count(*) AS calls,
       count(*) FILTER (WHERE call.method <> 'GET') AS writes,
       count(*) FILTER (WHERE call.outcome = 'rate_limited') AS refused,
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


CREATE OR REPLACE VIEW calls_per_hour AS
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


CREATE OR REPLACE VIEW calls_per_day AS
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


CREATE OR REPLACE VIEW budget_use AS
SELECT target.base_url AS krayin,
       substring(budget.key FROM 'user.([0-9]+)$')::bigint AS api_user,
       rate_budget_pace(budget) AS allowed_per_minute,
       budget.setting,
       budget.server_limit,
       recent.minute AS used_last_minute,
       recent.hour AS used_last_hour,
       -- Each by itself: who does not ask for a day does not wait for its calls to be counted.
       (SELECT count(*) FROM api_call AS call
        WHERE call.target_id = target.id AND call.at > statement_timestamp() - interval '1 day') AS used_last_day,
       (SELECT count(*) FROM api_call AS call
        WHERE call.target_id = target.id AND call.at > statement_timestamp() - interval '1 day'
          AND call.outcome = 'rate_limited') AS refused_day,
       (SELECT coalesce(sum(others.calls), 0) FROM rate_budget_foreign AS others
        WHERE others.key = budget.key
          AND others.seen_at > clock_timestamp() - make_interval(secs => budget.window_seconds)) AS others_last_minute,
       (SELECT count(*) FROM rate_budget_waiter AS waiter
        WHERE waiter.key = budget.key AND waiter.asks_at > clock_timestamp() - interval '5 seconds') AS waiting,
       CASE WHEN budget.blocked_until > clock_timestamp() THEN budget.blocked_until END AS blocked_until,
       budget.auto_at > budget.setting_at - make_interval(secs => budget.window_seconds) AS auto,
       recent.refused_hour
FROM rate_budget AS budget
JOIN krayin_target AS target ON target.id = budget_target(budget.key)
CROSS JOIN LATERAL (
    -- An index takes no clock that goes on within the statement.
    SELECT count(*) FILTER (WHERE call.at > statement_timestamp() - interval '1 minute') AS minute,
           count(*) AS hour,
           count(*) FILTER (WHERE call.outcome = 'rate_limited') AS refused_hour
    FROM api_call AS call
    WHERE call.target_id = target.id AND call.at > statement_timestamp() - interval '1 hour'
) AS recent;

COMMENT ON VIEW budget_use IS 'The calls each API user may make, and what of them was used up to now. The calls are those of all API users of that Krayin.';
COMMENT ON COLUMN budget_use.krayin IS 'Address of Krayin''s API; `https://crm.example.com/api/v1`';
COMMENT ON COLUMN budget_use.api_user IS 'Id of the API user in Krayin; `1`';
COMMENT ON COLUMN budget_use.allowed_per_minute IS 'Calls allowed a minute now: the lower of the next two; on auto and without a limit what Krayin''s answers allow; `60`';
COMMENT ON COLUMN budget_use.setting IS 'Calls a minute by the settings, on auto at most; `1200`';
COMMENT ON COLUMN budget_use.server_limit IS 'Calls a minute by Krayin''s own word, NULL when it says none; `60`';
COMMENT ON COLUMN budget_use.used_last_minute IS 'Our calls in the last 60 seconds; `41`';
COMMENT ON COLUMN budget_use.used_last_hour IS 'Our calls in the last 60 minutes; `1830`';
COMMENT ON COLUMN budget_use.used_last_day IS 'Our calls in the last 24 hours; `9120`';
COMMENT ON COLUMN budget_use.refused_day IS 'Those of the last 24 hours that Krayin''s limiter turned away; `0`';
COMMENT ON COLUMN budget_use.others_last_minute IS 'Calls other programs made with the same API user, as Krayin''s counts show; `0`';
COMMENT ON COLUMN budget_use.waiting IS 'Workers waiting for their turn now; `2`';
COMMENT ON COLUMN budget_use.blocked_until IS 'Krayin refused a call and all wait until then, else NULL';
COMMENT ON COLUMN budget_use.auto IS 'Whether requests_per_minute is auto; `true`';
COMMENT ON COLUMN budget_use.refused_hour IS 'Those of the last 60 minutes that Krayin''s limiter turned away; `0`';
