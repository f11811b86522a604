-- Purpose: note that open incidents are over, by whom and why: one by its id, or those of some kinds with exactly this
--   sync and Krayin. Returns their ids.
-- Parameters: incident_id (NULL: by the others), kinds (text[]), sync_name, target_id, closed_by, closed_why.
-- Indexes: incident_pkey, incident_open.
UPDATE krayin_sync.incident
SET closed_at = clock_timestamp(), closed_by = %(closed_by)s, closed_why = %(closed_why)s
WHERE closed_at IS NULL
  AND CASE
      WHEN %(incident_id)s::bigint IS NOT NULL THEN id = %(incident_id)s
      ELSE kind = ANY(%(kinds)s::text[])
           AND sync_name IS NOT DISTINCT FROM %(sync_name)s::text
           AND target_id IS NOT DISTINCT FROM %(target_id)s::integer
  END
RETURNING id
