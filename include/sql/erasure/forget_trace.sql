-- Purpose: forget which conversations and addresses an erased contact had, by which a merge would be recognised.
-- Parameters: installation_id, account_id, contact_id (text).
-- Indexes: contact_trace_pkey.
DELETE FROM krayin_sync.merge_evidence
WHERE installation_id = %(installation_id)s AND account_id = %(account_id)s
  AND contact_id = %(contact_id)s::text::bigint
