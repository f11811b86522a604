-- What did each sync do on a day, what did that cost, and how fast was it?
with runs as (
    select
        sync_name,
        day,
        count(*) as runs,
        count(*) filter (where state <> 'done') as failed_runs,
        sum(contacts_read) as contacts_read,
        sum(calls) as calls,
        sum(writes) as writes,
        sum(refused) as refused
    from {{ ref('stg_runs') }}
    group by sync_name, day
),

latency as (
    select
        sync_name,
        (day at time zone 'UTC')::date as day,
        sum(changes) as changes,
        max(p95_seconds) filter (where path = 'webhook') as webhook_p95_seconds,
        max(p95_seconds) filter (where path = 'change') as change_p95_seconds
    from {{ source('krayin_sync', 'latency_by_day') }}
    group by sync_name, (day at time zone 'UTC')::date
)

select
    sync_name || '|' || day as sync_day,
    sync_name,
    day,
    coalesce(runs.runs, 0) as runs,
    coalesce(runs.failed_runs, 0) as failed_runs,
    coalesce(runs.contacts_read, 0) as contacts_read,
    coalesce(runs.calls, 0) as calls,
    coalesce(runs.writes, 0) as writes,
    coalesce(runs.refused, 0) as refused,
    coalesce(latency.changes, 0) as changes_measured,
    latency.webhook_p95_seconds,
    latency.change_p95_seconds
from runs
full join latency using (sync_name, day)
