-- Purpose: what the API users of a Krayin may call a minute and what was used.
-- Parameters: krayin (base URL).
-- Indexes: rate_budget_pkey, api_call_recent.
SELECT api_user, allowed_per_minute, setting, server_limit, used_last_minute, used_last_hour, used_last_day,
       refused_day, others_last_minute, waiting, blocked_until
FROM krayin_sync.budget_use
WHERE krayin = %(krayin)s
ORDER BY api_user
