-- Purpose: keep mapped records that differ from what was last planned until they are planned; a record may come twice.
-- Parameters: run_id, source_kind, source_ids (text[]), contact_ids (bigint[]), source_hashes (bytea[]),
--             desired (text[] of JSON).
-- Indexes: staged_activity_pkey.
INSERT INTO krayin_sync.staged_activity (run_id, source_kind, source_id, contact_id, source_hash, desired)
SELECT %(run_id)s, %(source_kind)s, source_id, contact_id, source_hash, desired::jsonb
FROM unnest(%(source_ids)s::text[], %(contact_ids)s::bigint[], %(source_hashes)s::bytea[], %(desired)s::text[])
    AS staged (source_id, contact_id, source_hash, desired)
ON CONFLICT DO NOTHING
