-- Purpose: the views count the calls that Krayin's limiter refused by the name the audit gives them.
-- Parameters: none. Run once, in one transaction, by the migration tool.
SET LOCAL search_path = krayin_sync;

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

CREATE OR REPLACE VIEW budget_use AS
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
           count(*) FILTER (WHERE call.outcome = 'rate_limited') AS refused_day
    FROM api_call AS call
    WHERE call.target_id = target.id AND call.at > clock_timestamp() - interval '1 day'
) AS recent;
