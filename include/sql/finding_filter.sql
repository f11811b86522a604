-- name: chosen
-- Which differences are meant: of a class, a field, a side; those that need somebody or are for information (what was
-- accepted, a salesperson's own value, and what was cut to fit); those that are new since the last comparison, still
-- there, or gone with it. Without `change` all that are there now.
-- Indexes: finding_chosen.
-- Parameters: sync_name, class, field, side, information (boolean), change (new, gone or still): each may be NULL.
WITH compared AS MATERIALIZED (
    SELECT started_at FROM krayin_sync.reconciliation
    WHERE sync_name = %(sync_name)s AND finished_at IS NOT NULL ORDER BY id DESC LIMIT 1
), chosen AS (
    SELECT id
    FROM krayin_sync.finding
    WHERE sync_name = %(sync_name)s
      AND (state NOT IN ('repaired', 'resolved')) = (%(change)s::text IS DISTINCT FROM 'gone')
      AND (%(class)s::text IS NULL OR class = %(class)s)
      AND (%(field)s::text IS NULL OR field = %(field)s)
      AND (%(side)s::text IS NULL OR side = %(side)s)
      AND (%(information)s::boolean IS NULL
           OR krayin_sync.for_information(state, class, side) = %(information)s)
      AND CASE %(change)s::text
              WHEN 'gone' THEN ended_at >= (SELECT started_at FROM compared)
              WHEN 'new' THEN first_seen >= (SELECT started_at FROM compared)
              WHEN 'still' THEN first_seen < (SELECT started_at FROM compared)
              ELSE true END
)
