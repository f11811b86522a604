-- Purpose: activities of ours that went with a person or lead that was deleted.
-- Parameters: target_id, person, lead (text, NULL: none).
-- Indexes: mapping_activity_person, mapping_activity_lead.
UPDATE krayin_sync.mapping
SET state = 'orphaned', settled_at = clock_timestamp(), crm_id = NULL, last_sent = NULL, pending_write = NULL
WHERE target_id = %(target_id)s AND crm_kind = 'activity' AND last_sent ->> 'person' = %(person)s
   OR target_id = %(target_id)s AND crm_kind = 'activity' AND last_sent ? 'lead' AND last_sent ->> 'lead' = %(lead)s
