-- Purpose: note a recovery that waits for an answer; an earlier one of the same Krayin is replaced.
-- Parameters: target_id, moved_from (or NULL), happened, make_again, shown (JSON).
-- Indexes: none: few rows.
WITH replaced AS (
    DELETE FROM krayin_sync.recovery WHERE target_id = %(target_id)s AND state = 'planned'
)
INSERT INTO krayin_sync.recovery (target_id, moved_from, happened, make_again, shown)
VALUES (%(target_id)s, %(moved_from)s, %(happened)s, %(make_again)s, %(shown)s)
RETURNING id
