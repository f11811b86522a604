-- What waits for a person, from wherever: quarantined records, held plans, differences, open incidents.
select sync_name, 'quarantined' as what, error_class as reason, source_kind, operations as number, oldest
from {{ source('krayin_sync', 'quarantine_by_reason') }}
union all
select sync_name, 'held for approval', null, source_kind, operations, oldest
from {{ source('krayin_sync', 'backlog') }}
where state = 'held'
union all
-- What is quarantined is counted above.
select sync_name, 'differs', class, nullif(crm_kind, ''), need_somebody, oldest
from {{ source('krayin_sync', 'open_findings_by_field') }}
where need_somebody > 0 and class <> 'quarantined'
union all
select coalesce(sync_name, krayin), 'incident', kind, null, 1, opened_at
from {{ source('krayin_sync', 'incidents') }}
where closed_at is null
