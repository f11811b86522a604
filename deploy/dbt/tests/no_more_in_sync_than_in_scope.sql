select * from {{ ref('trust') }} where in_sync > in_scope
