-- Purpose: note what is about to be closed or deleted; what is noted already stays.
-- Parameters: sync_name, target_id, installation_id, account_id, source_kind, source_id, crm_kind, crm_id, action,
--             before, after (JSON).
-- Indexes: removal_standing.
INSERT INTO krayin_sync.removal
    (sync_name, target_id, installation_id, account_id, source_kind, source_id, crm_kind, crm_id, action, before, after)
VALUES (%(sync_name)s, %(target_id)s, %(installation_id)s, %(account_id)s, %(source_kind)s, %(source_id)s,
        %(crm_kind)s, %(crm_id)s, %(action)s, %(before)s, %(after)s)
ON CONFLICT DO NOTHING
