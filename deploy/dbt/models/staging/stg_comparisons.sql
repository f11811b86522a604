-- Comparisons that came to their end, with how many differences each counted.
select
    history.run_id,
    history.sync_name,
    history.depth,
    history.finished_at,
    (history.finished_at at time zone 'UTC')::date as day,
    history.in_scope,
    history.in_sync,
    history.coverage,
    coalesce(counted.differences, 0) as differences
from {{ source('krayin_sync', 'coverage_history') }} as history
left join (
    select run_id, sum(findings) as differences
    from {{ source('krayin_sync', 'differences_history') }}
    group by run_id
) as counted on counted.run_id = history.run_id
