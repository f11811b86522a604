-- Purpose: the Krayin records of a contact and of what was said with it.
-- Parameters: target_id, installation_id, account_id, contact_id (text), conversation_ids (text[]), message_ids (text[]),
--             activity_ids (bigint[], of Krayin).
-- Indexes: mapping_target_id_installation_id_account_id_source_kind_so_key, mapping_one_source_per_record.
SELECT id, source_kind, source_id, crm_kind, crm_id, origin, former_crm_ids, former_adopted_ids, last_sent, pending_write
FROM krayin_sync.mapping
WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
  AND ((source_kind IN ('contact', 'stage') AND source_id = %(contact_id)s)
       OR (source_kind = 'conversation' AND source_id = ANY(%(conversation_ids)s))
       OR (source_kind = 'message' AND source_id = ANY(%(message_ids)s))
       OR (crm_kind = 'activity' AND crm_id = ANY(%(activity_ids)s)))
