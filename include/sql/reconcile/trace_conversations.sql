-- Purpose: conversations that hang on some persons through us, by the person.
-- Parameters: target_id, installation_id, account_id, person_ids (text[]).
-- Indexes: mapping_activity_person.
SELECT last_sent ->> 'person', max(source_id::bigint)
FROM krayin_sync.mapping
WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
  AND source_kind = 'conversation' AND crm_kind = 'activity' AND last_sent ->> 'person' = ANY(%(person_ids)s)
GROUP BY 1
