-- Purpose: the budgets of all Krayins.
-- Parameters: none.
-- Indexes: rate_budget_pkey, api_call_recent.
SELECT krayin, api_user, allowed_per_minute, used_last_minute, used_last_hour, used_last_day, refused_day,
       others_last_minute, waiting, blocked_until, auto
FROM krayin_sync.budget_use
ORDER BY krayin, api_user
