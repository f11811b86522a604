-- Purpose: note what became of writing one contact's ids back.
-- Parameters: sync_name, target_id, installation_id, account_id, contact_id; attribute; value (text, NULL: refused);
--   error_message (text, NULL: none); pause (interval, NULL: nothing to repeat).
-- Indexes: write_back_pkey.
INSERT INTO krayin_sync.write_back AS noted (
    sync_name, target_id, installation_id, account_id, contact_id, attribute, value, written_at, next_attempt_at,
    error_message
)
VALUES (
    %(sync_name)s, %(target_id)s, %(installation_id)s, %(account_id)s, %(contact_id)s, %(attribute)s, %(value)s,
    CASE WHEN %(value)s::text IS NOT NULL THEN clock_timestamp() END,
    clock_timestamp() + %(pause)s::interval,
    %(error_message)s
)
ON CONFLICT (sync_name, target_id, installation_id, account_id, contact_id) DO UPDATE
SET attribute = excluded.attribute,
    value = excluded.value,
    written_at = coalesce(excluded.written_at, noted.written_at),
    next_attempt_at = excluded.next_attempt_at,
    error_message = excluded.error_message
