-- Purpose: every difference that is there, and those that ended since a comparison began; no values, no names.
-- Parameters: sync_name, since (timestamptz).
-- A company's id in Chatwoot is its name, so it is left out; its organization's id stands for it.
-- Indexes: finding_present.
SELECT finding.id AS finding_id, finding.class, finding.state, finding.side, finding.field, finding.source_kind,
       CASE WHEN finding.source_kind <> 'company' THEN finding.source_id END AS source_id,
       finding.contact_id, finding.crm_kind, finding.crm_id, finding.repair_calls,
       finding.first_seen, finding.last_seen, finding.ended_at, finding.account_id,
       krayin_sync.krayin_page(target.base_url, finding.crm_kind, finding.crm_id) AS krayin_page
FROM krayin_sync.finding AS finding
JOIN krayin_sync.krayin_target AS target ON target.id = finding.target_id
WHERE finding.sync_name = %(sync_name)s
  AND (finding.state NOT IN ('repaired', 'resolved') OR finding.ended_at >= %(since)s)
ORDER BY finding.class, finding.id
