-- Purpose: note which Krayin organization a company is; an address planned for it may now be sent. Returns its origin
--          where the company was not linked to it before.
-- Parameters: target_id, installation_id, account_id, folded_name, crm_id, origin.
-- Indexes: mapping_target_id_installation_id_account_id_source_kind_so_key, operation_planned.
WITH before AS (
    SELECT crm_id
    FROM krayin_sync.mapping
    WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
      AND source_kind = 'company' AND source_id = %(folded_name)s AND crm_kind = 'organization'
),
linked AS (
    INSERT INTO krayin_sync.mapping
        (target_id, installation_id, account_id, source_kind, source_id, crm_kind, crm_id, origin, state)
    VALUES
        (%(target_id)s, %(installation_id)s, %(account_id)s, 'company', %(folded_name)s, 'organization', %(crm_id)s,
         %(origin)s, 'linked')
    ON CONFLICT (target_id, installation_id, account_id, source_kind, source_id, crm_kind) DO UPDATE
    SET acked_hash = CASE WHEN mapping.crm_id = excluded.crm_id THEN mapping.acked_hash END,
        last_sent = CASE WHEN mapping.crm_id = excluded.crm_id THEN mapping.last_sent END,
        pending_write = CASE WHEN mapping.crm_id = excluded.crm_id THEN mapping.pending_write END,
        origin = CASE WHEN mapping.crm_id = excluded.crm_id THEN coalesce(mapping.origin, excluded.origin)
                      ELSE excluded.origin END,
        crm_id = excluded.crm_id, state = 'linked'
    RETURNING origin
),
due AS (
    UPDATE krayin_sync.operation
    SET next_attempt_at = clock_timestamp()
    WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
      AND source_kind = 'company' AND source_id = %(folded_name)s AND state = 'planned'
      AND next_attempt_at = 'infinity'
)
SELECT origin
FROM linked
WHERE NOT EXISTS (SELECT FROM before WHERE crm_id = %(crm_id)s)
