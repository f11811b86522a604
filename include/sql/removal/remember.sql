-- Purpose: note what is about to be closed or deleted, and of what is deleted when it was made: by that it is known
--          again where a backup brings it back. What is noted already stays.
-- Parameters: sync_name, target_id, installation_id, account_id, source_kind, source_id, crm_kind, crm_id, action,
--             before, after (JSON).
-- Indexes: removal_standing, mapping_target_id_installation_id_account_id_source_kind_so_key.
INSERT INTO krayin_sync.removal
    (sync_name, target_id, installation_id, account_id, source_kind, source_id, crm_kind, crm_id, action, before, after)
VALUES (%(sync_name)s, %(target_id)s, %(installation_id)s, %(account_id)s, %(source_kind)s, %(source_id)s,
        %(crm_kind)s, %(crm_id)s, %(action)s, %(before)s || CASE WHEN %(action)s = 'deleted' THEN coalesce((
            SELECT jsonb_build_object('created_at', crm_created_at)
            FROM krayin_sync.mapping
            WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
              AND source_kind = %(source_kind)s AND source_id = %(source_id)s AND crm_kind = %(crm_kind)s
              AND crm_id = %(crm_id)s AND crm_created_at IS NOT NULL), '{}') ELSE '{}' END, %(after)s)
ON CONFLICT DO NOTHING
