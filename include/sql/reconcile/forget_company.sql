-- Purpose: have the persons of some contacts linked to their organization anew, which somebody deleted.
-- Parameters: target_id, installation_id, account_id, contact_ids (text[]).
-- Indexes: mapping_target_id_installation_id_account_id_source_kind_so_key.
UPDATE krayin_sync.mapping
SET source_hash = ''::bytea, acked_hash = NULL, last_sent = last_sent - 'organization'
WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
  AND source_kind = 'contact' AND crm_kind = 'person' AND source_id = ANY(%(contact_ids)s)
