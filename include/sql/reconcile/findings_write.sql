-- Purpose: keep what a comparison found; what was found before keeps its first sight, and its acceptance as long as
--          it stays the same. Nothing is kept of contacts that were erased while the comparison was under way.
-- Parameters: reconciliation_id, sync_name, target_id, installation_id, account_id, findings (JSON array of objects).
-- Indexes: finding_present, erasure_of_contact.
INSERT INTO krayin_sync.finding
    (reconciliation_id, sync_name, target_id, installation_id, account_id, key, source_kind, source_id, contact_id,
     crm_kind, crm_id, class, field, side, detail, repair, repair_calls, state)
SELECT %(reconciliation_id)s, %(sync_name)s, %(target_id)s, %(installation_id)s, %(account_id)s,
       key, source_kind, source_id, contact_id, crm_kind, crm_id, class, field, side, detail, repair, repair_calls, state
FROM jsonb_to_recordset(%(findings)s) AS found (
    key text, source_kind text, source_id text, contact_id bigint, crm_kind text, crm_id bigint, class text,
    field text, side text, detail jsonb, repair text, repair_calls smallint, state text)
WHERE NOT EXISTS (
    SELECT FROM krayin_sync.erasure
    WHERE erasure.target_id = %(target_id)s AND erasure.installation_id = %(installation_id)s
      AND erasure.account_id = %(account_id)s AND erasure.lifted_at IS NULL
      AND erasure.contact_hash = krayin_sync.contact_hash(
          %(target_id)s, %(installation_id)s, %(account_id)s, found.contact_id::text))
ORDER BY key
ON CONFLICT (sync_name, key) WHERE state NOT IN ('repaired', 'resolved') DO UPDATE
SET reconciliation_id = excluded.reconciliation_id,
    contact_id = excluded.contact_id,
    crm_id = coalesce(excluded.crm_id, finding.crm_id),
    side = excluded.side,
    detail = excluded.detail,
    repair = excluded.repair,
    repair_calls = excluded.repair_calls,
    state = CASE WHEN finding.state = 'accepted' AND finding.detail = excluded.detail
                      AND finding.side IS NOT DISTINCT FROM excluded.side
                 THEN 'accepted' ELSE excluded.state END,
    operation_id = NULL,
    last_seen = clock_timestamp()
