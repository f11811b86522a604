-- Purpose: how much of each kind of record is in Krayin now.
-- Parameters: krayin (base URL), account_id.
-- Indexes: none; it counts every mapping of the account.
SELECT source_kind, crm_kind, records, linked, in_step, created, adopted, pending, quarantined, gone, orphaned, coverage
FROM krayin_sync.coverage
WHERE krayin = %(krayin)s AND account_id = %(account_id)s
ORDER BY source_kind, crm_kind
