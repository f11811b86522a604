-- Purpose: note that something is wrong, or still is; one row while it lasts. Returns its id.
-- Parameters: kind, sync_name and target_id (either can be NULL), sentence, facts (JSON).
-- Indexes: incident_open.
INSERT INTO krayin_sync.incident (kind, sync_name, target_id, sentence, facts)
VALUES (%(kind)s, %(sync_name)s, %(target_id)s, %(sentence)s, %(facts)s)
ON CONFLICT (kind, coalesce(sync_name, ''), coalesce(target_id, 0)) WHERE closed_at IS NULL DO UPDATE
SET sentence = excluded.sentence, facts = excluded.facts, last_seen_at = clock_timestamp()
RETURNING id
