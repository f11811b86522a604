-- name: decide
-- Note the answer to a recovery; what was planned row by row has had its use.
-- Parameters: recovery_id, state, decided_by.
-- Indexes: recovery_pkey, recovery_item_pkey.
WITH used AS (
    DELETE FROM krayin_sync.recovery_item WHERE recovery_id = %(recovery_id)s
)
UPDATE krayin_sync.recovery
SET state = %(state)s, decided_by = %(decided_by)s, decided_at = clock_timestamp()
WHERE id = %(recovery_id)s


-- name: item
-- What becomes of the bindings, row by row.
-- Parameters: none: rows follow.
COPY krayin_sync.recovery_item
    (recovery_id, mapping_id, action, crm_id, crm_created_at, origin, former_crm_ids) FROM STDIN


-- name: plan
-- Note a recovery that waits for an answer; an earlier one of the same Krayin is replaced.
-- Parameters: target_id, moved_from (or NULL), happened, make_again, shown (JSON).
WITH replaced AS (
    DELETE FROM krayin_sync.recovery WHERE target_id = %(target_id)s AND state = 'planned'
)
INSERT INTO krayin_sync.recovery (target_id, moved_from, happened, make_again, shown)
VALUES (%(target_id)s, %(moved_from)s, %(happened)s, %(make_again)s, %(shown)s)
RETURNING id


-- name: read
-- A recovery that waits for its answer.
-- Parameters: recovery_id.
-- Indexes: recovery_pkey.
SELECT target_id, moved_from, happened
FROM krayin_sync.recovery
WHERE id = %(recovery_id)s AND state = 'planned'
FOR UPDATE
