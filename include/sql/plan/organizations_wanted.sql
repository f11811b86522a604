-- Purpose: what each company should look like: the fields of its lowest contact id that knows an address.
-- Parameters: target_id, installation_id, account_id, folded_names (text[]).
-- Indexes: organization_member_by_name, mapping_target_id_installation_id_account_id_source_kind_so_key.
SELECT DISTINCT ON (member.folded_name)
       member.folded_name, member.name, member.address, mapping.crm_id, mapping.source_hash, mapping.last_sent
FROM krayin_sync.organization_member AS member
LEFT JOIN krayin_sync.mapping AS mapping
       ON mapping.target_id = member.target_id AND mapping.installation_id = member.installation_id
      AND mapping.account_id = member.account_id AND mapping.source_kind = 'company'
      AND mapping.source_id = member.folded_name AND mapping.crm_kind = 'organization'
WHERE member.target_id = %(target_id)s AND member.installation_id = %(installation_id)s
  AND member.account_id = %(account_id)s AND member.folded_name = ANY(%(folded_names)s)
ORDER BY member.folded_name, member.address IS NULL, member.contact_id
