-- Purpose: the history of one contact is found without reading all operations.
SET LOCAL search_path = krayin_sync;
CREATE INDEX operation_of_record ON operation (target_id, installation_id, account_id, source_id, id)
    WHERE source_kind IN ('contact', 'stage');
CREATE INDEX operation_of_contact ON operation (target_id, installation_id, account_id, contact_id, id)
    WHERE contact_id IS NOT NULL;
