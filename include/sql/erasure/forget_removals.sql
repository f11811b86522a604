-- Purpose: forget what we removed from Krayin of an erased contact: nothing of it is to be undone.
-- Parameters: target_id, installation_id, account_id, contact_id (text), conversation_ids, message_ids (text[]).
-- Indexes: removal_of_source for what is not over.
DELETE FROM krayin_sync.removal
WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
  AND ((source_kind = 'contact' AND source_id = %(contact_id)s)
       OR (source_kind = 'conversation' AND source_id = ANY(%(conversation_ids)s))
       OR (source_kind = 'message' AND source_id = ANY(%(message_ids)s)))
