-- Does Krayin match Chatwoot, and is it getting better? The change is against the comparison of the same depth before.
select
    run_id,
    sync_name,
    depth,
    finished_at,
    in_scope,
    in_sync,
    in_scope - in_sync as not_in_sync,
    coverage,
    differences,
    differences - lag(differences) over (partition by sync_name, depth order by run_id) as change_in_differences
from {{ ref('stg_comparisons') }}
