-- name: close
-- Note that open incidents are over, by whom and why: one by its id, or those of some kinds with exactly this
-- sync and Krayin. Returns their ids.
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


-- name: expire
-- Delete some incidents that ended long ago; their ids come back.
-- Parameters: after (id, NULL at first), age (interval), size.
-- Indexes: incident_pkey.
DELETE FROM krayin_sync.incident
WHERE id IN (
    SELECT id FROM krayin_sync.incident
    WHERE id > coalesce(%(after)s::bigint, 0) AND closed_at < clock_timestamp() - %(age)s
    ORDER BY id LIMIT %(size)s
    FOR UPDATE SKIP LOCKED
)
RETURNING id


-- name: list
-- The open incidents of a sync and those of its Krayin, the oldest first; all of them without either.
-- Parameters: sync_name, target_id (NULL: not asked for).
-- Indexes: incident_open.
SELECT id, kind, sync_name, target_id, sentence, facts, opened_at, last_seen_at
FROM krayin_sync.incident
WHERE closed_at IS NULL
  AND ((%(sync_name)s::text IS NULL AND %(target_id)s::integer IS NULL)
       OR sync_name = %(sync_name)s
       OR (sync_name IS NULL AND target_id = %(target_id)s))
ORDER BY id


-- name: open
-- Note that something is wrong, or still is; one row while it lasts. Returns its id.
-- Parameters: kind, sync_name and target_id (either can be NULL), sentence, facts (JSON).
-- Indexes: incident_open.
INSERT INTO krayin_sync.incident (kind, sync_name, target_id, sentence, facts)
VALUES (%(kind)s, %(sync_name)s, %(target_id)s, %(sentence)s, %(facts)s)
ON CONFLICT (kind, coalesce(sync_name, ''), coalesce(target_id, 0)) WHERE closed_at IS NULL DO UPDATE
SET sentence = excluded.sentence, facts = excluded.facts, last_seen_at = clock_timestamp()
RETURNING id


-- name: open_shown
-- What is open between the syncs and their work, the oldest first.
-- Indexes: incident_open.
SELECT incident_id, kind, sync_name, krayin, sentence, opened_at, last_seen_at
FROM krayin_sync.incidents
WHERE closed_at IS NULL
ORDER BY incident_id


-- name: stops
-- The oldest open incident that stops all writing to a Krayin, if there is one.
-- Parameters: target_id.
-- Indexes: incident_open.
SELECT id, kind, sentence
FROM krayin_sync.incident
WHERE closed_at IS NULL AND sync_name IS NULL AND target_id = %(target_id)s
ORDER BY id
LIMIT 1
