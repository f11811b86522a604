-- Purpose: with which contacts one was merged, as comparisons found: those that it swallowed, and the one that swallowed it.
-- Parameters: target_id, installation_id, account_id, contact_id (text).
-- Indexes: finding_of_contact; a scan for those it swallowed, erasures are rare.
SELECT DISTINCT contact_id, contact_id = %(contact_id)s::text::bigint AS is_loser, (detail ->> 'merged_into')::bigint
FROM krayin_sync.finding
WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
  AND class = 'orphan' AND detail ? 'merged_into'
  AND (contact_id = %(contact_id)s::text::bigint OR detail -> 'merged_into' = %(contact_id)s::text::jsonb)
ORDER BY 1
