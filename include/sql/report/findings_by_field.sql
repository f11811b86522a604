-- Purpose: how many differences there are now, by class and field.
-- Parameters: sync_name.
-- Indexes: finding_present.
SELECT class, crm_kind, field, side, findings, repair_calls
FROM krayin_sync.open_findings_by_field
WHERE sync_name = %(sync_name)s
ORDER BY findings DESC, class, crm_kind, field, side
