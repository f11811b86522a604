-- What waits for a person, why, and for how long?
select
    sync_name,
    what,
    reason,
    source_kind,
    number,
    oldest,
    extract(epoch from current_timestamp - oldest) / 86400 as oldest_days
from {{ ref('stg_waiting') }}
