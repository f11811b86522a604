-- Purpose: note which Krayin record a source record is, and what was written to it.
-- Parameters: target_id, installation_id, account_id, source_kind, source_id, crm_kind, crm_id, origin,
--             acked_hash (or NULL: nothing written yet), last_sent (JSON or NULL), crm_created_at (or NULL).
-- Indexes: mapping_target_id_installation_id_account_id_source_kind_so_key, mapping_one_source_per_record.
INSERT INTO krayin_sync.mapping
    (target_id, installation_id, account_id, source_kind, source_id, crm_kind, crm_id, origin, state, acked_hash,
     last_sent, acked_at, crm_created_at)
VALUES
    (%(target_id)s, %(installation_id)s, %(account_id)s, %(source_kind)s, %(source_id)s, %(crm_kind)s, %(crm_id)s,
     %(origin)s, 'linked', %(acked_hash)s, %(last_sent)s, CASE WHEN %(acked_hash)s::bytea IS NOT NULL THEN clock_timestamp() END,
     %(crm_created_at)s)
ON CONFLICT (target_id, installation_id, account_id, source_kind, source_id, crm_kind) DO UPDATE
SET crm_id = excluded.crm_id,
    -- A lead that is followed by a new one stays the contact's.
    former_crm_ids = CASE WHEN mapping.state = 'linked' AND mapping.crm_kind = 'lead' AND mapping.crm_id <> excluded.crm_id
                          THEN mapping.former_crm_ids || mapping.crm_id ELSE mapping.former_crm_ids END,
    former_adopted_ids = CASE WHEN mapping.state = 'linked' AND mapping.crm_kind = 'lead' AND mapping.crm_id <> excluded.crm_id
                                   AND mapping.origin = 'adopted'
                              THEN mapping.former_adopted_ids || mapping.crm_id ELSE mapping.former_adopted_ids END,
    origin = CASE WHEN mapping.crm_id = excluded.crm_id THEN coalesce(mapping.origin, excluded.origin)
                  ELSE excluded.origin END,
    state = 'linked',
    acked_hash = excluded.acked_hash,
    last_sent = excluded.last_sent,
    pending_write = NULL,
    acked_at = excluded.acked_at,
    crm_created_at = coalesce(excluded.crm_created_at, mapping.crm_created_at)
