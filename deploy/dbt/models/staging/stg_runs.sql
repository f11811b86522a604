-- Runs that have ended and were no dry runs, with the day (UTC) on which they began.
select
    run_id,
    sync_name,
    kind,
    state,
    started_at,
    (started_at at time zone 'UTC')::date as day,
    seconds,
    coalesce(contacts_read, 0) as contacts_read,
    coalesce(calls, 0) as calls,
    coalesce(writes, 0) as writes,
    coalesce(refused, 0) as refused,
    forecast_calls
from {{ source('krayin_sync', 'runs') }}
where state in ('done', 'stopped', 'failed') and not dry_run
