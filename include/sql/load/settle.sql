-- Purpose: record how an operation ended or goes on, only while it is ours; no row means it is not.
-- Parameters: id, fence, state, step (or NULL: as the last intent left it), attempts, error_class, error_message,
--             candidates (JSON or NULL), delay (interval), result (JSON object, merged).
-- What goes back to planned without a new error keeps the last one: a later failure may be alike.
-- Indexes: operation_pkey.
UPDATE krayin_sync.operation
SET state = %(state)s,
    step = coalesce(%(step)s, step),
    attempts = %(attempts)s,
    error_class = CASE WHEN %(state)s = 'planned' THEN coalesce(%(error_class)s, error_class) ELSE %(error_class)s END,
    error_message = CASE WHEN %(state)s = 'planned' THEN coalesce(%(error_message)s, error_message)
                         ELSE %(error_message)s END,
    candidates = %(candidates)s,
    result = result || %(result)s,
    next_attempt_at = clock_timestamp() + %(delay)s,
    worker = NULL,
    lease_until = NULL,
    finished_at = CASE WHEN %(state)s IN ('done', 'rejected', 'quarantined', 'superseded') THEN clock_timestamp() END
WHERE id = %(id)s AND fence = %(fence)s AND worker IS NOT NULL
RETURNING id
