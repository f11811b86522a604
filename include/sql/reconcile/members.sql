-- Purpose: the contacts that name some companies, the one whose address counts first.
-- Parameters: target_id, installation_id, account_id, folded_names (text[]).
-- Indexes: organization_member_by_name.
SELECT folded_name, contact_id
FROM krayin_sync.organization_member
WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
  AND folded_name = ANY(%(folded_names)s)
ORDER BY folded_name, address IS NULL, contact_id
