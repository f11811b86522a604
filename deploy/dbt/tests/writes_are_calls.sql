-- A run that writes more than it calls counts wrongly.
select * from {{ ref('stg_runs') }} where writes > calls
