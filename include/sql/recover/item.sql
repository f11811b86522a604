-- Purpose: what becomes of the bindings, row by row.
-- Parameters: none: rows follow.
-- Indexes: none needed to insert.
COPY krayin_sync.recovery_item
    (recovery_id, mapping_id, action, crm_id, crm_created_at, origin, former_crm_ids) FROM STDIN
