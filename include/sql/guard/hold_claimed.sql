-- Purpose: what a claimed operation waits for; its worker settles it as held.
-- Parameters: id, approval_id.
-- Indexes: operation_pkey.
UPDATE krayin_sync.operation SET approval_id = %(approval_id)s WHERE id = %(id)s
