-- Purpose: what each company should look like: the fields of its lowest contact id that knows an address. Companies of
--          which no contact knows one are left out unless one was planned before.
-- Parameters: target_id, installation_id, account_id, folded_names (text[]).
-- The first name that is not lower is found in the index whatever the statistics say; the join tells whether it is the
-- one that was asked for.
-- Indexes: organization_member_by_name, organization_member_with_address,
--          mapping_target_id_installation_id_account_id_source_kind_so_key.
SELECT wanted.folded_name, coalesce(winner.name, member.name) AS name, winner.address, mapping.crm_id,
       mapping.source_hash, mapping.last_sent
FROM unnest(%(folded_names)s::text[]) AS wanted (folded_name)
LEFT JOIN LATERAL (
    SELECT folded_name, name, address
    FROM krayin_sync.organization_member
    WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
      AND folded_name >= wanted.folded_name AND address IS NOT NULL
    ORDER BY folded_name, contact_id
    LIMIT 1
) AS winner ON winner.folded_name = wanted.folded_name
LEFT JOIN krayin_sync.mapping AS mapping
       ON mapping.target_id = %(target_id)s AND mapping.installation_id = %(installation_id)s
      AND mapping.account_id = %(account_id)s AND mapping.source_kind = 'company'
      AND mapping.source_id = wanted.folded_name AND mapping.crm_kind = 'organization'
LEFT JOIN LATERAL (
    SELECT folded_name, name
    FROM krayin_sync.organization_member
    WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
      AND folded_name >= wanted.folded_name AND winner.name IS NULL AND mapping.source_hash IS NOT NULL
    ORDER BY folded_name, contact_id
    LIMIT 1
) AS member ON member.folded_name = wanted.folded_name
WHERE coalesce(winner.name, member.name) IS NOT NULL
ORDER BY wanted.folded_name
