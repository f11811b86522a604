-- name: due
-- The contacts of a sync whose ids in Krayin differ from what was written back of them, and how many there
-- are in all. A contact without a record in Krayin is left as it is. Those that failed before come last, so that
-- one at which Chatwoot always fails holds up no other.
-- Parameters: sync_name, target_id, account_id; attribute; size: how many at most.
-- Indexes: mapping_of_source; write_back_pkey.
SELECT
    known.scope_id,
    known.contact_id,
    known.value,
    count(*) OVER () AS due
FROM (
    SELECT
        mapping.scope_id,
        mapping.source_id::bigint AS contact_id,
        string_agg('krayin:' || mapping.crm_kind || ':' || mapping.crm_id, '|' ORDER BY mapping.crm_kind DESC) AS value
    FROM krayin_sync.mapping AS mapping
    JOIN krayin_sync.scope AS scope ON scope.id = mapping.scope_id
    JOIN krayin_sync.watermark AS watermark
        ON watermark.sync_name = %(sync_name)s
        AND watermark.stream = 'contacts'
        AND watermark.scope_id = mapping.scope_id
    WHERE scope.target_id = %(target_id)s
        AND scope.account_id = %(account_id)s
        AND mapping.source_kind = 'contact'
        AND mapping.crm_kind IN ('person', 'lead')
        AND mapping.state = 'linked'
    GROUP BY mapping.scope_id, mapping.source_id
) AS known
LEFT JOIN krayin_sync.write_back AS written
    ON written.sync_name = %(sync_name)s
    AND written.scope_id = known.scope_id
    AND written.contact_id = known.contact_id
WHERE (written.value IS DISTINCT FROM known.value OR written.attribute <> %(attribute)s)
    AND (written.next_attempt_at IS NULL OR written.next_attempt_at <= clock_timestamp())
ORDER BY written.error_message IS NOT NULL, known.scope_id, known.contact_id
LIMIT %(size)s


-- name: erase
-- Forget which ids were written back to an erased contact.
-- Parameters: scope_id, contact_id (text).
-- Indexes: none: a scan, erasures are rare.
DELETE FROM krayin_sync.write_back
WHERE scope_id = %(scope_id)s AND contact_id = %(contact_id)s::text::bigint


-- name: note
-- Note what became of writing one contact's ids back.
-- Parameters: sync_name, scope_id, contact_id; attribute; value (text, NULL: refused); error_message (text, NULL:
--   none); pause (interval, NULL: nothing to repeat).
-- Indexes: write_back_pkey.
INSERT INTO krayin_sync.write_back AS noted (
    sync_name, scope_id, contact_id, attribute, value, written_at, next_attempt_at, error_message
)
VALUES (
    %(sync_name)s, %(scope_id)s, %(contact_id)s, %(attribute)s, %(value)s,
    CASE WHEN %(value)s::text IS NOT NULL THEN clock_timestamp() END,
    clock_timestamp() + %(pause)s::interval,
    %(error_message)s
)
ON CONFLICT (sync_name, scope_id, contact_id) DO UPDATE
SET attribute = excluded.attribute,
    value = excluded.value,
    written_at = coalesce(excluded.written_at, noted.written_at),
    next_attempt_at = excluded.next_attempt_at,
    error_message = excluded.error_message
