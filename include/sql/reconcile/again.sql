-- Purpose: the mapping rows of records that had a difference at the last comparison.
-- Parameters: sync_name, target_id, installation_id, account_id.
-- Indexes: finding_present, mapping_target_id_installation_id_account_id_source_kind_so_key.
SELECT DISTINCT mapping.id
FROM krayin_sync.finding AS finding
JOIN krayin_sync.mapping AS mapping
  ON mapping.target_id = finding.target_id AND mapping.installation_id = finding.installation_id
 AND mapping.account_id = finding.account_id AND mapping.source_kind = finding.source_kind
 AND mapping.source_id = finding.source_id AND mapping.crm_kind = finding.crm_kind
WHERE finding.sync_name = %(sync_name)s AND finding.state NOT IN ('repaired', 'resolved')
  AND finding.source_kind IN ('company', 'conversation', 'message')
  AND finding.target_id = %(target_id)s AND finding.installation_id = %(installation_id)s
  AND finding.account_id = %(account_id)s
